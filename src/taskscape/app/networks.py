"""Export the networks of runs for the page, once, and keep them in the cache folder."""

import hashlib
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from filelock import FileLock

from taskscape.export import export, onnx_file
from taskscape.export.export import prepare as traced
from taskscape.export.web import BUILT, PageModel, read_folder
from taskscape.files import cache_folder, writing
from taskscape.released import is_name, resolve
from taskscape.run_folder import RunFolder
from taskscape.runs import read_experiment
from taskscape.serialization import listed

PAGE = "page"
"""Name of the folder that ``export`` creates for ``web``."""

MOST_BYTES = 2_000_000_000
"""Maximum size of all cached networks; the least recently used are removed first."""


def prepare(runs: Sequence[str | Path], tell: Callable[[str], None]) -> list[PageModel]:
    """Return the networks of runs or of named models, with the names that reports give to runs.

    Networks that are not cached are exported, which takes a minute each and is announced with ``tell``. All runs are
    loaded and traced before the first export. Afterwards, other networks are removed if the cache is larger than
    ``MOST_BYTES``. Raises ``ValueError`` or ``FileNotFoundError`` naming the run.
    """
    given_names: dict[Path, str] = {}
    for run in runs:
        path = resolve(run).resolve()
        given_names[path] = Path(run).as_posix() if is_name(run) else given_names.get(path, "")
    paths = list(given_names)
    folders = [cache_folder() / "app" / _key(RunFolder(path)) for path in paths]
    names = [given or name for given, name in zip(given_names.values(), _distinct_names(paths), strict=True)]
    new = {folder: (path, name) for path, name, folder in zip(paths, names, folders, strict=True) if not _read(folder)}
    if new:
        _require_packages()
    for path, name in new.values() if len(new) > 1 else ():
        with _named(name):
            traced(path, (), None, confidence=_has_confidence(path))
    models = [
        _read(folder) or _exported(path, name, folder, tell)
        for path, name, folder in zip(paths, names, folders, strict=True)
    ]
    _make_room(folders)
    return [replace(model, about={**model.about, "name": name}) for model, name in zip(models, names, strict=True)]


def _require_packages() -> None:
    if missing := [name for name in onnx_file.NEEDS if importlib.util.find_spec(name) is None]:
        raise ValueError(f"taskscape app needs {listed(missing)}: pip install 'taskscape[app]'")


def _read(folder: Path) -> PageModel | None:
    """Return the network in a folder; None if there is none, or if it is damaged or of an earlier version."""
    try:
        return read_folder(folder / PAGE)[0]
    except (OSError, ValueError, LookupError):
        return None


def _exported(run: Path, name: str, folder: Path, tell: Callable[[str], None]) -> PageModel:
    """Export the network of a run to a folder atomically, and return it; one process exports, the others wait."""
    tell(f"preparing {name} for the browser, which takes a minute; it is kept for the next time in {folder.parent}")
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent.with_suffix(".lock")).acquire()
    temporary = folder.with_name("part")
    with lock:
        if (model := _read(folder)) is not None:  # exported meanwhile
            return model
        shutil.rmtree(temporary, ignore_errors=True)  # left by a killed process
        try:
            with _named(name):
                export(run, "web", temporary, confidence=_has_confidence(run))
            model = read_folder(temporary / PAGE)[0]
            shutil.rmtree(folder, ignore_errors=True)
            with writing(folder):
                temporary.rename(folder)
            return model
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Name the network in errors of its export."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name} cannot run in a browser: {error}") from error


def _has_confidence(run: Path) -> bool:
    return any(task.distribution is not None for task in read_experiment(run).tasks.values())


def _make_room(used: Sequence[Path]) -> None:
    """Remove the least recently used networks, except those in ``used``, until at most ``MOST_BYTES`` remain."""
    with suppress(OSError):  # another process may be removing them too
        for folder in used:
            os.utime(folder)
        folders = [folder for folder in used[0].parent.iterdir() if folder.is_dir()]
        folders.sort(key=lambda folder: folder.stat().st_mtime)
        sizes = {folder: sum(file.stat().st_size for file in folder.rglob("*")) for folder in folders}
        for folder in folders:
            if sum(sizes.values()) <= MOST_BYTES:
                break
            if folder not in used:
                shutil.rmtree(folder)
                del sizes[folder]


def _key(run: RunFolder) -> str:
    """Return a checksum of everything that determines the exported file. Raises ``FileNotFoundError``."""
    digest = hashlib.sha256(metadata.version("taskscape").encode())
    digest.update((BUILT / "manifest.json").read_bytes())  # a newer page may need more of the exported file
    for file in (run.weights, run.experiment, run.result()):
        if not file.is_file():
            remedy = f"train it to the end of its first epoch with `{run.resume_command}`"
            raise FileNotFoundError(f"{run.path} has no {file.name}: {remedy}")
        digest.update(file.read_bytes())
    for file in (run.calibration, run.samples()):  # they determine confidences and color scales
        if file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:24]


def _distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of the folders, with as many of their parents as needed to distinguish them."""
    names = [path.name for path in paths]
    count = 1
    while len(set(names)) < len(paths):
        count += 1
        names = ["/".join(path.parts[-count:]) for path in paths]
    return names
