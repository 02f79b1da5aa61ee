"""``taskscape app``."""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from taskscape.commands.shared import require_model
from taskscape.imports import quick_imports
from taskscape.serialization.ranges import Range

Runs = Annotated[
    tuple[Path, ...],
    tyro.conf.arg(metavar="RUN...", help="Run folders or model names; by default the released model."),
]


def app(runs: Runs = (), /, *, port: Annotated[int, Range(least=0, most=65535)] = 8765, open: bool = True) -> None:
    """Serve a web page on this machine where you can try networks on your own images or a camera.

    The page shows classes, depth and all other predictions, reads values under the pointer, displays a scene as a point
    cloud that can be turned, and compares two networks with a slider. The networks run in the browser: no image is sent
    to the server. Stop it with Ctrl-C.

    Args:
        port: Port of the server, which listens on 127.0.0.1 only. If it is taken, the next free port is used; 0 means
            any free port.
        open: Open the page in the browser.
    """
    from taskscape import released

    models = runs or (Path(released.default()),)
    for model in models:
        require_model(model)
    with quick_imports():
        from taskscape.app import serve

    serve(models, port=port, show=open, tell=_tell)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
