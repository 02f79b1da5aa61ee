"""A read-only server of a fixed set of files for browsers on the local machine.

Only the names of these files are served, so no path can lead elsewhere. The server is bound to 127.0.0.1 and accepts
only requests whose host is the local machine, which prevents DNS rebinding: a page of another site whose name was made
to resolve to 127.0.0.1 gets nothing. The headers let browsers run WebAssembly in several threads, and keep the page
from sending data anywhere.
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
"""Host names that are accepted. Tunnels such as ``ssh -L`` keep the name and may change the port."""

PORTS = 20
"""Number of consecutive ports to try before the system chooses one."""

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
"""Content types by suffix, independent of the system's table; other files are sent as binary data."""

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
"""Keeps the page from sending data anywhere: files that a user opens in it cannot leave the machine."""

HEADERS = {
    "Cache-Control": "no-store",  # another version may be served at the same address a minute later
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Embedder-Policy": "require-corp",  # with the next one, needed for memory shared by threads
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_LOGGER = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """Server of ``files`` for browsers on the local machine; ``serve_forever`` runs until it is interrupted."""

    daemon_threads = True  # an unfinished download does not keep the process from ending
    allow_reuse_address = os.name != "nt"  # on Windows this would share the port with another program

    def __init__(self, port: int) -> None:
        """Bind to a port of 127.0.0.1, any free one for 0; requests wait for ``serve_forever``. Raises ``OSError``."""
        super().__init__((ADDRESS, port), _Handler)
        self.files: Mapping[str, Path] = {}
        """By path in the URL without the first slash; ``index.html`` is also served for its folder."""

    @property
    def address(self) -> str:
        """URL of the server."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @override
    def server_bind(self) -> None:
        """Bind without looking up the name of 127.0.0.1, which takes seconds if no name server responds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(self.allow_reuse_address))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log errors, except those of browsers that close the connection."""
        if not isinstance(error := sys.exception(), ConnectionError | TimeoutError):
            _LOGGER.warning("a request failed: %s", error)


def start(port: int) -> Server:
    """Return a server on this port or the next free one, or on any free port for 0.

    Raises ``ValueError`` for an invalid port, or one that the user must not use.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port is {port}: it must be 0 (any that is free) to 65535")
    for candidate in (*range(port, min(port + PORTS, 65536)), 0) if port else (0,):
        try:
            return Server(candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ValueError(f"port {candidate} cannot be used ({error.strerror}): choose another one") from error
    raise ValueError("no port is free: end another program that uses one")


class _Handler(BaseHTTPRequestHandler):
    """One connection: GET and HEAD of the server's files."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "taskscape"
    sys_version = ""
    timeout = 60  # seconds without data

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Send the headers of a file."""
        self._answer(with_content=False)

    def _answer(self, *, with_content: bool) -> None:
        if not self._is_for_this_machine():
            self.send_error(HTTPStatus.FORBIDDEN, f"open it as {self.server.address}")
            return
        try:
            path = unquote(urlsplit(self.path).path).removeprefix("/")
            name = path + "index.html" if path == "" or path.endswith("/") else path
            data = self.server.files[name].read_bytes()
        except (KeyError, OSError, ValueError):  # ValueError: an invalid URL
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
        except ValueError:  # an invalid host name or port
            return False

    @override
    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        _LOGGER.debug("%s", format % args)
