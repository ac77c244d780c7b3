"""Requests that mean no good: each ends in a clear refusal or a drop, and the server goes on."""

from __future__ import annotations

import base64
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tg = pytest.importorskip("tritonclient.grpc", reason="needs the extra `serve`")
th = pytest.importorskip("tritonclient.http", reason="needs the extra `serve`")
pytest.importorskip("fastapi", reason="needs the extra `serve`")
onnx_models = pytest.importorskip("onnx_models", reason="needs onnx")

from pictures import encode, png_chunk, red_picture  # noqa: E402
from serving import Server, serving  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

INFER = "/v2/models/red/infer"
PREDICT = "/v1/models/red:predict"
RED = encode(red_picture(), ".png")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    model = onnx_models.write(folder / "red.onnx")
    with serving(folder, model, "--workers", "1", "--max-body-mb", "8", "--queue", "2") as running:
        yield running


@pytest.fixture(autouse=True)
def goes_on(server: Server) -> Iterator[None]:
    yield
    assert server.process.poll() is None
    body = {"instances": [{"b64": base64.b64encode(RED).decode()}], "fetch": ["names"]}
    assert server.ask(PREDICT, body) == (200, {"predictions": [{"names": ["plain"]}]})


def tensor(**changes: Any) -> dict[str, Any]:
    values = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(RED).decode()]}
    return {key: value for key, value in {**values, **changes}.items() if value is not None}


def request(**changes: Any) -> dict[str, Any]:
    return {"inputs": [tensor()], "outputs": [{"name": "names"}], **changes}


def huge_png(width: int = 30000, height: int = 20000) -> bytes:
    """Some kilobytes that unpack to 1.8 GB."""
    row = zlib.compress(b"\0" * (1 << 16), 9)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", row) + png_chunk(b"IEND", b"")


def memory(server: Server) -> int:
    text = server.ask("/metrics")[1].decode()
    return int(float(text.split("\nprocess_resident_memory_bytes ")[1].split()[0]))


def test_the_untouched_request_is_answered(server: Server) -> None:
    status, answer = server.ask(INFER, request())
    assert (status, answer["outputs"][0]["data"]) == (200, ["plain"])


WRONG = {
    "garbage": b"\xff\xfe{]",
    "not an object": b"[1, 2]",
    "nested": b"[" * 100_000,
    "no inputs": {"outputs": []},
    "two inputs": request(inputs=[tensor(), tensor()]),
    "inputs of another kind": request(inputs=["image"]),
    "another name": request(inputs=[tensor(name="x" * 1000)]),
    "a name that is a number": request(inputs=[tensor(name=5)]),
    "another type": request(inputs=[tensor(datatype="FP32")]),
    "no shape": request(inputs=[tensor(shape=None)]),
    "a negative shape": request(inputs=[tensor(shape=[-1])]),
    "a shape of texts": request(inputs=[tensor(shape=["1"])]),
    "an enormous shape": request(inputs=[tensor(datatype="UINT8", shape=[2**30, 2**30, 3], data=[1])]),
    "a shape of zeros": request(inputs=[tensor(datatype="UINT8", shape=[0, 0, 3], data=[])]),
    "more elements than the shape": request(inputs=[tensor(data=["", ""])]),
    "no data": request(inputs=[tensor(data=None)]),
    "data of another kind": request(inputs=[tensor(data="text")]),
    "not base64": request(inputs=[tensor(data=["%%%"])]),
    "an empty file": request(inputs=[tensor(data=[""])]),
    "no picture": request(inputs=[tensor(data=["AAAA"])]),
    "half a picture": request(inputs=[tensor(data=[base64.b64encode(RED[:60]).decode()])]),
    "pixels out of range": request(inputs=[tensor(datatype="UINT8", shape=[1, 1, 3], data=[0, 256, 0])]),
    "pixels that are not whole": request(inputs=[tensor(datatype="UINT8", shape=[1, 1, 3], data=[0.5] * 3)]),
    "ragged pixels": request(inputs=[tensor(datatype="UINT8", shape=[1, 2, 3], data=[[[1, 2, 3], [4]]])]),
    "65 pictures": request(inputs=[tensor(shape=[65], data=["AAAA"] * 65)]),
    "binary data that is not there": request(
        inputs=[tensor(data=None, parameters={"binary_data_size": 10})]
    ),
    "an unknown output": request(outputs=[{"name": "out9"}]),
    "an output of another kind": request(outputs=[{"name": ["boxes"]}]),
    "a thousand outputs": request(outputs=[{"name": f"out{i}"} for i in range(1000)]),
    "shared memory": request(outputs=[{"name": "boxes", "parameters": {"shared_memory_region": "x"}}]),
    "an unknown parameter": request(parameters={"conf_threshold": 0.5}),
    "a threshold that is a text": request(parameters={"conf_thres": "0.5"}),
    "a threshold out of range": request(parameters={"iou_thres": 1e308}),
    "no limit": request(parameters={"max_det": 10**12}),
    "an unknown class": request(parameters={"classes": "plain,green"}),
    "parameters of another kind": request(parameters=[1]),
}  # fmt: skip


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_wrong_requests_are_told_what_is_wrong(server: Server, body: Any) -> None:
    status, answer = server.ask(INFER, body)
    assert status == 400, answer
    assert 10 < len(answer["error"]) < 400
    assert answer["error"].isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        {},
        {"instances": []},
        {"instances": [{"b64": "AAAA"}], "inputs": [1]},
        {"instances": [{"b64": 5}]},
        {"instances": [{"b64": "AAAA", "more": 1}]},
        {"instances": [[[1, 2, 3]]]},
        {"instances": ["text"]},
        {"instances": [{"b64": "AAAA"}] * 65},
        {"instances": [{"b64": base64.b64encode(RED).decode()}], "fetch": ["none"]},
        {"instances": [{"b64": base64.b64encode(RED).decode()}], "fetch": "names"},
        {"instances": [{"b64": base64.b64encode(RED).decode()}], "threshold": 1},
    ],
)
def test_wrong_predict_requests(server: Server, body: Any) -> None:
    status, answer = server.ask(PREDICT, body)
    assert status == 400, answer
    assert answer["error"].isprintable()


