"""Folders of new runs."""

from contextlib import suppress
from pathlib import Path

from taskscape.files import writing
from taskscape.files.paths import require_writable
from taskscape.parallel import launched_processes, launched_rank
from taskscape.run_folder.names import RUNS, RunFolder


def fresh_folder(run: Path | None, name: str) -> Path:
    """Return the folder of a new run, by default the first free ``runs/NAME-N``.

    Raises ``ValueError`` as ``require_fresh`` does.
    """
    if run is None:
        if launched_processes() > 1:
            raise ValueError("several processes must agree on a folder: name it with --out")
        return first_free(RUNS, name)
    require_fresh(run)
    return run


def require_fresh(run: Path) -> None:
    """Raise ``ValueError`` for a folder that holds a run, and for a file.

    A run that failed before it saved anything that it learned does not count: correct the mistake and start again.
    """
    folder = RunFolder(run)
    if launched_rank() == 0 and folder.has_progress:  # only this process writes; others may be late
        raise ValueError(
            f"{run} holds a run; resume it with {folder.resume_command}, name another folder, or delete it"
        )
    require_writable(run, "the run")


def first_free(parent: Path, name: str) -> Path:
    """Create the first folder ``PARENT/NAME-N`` that does not exist yet, and return it."""
    number = 1
    while True:
        folder = parent / f"{name}-{number}"
        with writing(folder), suppress(FileExistsError):  # perhaps created by another process at this moment
            folder.mkdir(parents=True)
            return folder
        number += 1


def short_name(recipe: str) -> str:
    """Return the name of a run of this recipe, without its number."""
    if not recipe.endswith((".yaml", ".yml")):
        return recipe.rpartition(":")[2].replace("/", "-")
    file = RunFolder(Path(recipe).resolve().parent).experiment
    if Path(recipe).name != file.name:
        return Path(recipe).stem
    return file.parent.name.rstrip("0123456789").rstrip("-") or "run"
