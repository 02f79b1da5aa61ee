"""``taskscape pull``."""

from pathlib import Path

from taskscape.commands.push import Name
from taskscape.imports import quick_imports
from taskscape.serialization import counted


def pull(name: Name, /, *, out: Path | None = None, with_code: bool = False) -> None:
    """Download and verify a model from the Hugging Face hub, uploaded with taskscape push, or copy a released model.

    Args:
        out: Folder to write to; by default USER/NAME in the current folder, where the model's name then refers to it.
        with_code: Also download code of the author if the model needs it. The code runs when the model is loaded, so
            read it before that.
    """
    from taskscape import released
    from taskscape.hub import require_repository

    require_repository(name)
    with quick_imports():
        files = released.pull(name, out or Path(name), code=with_code)
    print(f"{counted(len(files), 'file is', 'files are')} in {out or name}")