def test_unknown_models_versions_and_addresses(server: Server) -> None:
    for path in ("/v2/models/blue", "/v2/models/red/versions/7", "/v2/models/red/versions/x/ready", "/v3"):
        assert server.ask(path)[0] == 404
    for path in (
        "/v2/models/blue/infer",
        "/v1/models/..%2f..%2fetc:predict",
        f"/v2/models/{'x' * 5000}/infer",
    ):
        assert server.ask(path, request())[0] == 404
    assert server.ask("/v2/repository/models/..%2fred/load", {})[0] == 404
    assert server.ask("/page/..%2f..%2fserver.py")[0] == 404
    assert server.ask("/v2/health/live", b"x")[0] == 405
    text = server.ask("/metrics")[1].decode()
    assert "blue" not in text  # clients make up no labels


@pytest.mark.parametrize("length", ["-1", "x", "999999999", "1" * 50])
def test_wrong_header_length(server: Server, length: str) -> None:
    status, _ = server.ask(INFER, request(), Inference_Header_Content_Length=length)
    assert status == 400


def test_binary_elements_that_lie(server: Server) -> None:
    for data in (b"\xff\xff\xff\xff" + RED, b"\1", struct.pack("<I", len(RED)) + RED + b"more"):
        header = json.dumps(
            request(inputs=[tensor(data=None, parameters={"binary_data_size": len(data)})])
        ).encode()
        status, answer = server.ask(INFER, header + data, Inference_Header_Content_Length=str(len(header)))
        assert status == 400, answer


def test_a_picture_of_600_million_pixels(server: Server) -> None:
    before = memory(server)
    data = base64.b64encode(huge_png()).decode()
    status, answer = server.ask(INFER, request(inputs=[tensor(data=[data])]))
    assert status == 413
    assert "30000 x 20000" in answer["error"]
    assert memory(server) - before < 100e6


def test_a_body_of_100_mb(server: Server) -> None:
    before = memory(server)
    with suppress(OSError):  # dropped while sending: as good
        assert server.ask(INFER, bytes(100 << 20))[0] == 413
    assert memory(server) - before < 100e6


def test_a_chunked_body_without_end(server: Server) -> None:
    before = memory(server)
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=20) as connection:
        connection.sendall(
            f"POST {INFER} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        try:
            for _ in range(40):
                connection.sendall(chunk)
        except OSError:
            return
        assert b" 413 " in connection.recv(1000).partition(b"\r\n")[0]
    assert memory(server) - before < 100e6


def test_a_packed_body_that_unpacks_to_100_mb(server: Server) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    before = memory(server)
    assert server.ask(INFER, packed, Content_Encoding="gzip")[0] == 413
    assert server.ask(INFER, packed[:-100], Content_Encoding="br")[0] == 415
    assert server.ask(INFER, b"no gzip", Content_Encoding="gzip")[0] == 400
    assert memory(server) - before < 100e6


def test_endless_headers(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        try:
            for i in range(1000):
                connection.sendall(b"X-%d: " % i + b"x" * 1000 + b"\r\n")
            answer = connection.recv(1000)
        except OSError:
            return
        assert b" 400 " in answer.partition(b"\r\n")[0]


def test_slow_senders_and_idle_connections_are_dropped(server: Server) -> None:
    with ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.http_port), timeout=30))
            for _ in range(500)
        ]
        slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.http_port), timeout=30))
        assert server.ask("/v2/health/live")[0] == 200
        started = time.monotonic()
        dropped = False
        while not dropped and time.monotonic() - started < 20:
            try:
                slow.sendall(b"G" if time.monotonic() - started < 1 else b"E")
                slow.settimeout(0.5)
                dropped = slow.recv(100) == b""
            except TimeoutError:
                pass
            except OSError:
                dropped = True
        assert dropped
        for connection in idle:
            with suppress(ConnectionResetError):
                assert connection.recv(100) == b""


def test_pages_of_other_servers_are_kept_out(server: Server) -> None:
    assert server.ask(INFER, request(), Origin="http://evil.example")[0] == 403
    assert server.ask("/v2", Host="evil.example")[0] == 421
    assert server.ask(INFER, request(), Origin=server.url)[0] == 200


