"""What a server does before it is ready, when it ends, and with connections that never say a word."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="needs the extra `serve`")
pytest.importorskip("grpc", reason="needs the extra `serve`")
pytest.importorskip("fastapi", reason="needs the extra `serve`")
onnx = pytest.importorskip("onnx", reason="needs onnx")
onnx_models = pytest.importorskip("onnx_models", reason="needs onnx")

from paths import ROOT  # noqa: E402
from pictures import encode, red_picture  # noqa: E402
from serving import serving  # noqa: E402

from runtime.service import connection  # noqa: E402


def put(models: Path, name: str) -> None:
    """Put a model of bytes of its own into a repository."""
    path = models / name / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    onnx_models.write(path)
    network = onnx.load(str(path))
    network.doc_string = name  # the same bytes would be checked only once
    onnx.save(network, str(path))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def status(url: str) -> int:
    """Ask; 0 if nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_it_is_not_ready_while_models_load(tmp_path: Path) -> None:
    names = [f"red{number}" for number in range(4)]
    for name in names:
        put(tmp_path / "models", name)
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "runtime.serve", str(tmp_path / "models"), f"--http-port={port}"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*command, "--grpc-port=0"], cwd=ROOT, stdout=log, stderr=log)
    try:
        seen, end = {0}, time.monotonic() + 60
        while 200 not in seen and process.poll() is None and time.monotonic() < end:
            seen.add(status(f"{url}/v2/health/ready"))
            time.sleep(0.01)
        assert seen == {0, 503, 200}
        assert [status(f"{url}/v2/models/{name}/ready") for name in names] == [200] * len(names)
    finally:
        process.terminate()
        process.wait(30)


def test_a_relative_path_is_meant_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "models", "red")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the package is elsewhere, as an installed one
    with serving(tmp_path, "models/", "--workers", "1", root=tmp_path) as server:
        assert server.ask("/v2/models/red/ready")[0] == 200


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_full_backlog_is_answered_at_the_end(tmp_path: Path) -> None:
    """Clients that the system has accepted and the server has not, at the moment when it is told to end."""
    picture = encode(red_picture(), ".png")
    head = f"POST /v2/models/red/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(picture)}\r\n"
    request = f"{head}Content-Type: image/png\r\n\r\n".encode() + picture
    model = onnx_models.write(tmp_path / "red.onnx")
    with serving(tmp_path, model, "--workers", "1", "--queue", "200") as server:
        server.process.send_signal(signal.SIGSTOP)
        clients = [socket.create_connection(("127.0.0.1", server.http_port), 20) for _ in range(120)]
        for client in clients:
            client.sendall(request)
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGCONT)
        answers = [client.recv(64)[:12] for client in clients]
        for client in clients:
            client.close()
        assert answers == [b"HTTP/1.1 200"] * len(clients)
        assert server.process.wait(30) == 0


def test_the_host_of_a_url_counts_more_than_the_header(tmp_path: Path) -> None:
    with serving(tmp_path, onnx_models.write(tmp_path / "red.onnx"), "--workers", "1") as server:

        def ask(url: str, host: str) -> bytes:
            with socket.create_connection(("127.0.0.1", server.http_port), 10) as client:
                client.sendall(f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                return client.recv(64)[9:12]

        assert ask("http://evil.example/v2", "localhost") == b"421"
        assert ask("http://evil.example:8000/v2", "localhost") == b"421"
        assert ask("http://localhost/v2", "evil.example") == b"200"
        assert ask(f"http://[::1]:{server.http_port}/v2", "localhost") == b"200"
        assert ask("/v2", "localhost") == b"200"
        assert ask("/v2", "evil.example") == b"421"


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate and its key."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    paths = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    files = ["-subj", "/CN=localhost", "-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return paths


def test_tls_without_a_handshake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent connections end after a while, and count from when they are accepted."""
    assert connection.HANDSHAKE_SECONDS == 10
    monkeypatch.setattr(connection, "CONNECTIONS", 2)
    monkeypatch.setattr(connection, "REFUSED", 1)
    public, key = certificate(tmp_path)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nobody asks anything")

    async def run() -> list[float]:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, http=connection.Connection, ws="none", lifespan="off", log_config=None,
            ssl_certfile=public, ssl_keyfile=key,
        )  # fmt: skip
        server = connection.HttpServer(config, handshake_seconds=1.0)
        serving = asyncio.ensure_future(server.serve([listener]))
        begun = time.monotonic()

        async def silent() -> float:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            with suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 8)
            writer.close()
            return time.monotonic() - begun

        ended = await asyncio.gather(*(silent() for _ in range(4)))
        server.should_exit = True
        await serving
        return sorted(ended)

    ended = asyncio.run(run())
    assert ended[0] < 0.9  # the fourth is one too many at once, though none has shaken hands
    assert all(0.9 < seconds < 6 for seconds in ended[1:])
