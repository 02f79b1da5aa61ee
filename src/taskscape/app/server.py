"""A server for the browsers of this machine: it hands out the files that it was given, and takes none.

Only the names of these files are answered, so that no path leads elsewhere. It is bound to 127.0.0.1 and answers
requests for this machine by name alone: a page of another site whose name was made to mean 127.0.0.1 (DNS rebinding)
gets nothing. The headers let a browser run WebAssembly in several threads, and keep the page from sending anything.
"""

import errno
import logging
import os
import socket
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from typing_extensions import override

ADDRESS = "127.0.0.1"
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
"""What a browser may call the server; a tunnel such as ``ssh -L`` keeps the name and may change the port."""

PORTS = 20
"""How many ports are tried, one after the other, before the system chooses one."""

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
"""By the end of a file's name, whatever the system's own table says; others are bytes."""

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'",
        "worker-src blob:",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "media-src blob: mediastream:",
        "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The page may send nothing to anybody: what a user opens in it cannot leave the machine."""

HEADERS = {
    "Cache-Control": "no-store",  # another version may be served at the same address a minute later
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Embedder-Policy": "require-corp",  # this and the next: memory that threads share
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Files = Mapping[str, Path | bytes]
"""What is handed out, by its path in the address without the first slash: ``index.html`` stands for the folder too."""

_LOGGER = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """Files for the browsers of this machine; ``serve_forever`` answers until it is interrupted."""

    daemon_threads = True  # an unfinished download does not keep the process from ending
    allow_reuse_address = os.name != "nt"  # there it would share the port with another program

    def __init__(self, port: int) -> None:
        """Take a port of 127.0.0.1, any free one for 0. Raises ``OSError``. Requests wait until files are served."""
        super().__init__((ADDRESS, port), _Handler)
        self.files: Files = {}

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @override
    def server_bind(self) -> None:
        """Bind without asking for the name of 127.0.0.1, which takes seconds where no name server answers."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(self.allow_reuse_address))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong; a browser that goes away in the middle is nothing to tell."""
        if not isinstance(error := sys.exception(), ConnectionError | TimeoutError):
            _LOGGER.warning("a request failed: %s", error)


def start(port: int) -> Server:
    """Return a server on this port, or on the next one that is free; on any free one for 0.

    Raises ``ValueError`` for a port that there is not, or that this user may not take.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port is {port}: it must be 0 (any that is free) to 65535")
    for candidate in (*range(port, min(port + PORTS, 65536)), 0) if port else (0,):
        try:
            return Server(candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ValueError(f"port {candidate} cannot be used ({error.strerror}): name another one") from error
    raise ValueError("no port is free: end another program that has one")


class _Handler(BaseHTTPRequestHandler):
    """One connection: GET and HEAD of the server's files."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "taskscape"
    sys_version = ""
    timeout = 60  # seconds without a word

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Send what goes before a file."""
        self._answer(with_content=False)

    def _answer(self, *, with_content: bool) -> None:
        if not self._is_for_this_machine():
            self.send_error(HTTPStatus.FORBIDDEN, f"open it as {self.server.address}")
            return
        try:
            path = unquote(urlsplit(self.path).path).removeprefix("/")
            name = path + "index.html" if path == "" or path.endswith("/") else path
            content = self.server.files[name]
            data = content.read_bytes() if isinstance(content, Path) else content
        except (KeyError, OSError, ValueError):  # ValueError: an address that is none
            self.send_error(HTTPStatus.NOT_FOUND, "there is no such file")
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", TYPES.get(PurePosixPath(name).suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if with_content:
            self.wfile.write(data)

    def _is_for_this_machine(self) -> bool:
        try:
            host = urlsplit("//" + self.headers.get("Host", ""))
            return host.hostname in THIS_MACHINE and (host.port is None or host.port > 0)
        except ValueError:  # no name, or a port that is no number
            return False

    @override
    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        _LOGGER.debug("%s", format % args)