def grpc_client(server: Server) -> Any:
    return tg.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")


def grpc_request(
    server: Server, shape: list[int], kind: str, raw: bytes, model: str = "red", **more: Any
) -> None:
    value = tg.InferInput("image", shape, kind)
    value._raw_content = raw
    grpc_client(server).infer(model, [value], client_timeout=20, **more)


def test_wrong_grpc_requests(server: Server) -> None:
    def refused(code: str, *arguments: Any, **more: Any) -> None:
        with pytest.raises(InferenceServerException) as info:
            grpc_request(server, *arguments, **more)
        assert info.value.status() == f"StatusCode.{code}", info.value

    good = struct.pack("<I", len(RED)) + RED
    grpc_request(server, [1], "BYTES", good)
    refused("NOT_FOUND", [1], "BYTES", good, "blue")
    refused("NOT_FOUND", [1], "BYTES", good, model_version="9")
    refused("INVALID_ARGUMENT", [1], "BYTES", good, outputs=[tg.InferRequestedOutput("out9")])
    refused("INVALID_ARGUMENT", [1], "BYTES", good, parameters={"conf": 1})
    refused("INVALID_ARGUMENT", [1], "BYTES", good, parameters={"conf_thres": float("nan")})
    refused("INVALID_ARGUMENT", [2], "BYTES", good)
    refused("INVALID_ARGUMENT", [1], "FP32", good)
    refused("INVALID_ARGUMENT", [2**40, 2**40, 3], "UINT8", good)
    refused("INVALID_ARGUMENT", [5, 5, 3], "UINT8", bytes(74))
    refused("INVALID_ARGUMENT", [1], "BYTES", b"\xff\xff\xff\x7f")
    png = huge_png()
    refused("INVALID_ARGUMENT", [1], "BYTES", struct.pack("<I", len(png)) + png)
    refused("RESOURCE_EXHAUSTED", [3000, 1500, 3], "UINT8", bytes(3000 * 1500 * 3))


def test_shared_memory_and_uploads_are_refused(server: Server) -> None:
    client = grpc_client(server)
    with pytest.raises(InferenceServerException, match="UNIMPLEMENTED"):
        client.register_system_shared_memory("x", "/x", 10)
    with pytest.raises(InferenceServerException, match="without parameters"):
        client.load_model("red", config="{}")
    http = th.InferenceServerClient(f"127.0.0.1:{server.http_port}")
    with pytest.raises(InferenceServerException, match="without parameters"):
        http.load_model("red", config="{}", files={"file:1/model.onnx": b"x"})


def test_a_full_queue_and_deadlines(server: Server) -> None:
    """One worker, two places: of many long requests at once some are answered, the others told to wait."""
    picture = np.zeros((1500, 1500, 3), np.uint8)
    big = encode(picture, ".jpg")
    value = th.InferInput("image", [40], "BYTES")
    value.set_data_from_numpy(np.array([big] * 40, object))
    with th.InferenceServerClient(f"127.0.0.1:{server.http_port}", concurrency=10) as client:
        waiting = [client.async_infer("red", [value]) for _ in range(10)]
        statuses, texts = [], set()
        for each in waiting:
            try:
                each.get_result()
                statuses.append("200")
            except InferenceServerException as error:
                statuses.append(error.status())
                texts.add(error.message())
        assert set(statuses) == {"200", "503"}
        assert texts == {"2 requests are waiting already"}
        assert statuses.count("200") >= 3
        with pytest.raises(InferenceServerException, match="deadline"):
            client.infer("red", [value], timeout=1000)  # microseconds
    with pytest.raises(InferenceServerException, match="DEADLINE_EXCEEDED"):
        grpc_client(server).infer("red", [_grpc_files(big, 40)], client_timeout=0.05)


def _grpc_files(file: bytes, count: int) -> Any:
    value = tg.InferInput("image", [count], "BYTES")
    value.set_data_from_numpy(np.array([file] * count, object))
    return value


def test_clients_that_vanish_cost_nothing(server: Server) -> None:
    big = encode(np.zeros((2000, 2000, 3), np.uint8), ".jpg")
    text = base64.b64encode(big).decode()
    body = json.dumps({"instances": [{"b64": text}] * 60, "fetch": ["names"]}).encode()
    with ExitStack() as stack:
        for _ in range(3):  # one at work, two in the queue: it is full
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.http_port)))
            connection.sendall(
                f"POST {PREDICT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
        time.sleep(0.2)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        gone = [line for line in server.lines() if line.get("status") == 499]
        if len(gone) >= 3:
            break
        time.sleep(0.1)
    assert len(gone) >= 3
    assert sum("stages" in line for line in gone) <= 1  # at most the one at work was looked at


def test_a_missing_extra_is_one_clear_line(tmp_path: Path) -> None:
    import subprocess
    import sys

    from paths import ROOT

    (tmp_path / "uvicorn.py").write_text("raise ImportError('no module named uvicorn')")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
         "from runtime.serve import main; sys.exit(main([]))"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install" in done.stderr
