"""The page on this machine, from the names of runs to the address that a browser opens."""

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
        port: Where it answers; the next one that is free where it is taken, any for 0.
        show: Open the page in a browser, where this machine has one with windows.
        tell: Called with lines about what takes long.

    Raises:
        FileNotFoundError: A run is not there, or not trained.
        ValueError: With the remedy for a port that cannot be used, packages that are not installed, and a network
            that cannot run in a browser.
    """
    with start(port) as server, tempfile.TemporaryDirectory(prefix="taskscape-app-") as folder:
        page = write_folder(prepare(runs, tell), Path(folder)).parent
        server.files = {file.name: file for file in page.iterdir()}
        print(f"{server.address}  (Ctrl-C ends it)", flush=True)
        if show:
            threading.Thread(target=_open, args=(server.address,), daemon=True).start()
        server.serve_forever()


def _open(address: str) -> None:
    """Open an address in a browser that has windows: one in this terminal would take it."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    if type(browser) is not webbrowser.GenericBrowser:
        browser.open(address)
