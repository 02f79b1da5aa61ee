"""``taskscape pull``."""

from collections.abc import Sequence
from pathlib import Path

from taskscape.commands.call import call
from taskscape.commands.push import Name
from taskscape.imports import quick_imports


def main(arguments: Sequence[str]) -> None:
    call(pull, arguments, "pull")


def pull(name: Name, /, *, out: Path | None = None, with_code: bool = False) -> None:
    """Fetch a model of the Hugging Face hub that was sent with taskscape push, and verify it; or copy a released model.

    Args:
        out: Folder to write to; by default USER/NAME below the current one, which then goes by the model's name.
        with_code: Fetch code of its author too, where the model needs any. It runs when the model is loaded: read it.
    """
    from taskscape import released
    from taskscape.hub import require_repository

    require_repository(name)
    with quick_imports():
        files = released.pull(name, out or Path(name), code=with_code)
    print(f"{len(files)} files are in {out or name}")
