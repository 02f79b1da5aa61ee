"""The server serves only the files that it was given, and only to this machine."""

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskscape.app.server import PORTS, Server, start

Answer = tuple[int, http.client.HTTPMessage, bytes]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "secret.txt").write_text("not for you")
    (folder / "index.html").write_text("<p>page</p>")
    (folder / "model.wasm").write_bytes(b"\0asm")
    (folder / "model.onnx").write_bytes(bytes(range(256)) * 4096)
    with start(0) as server:
        server.files = {
            "index.html": folder / "index.html",
            "run/model.wasm": folder / "model.wasm",
            "run 1/model.onnx": folder / "model.onnx",
            "gone.js": folder / "gone.js",
        }
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: Server, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.msg, answer.read()
    finally:
        connection.close()


def test_files_have_types_that_browsers_take_and_headers_that_threads_need(server: Server) -> None:
    status, headers, content = ask(server, "/")
    assert (status, content, headers["Content-Type"]) == (200, b"<p>page</p>", "text/html; charset=utf-8")
    assert ask(server, "/index.html?a=b")[2] == content
    assert ask(server, "/run/model.wasm")[1]["Content-Type"] == "application/wasm"
    status, headers, content = ask(server, "/run%201/model.onnx")
    assert (status, headers["Content-Type"], len(content)) == (200, "application/octet-stream", 1 << 20)
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "connect-src 'none'" in headers["Content-Security-Policy"]
    assert not any(name.lower().startswith("access-control") for name in headers)
    status, headers, content = ask(server, "/run/model.wasm", "HEAD")
    assert (status, headers["Content-Length"], content) == (200, "4", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/../secret.txt",
        "/run/../secret.txt",
        "/run/%2e%2e/secret.txt",
        "/run%201/..%2fsecret.txt",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/run/",
        "/gone.js",
        "/nul%00byte",
        "/run/model.wasm/",
    ],
)
def test_other_paths_are_not_found(server: Server, path: str) -> None:
    status, _, content = ask(server, path)
    assert status == 404
    assert b"not for you" not in content and b"root:" not in content


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.0.7:8765", "", "localhost:x", "0", "[", "[::1"]
)
def test_other_names_are_refused(server: Server, host: str) -> None:
    status, headers, content = ask(server, "/", Host=host)
    assert status == 403
    assert b"<p>page</p>" not in content and f"http://127.0.0.1:{server.server_port}/".encode() in content
    assert headers["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:1", "[::1]:80"])
def test_this_machine_may_be_called_by_any_of_its_names(server: Server, host: str) -> None:
    assert ask(server, "/", Host=host)[0] == 200


def test_an_address_that_is_none_is_not_found(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        connection.sendall(b"GET http://[/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 404")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_nothing_is_taken(server: Server, method: str) -> None:
    assert ask(server, "/", method, b"x" * 1000)[0] == 501
    assert ask(server, "/")[0] == 200


def test_requests_that_break_off_are_not_told(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    for said in (b"", b"GET / HT", b"GET /run%201/model.onnx HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\xff\0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
            # Close with a reset, as a terminated browser does, even if data are still to come.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(said)
    assert ask(server, "/")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_left_to_its_owner() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with start(taken) as server:
            assert server.server_port != taken
            assert server.server_port <= taken + PORTS or taken + PORTS > 65535
            assert server.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_that_there_are_not(port: int) -> None:
    with pytest.raises(ValueError, match=f"port is {port}: it must be 0"):
        start(port)


def test_files_are_read_when_they_are_asked_for(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "late.json"
    server.files = {**server.files, "late.json": file}
    assert ask(server, "/late.json")[0] == 404
    file.write_text("{}")
    assert ask(server, "/late.json")[2] == b"{}"
