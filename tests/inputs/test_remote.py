"""Pictures at URLs and on standard input."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pictures import encode, red_picture

from runtime.errors import InputError
from runtime.inputs import remote
from runtime.inputs.frames import Frame, Problem, read_files
from runtime.inputs.sources import Kind, find_sources

ROOT = Path(__file__).resolve().parents[2]
PNG = encode(red_picture(), ".png")


class Handler(BaseHTTPRequestHandler):
    """A site with a picture, and with what else may come."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/to%20the/red.png" or path == "/%E7%BA%A2.png":
            self.answer(200, PNG)
        elif path == "/moved.png":
            self.answer(302, b"", ("Location", "/to%20the/red.png"))
        elif path == "/file.png":
            self.answer(302, b"", ("Location", f"file://{ROOT}/samples/page.jpg"))
        elif path == "/ftp.png":
            self.answer(302, b"", ("Location", "ftp://127.0.0.1/red.png"))
        elif path == "/dripping.png":
            with suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                while True:
                    self.wfile.write(b"a")
                    time.sleep(0.05)
        elif path == "/secret.png":
            known = self.headers["Authorization"] == "Basic YW5uYTpwQHNz"  # anna:p@ss
            self.answer(200 if known else 401, PNG if known else b"")
        elif path == "/page.png":
            self.answer(200, b"<html>not found, but friendly</html>")
        elif path == "/large.png":
            self.answer(200, bytes(5000))
        elif path == "/hanging.png":
            threading.Event().wait(2)
        elif path == "/garbage.png":
            self.wfile.write(b"nothing like HTTP\r\n\r\n")
        else:
            self.answer(404, b"")

    def answer(self, code: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        for header in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.parametrize(
    "path", ["/to%20the/red.png", "/to the/red.png?size=1", "/红.png", "/moved.png", "/secret.png"]
)
def test_a_url_that_ends_like_a_picture_is_one(site: str, path: str) -> None:
    url = site + path
    if "secret" in path:
        url = url.replace("://", "://anna:p%40ss@")
    (source,), problems, _ = find_sources([url])
    assert not problems
    assert source.kind is Kind.IMAGE
    assert source.suffix == ".png"
    assert "p%40ss" not in source.name
    (event,) = read_files([source])
    assert isinstance(event, Frame), event
    assert event.image.tobytes() == red_picture().tobytes()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing.png", "it cannot be got: 404 Not Found"),
        ("/secret.png", "it cannot be got: 401 Unauthorized"),
        ("/page.png", "not a picture"),
        ("/large.png", "it has more than the 4096 bytes that are read"),
        ("/hanging.png", "it cannot be got: timed out"),
        ("/garbage.png", "the server's answer is damaged (BadStatusLine)"),
        ("/file.png", "it cannot be got: 302"),
        ("/ftp.png", "it is moved to ftp, which is not read"),
        ("/dripping.png", "it takes longer than 1 s"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    site: str, path: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_BYTES", 4096)
    monkeypatch.setattr(remote, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(remote, "MAX_SECONDS", 1.0)
    (source,), _, _ = find_sources([site + path])
    (event,) = read_files([source])
    assert isinstance(event, Problem)
    assert event.text.startswith(f"{site}{path}: {reason}"), event.text
    assert "\n" not in event.text


def test_a_host_that_is_not_there_and_one_that_cannot_be() -> None:
    for url in ("http://127.0.0.1:9/a.png", "http://a..b/a.png", "http://[::1]:9/a.png"):
        with pytest.raises(InputError):
            remote.download(url)


def test_only_http_is_read() -> None:
    (source,), _, _ = find_sources(["rtsp://camera/a.png"])
    assert source.kind is Kind.LIVE
    with pytest.raises(InputError, match="not from ftp"):
        remote.download("ftp://host/a.png")


def detect(tmp_path: Path, data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "runtime.detect", *arguments],
        input=data,
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_standard_input(tmp_path: Path) -> None:
    data = (ROOT / "samples" / "cluttered.jpg").read_bytes()
    done = detect(tmp_path, data, "-", "-")
    assert done.returncode == 1
    assert b"standard input  1000x750  " in done.stdout
    assert done.stderr == b"error: standard input can be read once only\n"
    assert (tmp_path / "runs" / "detect" / "standard-input.jpg").is_file()

    done = detect(tmp_path, b"", "-", "--no-save")
    assert done.returncode == 1
    assert done.stderr.strip() == b"error: standard input: it is empty"
    assert b"saved" not in done.stdout
