"""The service's protocols, with the clients that people have: what they get is what Detector gives."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

th = pytest.importorskip("tritonclient.http", reason="needs the extra `serve`")
tg = pytest.importorskip("tritonclient.grpc", reason="needs the extra `serve`")
pytest.importorskip("fastapi", reason="needs the extra `serve`")
onnx_models = pytest.importorskip("onnx_models", reason="needs onnx")

from paths import ROOT  # noqa: E402
from pictures import encode, red_picture  # noqa: E402
from serving import Server, serving  # noqa: E402

from runtime import Detections, Detector  # noqa: E402
from runtime.inputs.image_file import decode_image  # noqa: E402

CODES = ROOT / "weights" / "codes.onnx"
PICTURE = ROOT / "samples" / "cluttered.jpg"
CLIENTS = pytest.mark.parametrize("module", [th, tg], ids=["http", "grpc"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("serve")
    models = folder / "models"
    for number, names in (("1", ["plain", "bluish"]), ("12", ["new plain", "new bluish"])):
        (models / "red" / number).mkdir(parents=True)
        onnx_models.write(models / "red" / number / "model.onnx", props=onnx_models.metadata(names=names))
    shutil.copy(CODES, models / "codes.onnx")
    (models / "notes").mkdir()
    with serving(folder, models, "--workers", "2", "--poll", "0") as running:
        yield running


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    return PICTURE.read_bytes()


@pytest.fixture(scope="module")
def image(jpeg: bytes) -> np.ndarray:
    return decode_image(jpeg)


@pytest.fixture(scope="module")
def expected(image: np.ndarray) -> Detections:
    return Detector()(image)


def client_of(server: Server, module: Any) -> Any:
    port = server.http_port if module is th else server.grpc_port
    return module.InferenceServerClient(f"127.0.0.1:{port}")


def files_input(module: Any, *files: bytes) -> Any:
    tensor = module.InferInput("image", [len(files)], "BYTES")
    tensor.set_data_from_numpy(np.array(files, object))
    return tensor


def pixels_input(module: Any, image: np.ndarray, **options: Any) -> Any:
    rgb = np.ascontiguousarray(image[..., ::-1])
    tensor = module.InferInput("image", list(rgb.shape), "UINT8")
    tensor.set_data_from_numpy(rgb, **options)
    return tensor


def assert_same(result: Any, expected: Detections) -> None:
    assert np.abs(result.as_numpy("boxes") - expected.xyxy).max() <= 1e-3
    assert np.abs(result.as_numpy("scores") - expected.scores).max() <= 1e-5
    assert result.as_numpy("class_ids").tolist() == expected.class_ids.tolist()
    names = [expected.names[i] for i in expected.class_ids]
    assert [name.decode() for name in result.as_numpy("names")] == names


@CLIENTS
def test_tritonclient_gets_what_detector_gives(
    server: Server, module: Any, jpeg: bytes, image: np.ndarray, expected: Detections
) -> None:
    assert len(expected) >= 5
    client = client_of(server, module)
    assert_same(client.infer("codes", [files_input(module, jpeg)]), expected)
    assert_same(client.infer("codes", [pixels_input(module, image)], model_version="1"), expected)


def test_json_without_binary_data(server: Server, image: np.ndarray) -> None:
    small = image[:200, :300]
    outputs = [th.InferRequestedOutput(name, binary_data=False) for name in ("names", "boxes", "class_ids")]
    result = client_of(server, th).infer(
        "codes", [pixels_input(th, small, binary_data=False)], outputs=outputs
    )
    expected = Detector()(small)
    assert np.abs(result.as_numpy("boxes") - expected.xyxy).max(initial=0) <= 1e-3
    assert [each["name"] for each in result.get_response()["outputs"]] == ["names", "boxes", "class_ids"]


@CLIENTS
def test_only_outputs_asked_for_are_sent(server: Server, module: Any, jpeg: bytes, image: np.ndarray) -> None:
    names = ["annotated", "out2", "scores"]
    outputs = [module.InferRequestedOutput(name) for name in names]
    result = client_of(server, module).infer("codes", [files_input(module, jpeg)], outputs=outputs)
    response = result.get_response() if module is th else result.get_response(as_json=True)
    assert [each["name"] for each in response["outputs"]] == names
    drawn = decode_image(result.as_numpy("annotated")[0])
    assert drawn.shape == image.shape
    assert (np.abs(drawn.astype(int) - image).max(axis=2) > 60).mean() > 0.001
    assert result.as_numpy("out2").shape[0] == 1


@CLIENTS
def test_heads_alone_are_not_decoded(server: Server, module: Any, jpeg: bytes) -> None:
    def ask(*names: str) -> tuple[list[np.ndarray], set[str]]:
        before = len(server.lines())
        wanted = [module.InferRequestedOutput(name) for name in names]
        result = client_of(server, module).infer("codes", [files_input(module, jpeg)], outputs=wanted)
        end = time.monotonic() + 10
        while not (lines := [line for line in server.lines()[before:] if "stages" in line]):
            assert time.monotonic() < end  # the log's line may come after the answer
            time.sleep(0.05)
        return [result.as_numpy(name) for name in names], set(lines[-1]["stages"])

    heads, stages = ask("out0", "out1")
    assert stages == {"queue", "picture", "letterbox", "forward", "output"}
    (*beside, boxes), stages = ask("out0", "out1", "boxes")
    assert stages >= {"decode", "nms"}
    assert len(boxes) >= 1
    for alone, other in zip(heads, beside, strict=True):
        assert np.array_equal(alone, other)


@CLIENTS
def test_a_batch(server: Server, module: Any) -> None:
    red, dark = encode(red_picture(), ".png"), encode(np.full((64, 64, 3), 40, np.uint8), ".png")
    client = client_of(server, module)
    result = client.infer("red", [files_input(module, red, dark, red)])
    assert result.as_numpy("image_ids").tolist() == [0, 2]
    assert np.abs(result.as_numpy("boxes") - onnx_box()).max() < 1e-3
    # The heads of each picture are its own, although the network has gone on since.
    heads = client.infer(
        "red", [files_input(module, red, dark)], outputs=[module.InferRequestedOutput("out0")]
    )
    both = heads.as_numpy("out0")
    for i, file in enumerate((red, dark)):
        alone = client.infer(
            "red", [files_input(module, file)], outputs=[module.InferRequestedOutput("out0")]
        )
        assert np.array_equal(both[i : i + 1], alone.as_numpy("out0"))
    assert not np.array_equal(both[0], both[1])
    pixels = np.stack([red_picture()] * 2)
    assert client.infer("red", [pixels_input(module, pixels)]).as_numpy("image_ids").tolist() == [0, 1]


def onnx_box() -> np.ndarray:
    from pictures import RED_BOX

    return np.array(RED_BOX, np.float32)


@CLIENTS
def test_parameters_hold_for_their_request_only(
    server: Server, module: Any, jpeg: bytes, expected: Detections, image: np.ndarray
) -> None:
    client, tensor = client_of(server, module), files_input(module, jpeg)
    parameters = {
        "conf_thres": 0.6,
        "iou_thres": 0.3,
        "max_det": 3,
        "classes": "qr_code,2",
        "agnostic_nms": True,
    }
    detector = Detector(conf_thres=0.6, iou_thres=0.3, max_det=3, classes=["qr_code", 2], agnostic_nms=True)
    assert_same(client.infer("codes", [tensor], parameters=parameters), detector(image))
    assert len(detector(image)) < len(expected)
    for _ in range(4):  # each worker has answered since
        assert_same(client.infer("codes", [tensor]), expected)


@CLIENTS
def test_newest_version_answers_when_none_is_asked_for(server: Server, module: Any) -> None:
    client, tensor = client_of(server, module), pixels_input(module, red_picture())
    assert client.infer("red", [tensor]).as_numpy("names").tolist() == [b"new plain"]
    assert client.infer("red", [tensor], model_version="1").as_numpy("names").tolist() == [b"plain"]


@CLIENTS
def test_metadata_health_and_statistics(server: Server, module: Any, jpeg: bytes) -> None:
    client = client_of(server, module)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("red", "12")
    assert not client.is_model_ready("red", "2")
    assert not client.is_model_ready("blue")
    in_json = {} if module is th else {"as_json": True}
    assert client.get_server_metadata(**in_json)["name"] == "yolov5-dnn"
    metadata = client.get_model_metadata("red", **in_json)
    assert metadata["versions"] == ["1", "12"]
    assert [each["name"] for each in metadata["outputs"]] == [
        "boxes", "scores", "class_ids", "names", "annotated", "image_ids", "out0", "out1", "out2",
    ]  # fmt: skip
    config = client.get_model_config("red", **in_json)
    assert (config if module is th else config["config"])["name"] == "red"

    def images() -> int:
        stats = client.get_inference_statistics("codes", "1", **in_json)["model_stats"][0]
        return int(stats.get("inference_count", 0))

    before = images()
    client.infer("codes", [files_input(module, jpeg, jpeg)])
    assert images() == before + 2
    if module is tg:
        assert client.get_system_shared_memory_status(as_json=True) == {}


def test_stream_of_frames_keeps_their_order(server: Server) -> None:
    frames = []
    for i in range(12):
        frame = np.full((64, 64, 3), 40, np.uint8)
        frame[24:32, 16 : 16 + 8 * (i % 2)] = (0, 0, 255)  # every other one has the square
        frames.append(frame)
    answers: list[Any] = []
    with client_of(server, tg) as client:
        client.start_stream(lambda result, error: answers.append((result, error)))
        for i, frame in enumerate(frames):
            client.async_stream_infer("red", [pixels_input(tg, frame)], request_id=str(i))
        client.async_stream_infer("blue", [pixels_input(tg, frames[0])], request_id="x")
        client.stop_stream()
    assert len(answers) == 13
    for i, (result, error) in enumerate(answers[:12]):
        assert error is None
        assert result.get_response().id == str(i)
        assert len(result.as_numpy("boxes")) == i % 2
    assert "no model 'blue'" in str(answers[12][1])


def test_tensorflow_serving_by_instance(server: Server, jpeg: bytes, expected: Detections) -> None:
    text = base64.b64encode(jpeg).decode()
    status, answer = server.ask(
        "/v1/models/codes:predict", {"instances": [{"b64": text}, {"image": {"b64": text}}]}
    )
    assert status == 200
    first, second = answer["predictions"]
    assert first == second
    assert first.keys() == {"boxes", "scores", "class_ids", "names"}
    assert np.abs(np.array(first["boxes"]) - expected.xyxy).max() <= 1e-3
    body = {
        "signature_name": "serving_default",
        "instances": [red_picture()[..., ::-1].tolist()],
        "fetch": ["names"],
        "parameters": {"conf_thres": 0.1, "classes": ["plain"]},
    }
    assert server.ask("/v1/models/red/versions/1:predict", body) == (
        200,
        {"predictions": [{"names": ["plain"]}]},
    )


def test_tensorflow_serving_by_input(server: Server) -> None:
    pixels = red_picture()[..., ::-1].tolist()
    for inputs in (pixels, {"image": pixels}, {"image": [pixels]}):
        status, answer = server.ask("/v1/models/red:predict", {"inputs": inputs, "fetch": ["names"]})
        assert (status, answer) == (200, {"outputs": {"names": ["new plain"]}})


def test_tensorflow_serving_status_and_metadata(server: Server) -> None:
    status, answer = server.ask("/v1/models/red")
    assert status == 200
    assert [each["version"] for each in answer["model_version_status"]] == ["12", "1"]
    assert answer["model_version_status"][0]["state"] == "AVAILABLE"
    assert server.ask("/v1/models/red/metadata")[1]["model_spec"]["version"] == "12"
    assert server.ask("/v1/models") == (200, {"models": ["codes", "red"]})


def test_curl_with_binary_data(server: Server, tmp_path: Path, jpeg: bytes, expected: Detections) -> None:
    """The line that the page shows."""
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    header = json.dumps(
        {
            "inputs": [
                {
                    "name": "image", "datatype": "BYTES", "shape": [1],
                    "parameters": {"binary_data_size": len(jpeg) + 4},
                }
            ]
        }
    ).encode()  # fmt: skip
    (tmp_path / "body").write_bytes(header + len(jpeg).to_bytes(4, "little") + jpeg)
    done = subprocess.run(
        [
            *("curl", "-sS", f"{server.url}/v2/models/codes/infer", "--data-binary", f"@{tmp_path / 'body'}"),
            *("-H", f"Inference-Header-Content-Length: {len(header)}"),
        ],
        capture_output=True,
        check=True,
        timeout=30,
    )
    boxes = json.loads(done.stdout)["outputs"][0]
    assert np.abs(np.array(boxes["data"]).reshape(boxes["shape"]) - expected.xyxy).max() <= 1e-3


def test_packed_requests(server: Server) -> None:
    body = json.dumps({"instances": [red_picture()[..., ::-1].tolist()], "fetch": ["names"]}).encode()
    status, answer = server.ask("/v1/models/red:predict", gzip.compress(body), Content_Encoding="gzip")
    assert (status, answer) == (200, {"predictions": [{"names": ["new plain"]}]})
    for way in ("gzip", "deflate"):
        client_of(server, th).infer(
            "red", [pixels_input(th, red_picture())], request_compression_algorithm=way
        )


def test_metrics_log_and_documentation(server: Server, jpeg: bytes) -> None:
    client_of(server, th).infer("codes", [files_input(th, jpeg)])
    text = server.ask("/metrics")[1].decode()
    assert 'yolov5_dnn_requests_total{model="codes",protocol="http",status="200",version="1"}' in text
    for stage in ("queue", "picture", "letterbox", "forward", "decode", "nms", "output"):
        assert f'yolov5_dnn_stage_seconds_count{{model="codes",stage="{stage}",version="1"}}' in text
    assert "process_resident_memory_bytes" in text
    lines = [line for line in server.lines() if line.get("path") == "/v2/models/codes/infer"]
    assert lines[-1]["status"] == 200
    assert lines[-1]["stages"].keys() >= {"queue", "forward"}
    status, document = server.ask("/openapi.json")
    assert status == 200
    assert "/v2/models/{name}/infer" in document["paths"]
    page = server.ask("/docs")[1].decode()
    assert "http://" not in page
    assert "https://" not in page  # works where there is no internet
    assert server.ask("/docs/swagger-ui-bundle.js")[0] == 200
