"""How long does the page of a network take for a photograph? ``web_page.py PAGE`` answers.

PAGE is the output of ``taskscape export --to web``. It is opened from disk, where it has one thread, and from
localhost, where it has several. The CPU time of the page's worker is measured: the time on an otherwise idle core,
since other work on the machine changes it little. Needs Linux, Chromium and playwright.
"""

import argparse
import functools
import http.server
import os
import statistics
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from taskscape.released import PHOTOGRAPH

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from browsers import browser, opened, wait_for_prediction

REPEATS = 9
WORKER = "DedicatedWorker"


class Isolated(http.server.SimpleHTTPRequestHandler):
    """Serves a folder with the headers that allow a page several threads."""

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=Path, help="the folder of the page, or page.html")
    page = parser.parse_args().page.resolve()
    index = page / "index.html" if page.is_dir() else page
    handler = functools.partial(Isolated, directory=str(index.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, browser() as chromium:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for address in (index.as_uri(), f"http://127.0.0.1:{server.server_port}/{index.name}"):
            measure(chromium, address)
        server.shutdown()


def measure(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        wait_for_prediction(page)
        before, seconds = cpu_seconds(), []
        for _ in range(REPEATS):
            page.evaluate("window.taskscapeFrame = undefined")
            page.set_input_files("#file", PHOTOGRAPH)
            page.wait_for_function("() => window.taskscapeFrame")
            seconds.append(page.evaluate("taskscapeFrame.seconds"))
        worker = (cpu_seconds() - before)[WORKER] / REPEATS
        runtime = page.evaluate("taskscapeFrame.runtime")
        clock = statistics.median(seconds)
        print(f"{address.partition(':')[0]}, {runtime}: {worker:.2f} s of CPU, {clock:.2f} s by the clock")


def cpu_seconds() -> Counter[str]:
    """Return the CPU seconds of the browser's threads, by name."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int(_stat(folder)[1][1])
            except OSError:  # the thread has ended
                continue
    seconds: Counter[str] = Counter()
    for process in parents:
        ancestor = process
        while ancestor > 1 and ancestor != os.getpid():
            ancestor = parents.get(ancestor, 0)
        if ancestor != os.getpid() or process == os.getpid():
            continue
        for task in Path(f"/proc/{process}/task").iterdir():
            name, fields = _stat(task)
            seconds[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # type: ignore[assignment]
    return seconds


def _stat(folder: Path) -> tuple[str, list[str]]:
    """Return the name of a process or thread, and the fields after it in its file ``stat``."""
    head, _, rest = (folder / "stat").read_text().rpartition(")")
    return head.partition("(")[2], rest.split()


if __name__ == "__main__":
    main()
