"""Models that come, go and change while requests are answered; and the end of a server."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

th = pytest.importorskip("tritonclient.http", reason="needs the extra `serve`")
tg = pytest.importorskip("tritonclient.grpc", reason="needs the extra `serve`")
pytest.importorskip("fastapi", reason="needs the extra `serve`")
onnx_models = pytest.importorskip("onnx_models", reason="needs onnx")

from paths import ROOT  # noqa: E402
from pictures import encode, red_picture  # noqa: E402
from serving import Server, serving  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

RED = encode(red_picture(), ".png")
BODY = {"instances": [{"b64": base64.b64encode(RED).decode()}], "fetch": ["names"]}
PREDICT = "/v1/models/red:predict"


def put_model(models: Path, number: int, name: str) -> Path:
    """Lay a version into a repository, whose model calls what it finds `name`."""
    path = models / "red" / str(number) / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    made = onnx_models.write(models.parent / "made.onnx", props=onnx_models.metadata(names=[name, "bluish"]))
    return made.replace(path)


def found(server: Server) -> str:
    status, answer = server.ask(PREDICT, BODY)
    assert status == 200, answer
    return answer["predictions"][0]["names"][0]


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_versions_dropped_into_the_folder(tmp_path: Path) -> None:
    models = tmp_path / "models"
    put_model(models, 1, "first")
    with serving(tmp_path, models, "--workers", "1", "--poll", "0.2") as server:
        assert found(server) == "first"
        put_model(models, 2, "second")
        until(lambda: found(server) == "second")
        # One that does not pass the checks: the old one goes on, and the index says why.
        (models / "red" / "3").mkdir()
        (models / "red" / "3" / "model.onnx").write_bytes(b"no model")
        until(lambda: len(server.ask("/v2/repository/index", {})[1]) == 3)
        entry = server.ask("/v2/repository/index", {})[1][-1]
        assert (entry["version"], entry["state"]) == ("3", "UNAVAILABLE")
        assert "ONNX" in entry["reason"]
        assert found(server) == "second"
        (models / "red" / "2" / "model.onnx").write_bytes(b"no model either")
        until(lambda: sum(bool(each["reason"]) for each in server.ask("/v2/repository/index", {})[1]) == 2)
        assert found(server) == "second"
        put_model(models, 3, "third")
        until(lambda: found(server) == "third")
        shutil.rmtree(models / "red" / "3")
        until(lambda: found(server) != "third")


@pytest.mark.parametrize("module", [th, tg], ids=["http", "grpc"])
def test_load_and_unload(tmp_path: Path, module: Any) -> None:
    models = tmp_path / "models"
    path = put_model(models, 1, "first")
    with serving(tmp_path, models, "--workers", "1", "--poll", "0.1") as server:
        port = server.http_port if module is th else server.grpc_port
        client = module.InferenceServerClient(f"127.0.0.1:{port}")
        client.unload_model("red")
        assert not client.is_model_ready("red")
        assert not client.is_server_ready()
        assert server.ask(PREDICT, BODY)[0] == 404
        time.sleep(0.5)  # looks at the folder do not bring it back
        assert not client.is_model_ready("red")
        put_model(models, 1, "changed")
        client.load_model("red")
        assert found(server) == "changed"
        path.write_bytes(b"damaged")
        with pytest.raises(InferenceServerException, match="not an ONNX model"):
            client.load_model("red")
        assert found(server) == "changed"
        with pytest.raises(InferenceServerException, match="no model"):
            client.load_model("blue")


def test_files_that_mean_harm_are_refused(shared: Path, tmp_path: Path) -> None:
    """Loaded over both protocols: whoever may write into the folder may do that."""
    with tarfile.open(shared / "hostile.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    files = sorted(tmp_path.glob("**/*.onnx"))
    harmless = {"10-name-escape", "11-name-12"}  # what lies in their class names is text, and escaped
    assert len(files) > len(harmless) + 5
    models = tmp_path / "models"
    put_model(models, 1, "first")
    with serving(tmp_path, models, "--workers", "1", "--poll", "0") as server:
        client = tg.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
        for i, file in enumerate(files):
            name = f"harm-{i}"
            (models / name / "1").mkdir(parents=True)
            shutil.copy(file, models / name / "1" / "model.onnx")
            status, answer = server.ask(f"/v2/repository/models/{name}/load", b"{}")
            predicted = server.ask(f"/v1/models/{name}:predict", BODY)
            if file.stem in harmless:
                assert (status, predicted[0]) == (200, 200), (file.name, answer, predicted)
                continue
            assert (status, predicted[0]) == (400, 404), (file.name, answer)
            assert "harm-" in answer["error"]
            assert answer["error"].isprintable(), file.name
            with pytest.raises(InferenceServerException, match="harm-") as refusal:
                client.load_model(name)
            assert refusal.value.status() == "StatusCode.INVALID_ARGUMENT", file.name
            assert found(server) == "first"
        entries = server.ask("/v2/repository/index", {})[1]
        assert sum(bool(each["reason"]) for each in entries) == len(files) - len(harmless)
        assert "\x1b" not in server.log.read_text()


def test_reloads_every_half_second_fail_no_request(tmp_path: Path) -> None:
    """200 requests, eight at a time, over both protocols, while the model is loaded anew."""
    models = tmp_path / "models"
    put_model(models, 1, "first")
    with serving(tmp_path, models, "--workers", "2") as server:
        over = threading.Event()
        reloads = 0

        def reload() -> None:
            nonlocal reloads
            with th.InferenceServerClient(f"127.0.0.1:{server.http_port}") as client:
                while not over.wait(0.5):
                    client.load_model("red")
                    reloads += 1

        def ask(i: int) -> None:
            time.sleep(0.05)
            if i % 2:
                assert found(server) == "first"
                return
            value = tg.InferInput("image", [64, 64, 3], "UINT8")
            value.set_data_from_numpy(red_picture()[..., ::-1].copy())
            with tg.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
                assert client.infer("red", [value]).as_numpy("names").tolist() == [b"first"]

        reloading = threading.Thread(target=reload)
        reloading.start()
        try:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(ask, range(200)))
        finally:
            over.set()
            reloading.join()
        assert reloads >= 2
        lines = [line for line in server.lines() if line.get("images")]
        assert len(lines) == 200


def test_terminate_under_load_answers_every_accepted_request(tmp_path: Path) -> None:
    big = base64.b64encode(encode(red_picture().repeat(16, 0).repeat(16, 1), ".jpg")).decode()
    body = json.dumps({"instances": [{"b64": big}] * 4, "fetch": ["boxes"]}).encode()
    statuses: list[int] = []
    refusals: list[Any] = []  # closed: what was not accepted needs no answer
    with serving(tmp_path, onnx_models.write(tmp_path / "red.onnx"), "--workers", "1") as server:
        over = threading.Event()

        def load() -> None:
            while not over.is_set():
                try:
                    statuses.append(server.ask(PREDICT, body)[0])
                except OSError as error:
                    refusals.append(getattr(error, "reason", error))
                    return

        threads = [ThreadPoolExecutor(1) for _ in range(8)]
        futures = [thread.submit(load) for thread in threads]
        until(lambda: len(statuses) >= 16)
        assert server.terminate() == 0
        over.set()
        for future in futures:
            future.result(30)
        assert set(statuses) == {200}
        # reset: it waited to be accepted when the port was closed. RemoteDisconnected, also a kind of reset,
        # would be a request that was accepted and not answered; so would be one more line in the log.
        assert {type(each) for each in refusals} <= {ConnectionRefusedError, ConnectionResetError}, refusals
        answered = [line for line in server.lines() if line.get("path") == PREDICT]
        assert len(answered) == len(statuses)
        assert server.lines()[-1]["status"] == 200


def test_streams_end_when_the_server_does(tmp_path: Path) -> None:
    with serving(tmp_path, onnx_models.write(tmp_path / "red.onnx"), "--workers", "1") as server:
        answers: list[Any] = []
        client = tg.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
        client.start_stream(lambda result, error: answers.append(error))
        value = tg.InferInput("image", [64, 64, 3], "UINT8")
        value.set_data_from_numpy(red_picture())
        for _ in range(5):
            client.async_stream_infer("red", [value])
        until(lambda: len(answers) == 5)
        assert answers == [None] * 5
        started = time.monotonic()
        server.process.terminate()
        assert server.process.wait(15) == 0
        assert time.monotonic() - started < 10
        client.close()


def test_token_and_tls(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    key, certificate, token = tmp_path / "key.pem", tmp_path / "certificate.pem", tmp_path / "token"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "1",
                "-subj",
                "/CN=localhost",
            ),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    token.write_text("correct-horse-battery\n")
    options: list[str | Path] = ["--token-file", token, "--tls-cert", certificate, "--tls-key", key]
    with serving(tmp_path, onnx_models.write(tmp_path / "red.onnx"), *options, "--workers", "1") as server:
        for given, expected in (("correct-horse-battery", True), ("wrong-horse-battery", False), ("", False)):
            context = {"ssl": True, "ssl_options": {"ca_certs": str(certificate)}}
            http = th.InferenceServerClient(f"localhost:{server.http_port}", **context)
            grpc = tg.InferenceServerClient(
                f"localhost:{server.grpc_port}", ssl=True, root_certificates=str(certificate)
            )
            for module, client in ((th, http), (tg, grpc)):
                value = module.InferInput("image", [64, 64, 3], "UINT8")
                value.set_data_from_numpy(red_picture()[..., ::-1].copy())
                headers = {"authorization": f"Bearer {given}"}
                assert client.is_server_ready()  # for probes, which have no token
                if expected:
                    assert client.infer("red", [value], headers=headers).as_numpy("names")[0] == b"plain"
                else:
                    with pytest.raises(InferenceServerException, match="token"):
                        client.infer("red", [value], headers=headers)
        assert "correct" not in server.log.read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no-such-folder"], "no model repository"),
        (["{folder}"], "holds no NAME/VERSION/model.onnx"),
        (["{folder}/broken.onnx"], "not an ONNX model"),
        (["--host", "192.0.2.1"], "cannot listen"),
        (["--token-file", "{folder}/broken.onnx"], "holds no token"),
        (["--device", "abacus"], "abacus"),
        (["--tls-cert", "x.pem"], "belong together"),
        (["--http-port", "70000"], "not a port"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    if "{folder}/broken.onnx" in arguments:
        (tmp_path / "broken.onnx").write_bytes(b"broken")
    command = [sys.executable, "-m", "runtime.serve", "--http-port=0", "--grpc-port=0"]
    command += [argument.format(folder=tmp_path) for argument in arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert sentence in last
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
