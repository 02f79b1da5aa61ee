"""``taskscape app``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from taskscape.commands.call import call
from taskscape.commands.shared import require_run
from taskscape.imports import quick_imports

Runs = Annotated[
    tuple[Path, ...],
    tyro.conf.arg(metavar="RUN...", help="Folders of runs, or names of models; by default the released one."),
]


def main(arguments: Sequence[str]) -> None:
    call(app, arguments, "app")


def app(runs: Runs = (), /, *, port: int = 8765, open: bool = True) -> None:
    """Open a page on this machine where networks predict your own pictures, or what a camera takes.

    It shows classes, depth and whatever else the networks predict, reads values under the pointer, turns a scene as a
    cloud of points, and compares two networks with a slider. The networks run in the browser: no picture leaves it, and
    the server takes none. Ctrl-C ends it.

    Args:
        port: Where the server answers, on 127.0.0.1 alone; the next one that is free where it is taken, any for 0.
        open: Open the page in the browser.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port is {port}: it must be 0 (any that is free) to 65535")
    from taskscape import released

    named = runs or (Path(released.default()),)
    for run in named:
        if not released.is_name(run):
            require_run(run)
    with quick_imports():
        from taskscape.app import serve

    serve(named, port=port, show=open, tell=_tell)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
