"""Prepare and serve the page for a list of runs."""

import tempfile
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from taskscape.app.networks import prepare
from taskscape.app.server import start
from taskscape.export.web import write_folder


def serve(runs: Sequence[str | Path], *, port: int, show: bool, tell: Callable[[str], None]) -> None:
    """Serve the page with the networks of these runs on 127.0.0.1 until Ctrl-C, and print its address.

    Args:
        runs: Folders of runs, or names of models.
        port: Port to listen on. If it is taken, the next free one is used; 0 selects any free port.
        show: Open the page in a browser, if the machine has a graphical one.
        tell: Called with messages about steps that take long.

    Raises:
        FileNotFoundError: A run does not exist or is not trained.
        ValueError: The port cannot be used, packages are not installed, or a network cannot run in a browser.
    """
    with start(port) as server, tempfile.TemporaryDirectory(prefix="taskscape-app-") as folder:
        page = write_folder(prepare(runs, tell), Path(folder)).parent
        server.files = {file.name: file for file in page.iterdir()}
        print(f"{server.address}  (Ctrl-C ends it)", flush=True)
        if show:
            threading.Thread(target=_open, args=(server.address,), daemon=True).start()
        server.serve_forever()


def _open(address: str) -> None:
    """Open an address in a graphical browser; a text browser would take over the terminal."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    if type(browser) is not webbrowser.GenericBrowser:
        browser.open(address)
