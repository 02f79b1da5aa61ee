"""Find models by name: released models such as ``taskscape/streets-small``, and ``user/name`` on the hub.

A released model is a folder beside this file with the files of a published run: ``model.safetensors``,
``experiment.yaml``, ``result.json`` and its card, ``README.md``.
"""

from pathlib import Path

from taskscape import hub
from taskscape.files import atomic_write, writing
from taskscape.files.paths import require_writable
from taskscape.released.listing import Listing, in_words, listing
from taskscape.run_folder import RunFolder
from taskscape.serialization import nearest

OWNER = "taskscape"
"""First part of the names of released models."""

DEFAULT = f"{OWNER}/streets-small"
"""Default model for predictions."""

FOLDER = Path(__file__).parent

PHOTOGRAPH = FOLDER / "street.jpg"
"""A freely licensed photograph of a street; the license is in ``street.jpg.license`` beside it."""

PHOTOGRAPHER = "Adrien Pavie, MIT license"
"""Photographer and license of ``PHOTOGRAPH``."""

MOST_BYTES = 12_000_000
"""Maximum size of a released model, which is part of the package."""

__all__ = [
    "DEFAULT",
    "FOLDER",
    "MOST_BYTES",
    "OWNER",
    "PHOTOGRAPH",
    "PHOTOGRAPHER",
    "Listing",
    "default",
    "find",
    "in_words",
    "introduced",
    "is_name",
    "listing",
    "names",
    "pull",
    "resolve",
]


def names() -> list[str]:
    """Return the names of the released models."""
    return [f"{OWNER}/{path.name}" for path in sorted(FOLDER.iterdir()) if RunFolder(path).experiment.is_file()]


def find(name: str) -> Path:
    """Return the folder of a released model. Raises ``ValueError``, which suggests similar names, if there is none."""
    if name not in names():
        raise ValueError(f"there is no released model {name!r}{nearest(name, names())}")
    return FOLDER / name.removeprefix(f"{OWNER}/")


def default() -> str:
    """Return the name of the default model. Raises ``ValueError`` if it is not part of the package."""
    if DEFAULT not in names():
        raise ValueError("this version of taskscape comes without a model: name the folder of a run before the images")
    return DEFAULT


def introduced(model: str) -> str:
    """Return one line about the model that is used if no run is named."""
    summary = listing(find(model))
    metric = in_words(*next(iter(summary.metrics.items())))  # of the first task
    return f"no run is named, so {model} is used: trained on {summary.trained_on}, for {summary.expects} ({metric})"


def is_name(model: str | Path) -> bool:
    """Return whether this is the name of a model, released or perhaps on the hub, instead of a file or folder.

    Existing paths are not names, nor is ``runs/joint`` if a folder ``runs`` exists. Raises ``ValueError``, which
    suggests similar names, for an unknown name of a released model.
    """
    path = Path(model)
    name = path.as_posix()
    if path.exists():
        return False
    if name.startswith(f"{OWNER}/"):
        return find(name).exists()
    if f"{OWNER}/{name}" in names():
        raise ValueError(f"there is no folder {name}; did you mean {OWNER}/{name}?")
    return hub.is_repository(name) and not path.parent.exists()


def resolve(model: str | Path) -> Path:
    """Return the folder of a model, given its name (``is_name``); return paths unchanged, even if they do not exist.

    A model of the hub is fetched (``taskscape.hub.fetch``). Raises ``ValueError`` for a model that does not exist.
    """
    if not is_name(model):
        return Path(model)
    name = Path(model).as_posix()
    if name.startswith(f"{OWNER}/"):
        return find(name)
    try:
        return hub.fetch(name)
    except ValueError as error:
        suggestion = nearest(name, names())
        raise ValueError(f"{error}{suggestion if 'did you mean' in suggestion else ''}") from error


def pull(name: str, out: Path, *, code: bool = False) -> list[Path]:
    """Copy the files of a released model or of one on the hub to a new folder, and return their paths.

    With ``code``, this includes the author's code, if the model needs any. Raises ``ValueError`` as ``resolve`` does,
    and if the folder is not empty or is a file.
    """
    require_writable(out, "the model")
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty: name another folder with --out, or delete it")
    folder = find(name) if name.startswith(f"{OWNER}/") else hub.fetch(name, code=code)
    files = hub.files_of(folder, code=code)
    for path in files:
        copy = out / path.relative_to(folder)
        with writing(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(copy, path.read_bytes())
    return [out / path.relative_to(folder) for path in files]
