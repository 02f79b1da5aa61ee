"""What several commands share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import tyro

Run = Annotated[Path, tyro.conf.arg(metavar="RUN", help="Folder of a run.")]
"""A positional argument."""


@contextmanager
def if_interrupted(kept: str) -> Iterator[None]:
    """Let Ctrl-C end in a line that says what is kept and how to continue."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        stopped = str(interrupt) or "stopped"
        raise KeyboardInterrupt(f"{stopped}; {kept}") from None
