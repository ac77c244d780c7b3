from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

import onnx_models  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from runtime import Detector, ModelError  # noqa: E402
from runtime.model.buffer import as_in_the_file, for_onnxruntime  # noqa: E402
from runtime.model.file import MAX_BYTES, read_model  # noqa: E402
from runtime.tasks.read_info import read_info  # noqa: E402


@pytest.fixture(scope="module")
def model_bytes(tmp_path_factory) -> bytes:
    return onnx_models.write(
        tmp_path_factory.mktemp("model") / "red.onnx", onnx_models.red_network(swish=True)
    ).read_bytes()


def test_reads_what_was_written(tmp_path):
    path = onnx_models.write(tmp_path / "红 model.onnx")
    file = read_model(path)
    buffer, metadata = file.buffer, file.metadata
    assert file.path == path
    assert buffer.dtype == np.uint8
    assert buffer.tobytes() == path.read_bytes()
    assert metadata == {**onnx_models.metadata(), "producer": "by hand 1"}

    info = read_info(metadata, path)
    assert info.names == ("plain", "bluish")
    assert info.strides == (8, 16, 32)
    assert [a.tolist() for a in info.anchors] == [[[10, 14]], [[30, 20]], [[60, 90]]]
    assert all(a.dtype == np.float32 for a in info.anchors)
    assert info.imgsz == (64, 64)
    assert info.task.name == "detect"
    assert info.dynamic is True
    assert info.fold == 1
    assert info.source == {"file": "red.pt", "sha256": "0" * 64}
    assert info.producer == "by hand 1"


def test_a_file_is_read_once(tmp_path):
    """Detectors share what was read: the file may be gone, and another input size is checked all the same."""
    file = read_model(onnx_models.write(tmp_path / "red.onnx"))
    file.path.unlink()
    first, second = Detector(file), Detector(file, imgsz=(96, 128))
    assert (first.path, first.imgsz, second.imgsz) == (file.path, (64, 64), (96, 128))
    image = np.full((64, 64, 3), (0, 0, 255), np.uint8)
    assert first(image).xyxy.tolist() == Detector(file)(image).xyxy.tolist()
    assert file.check_input((1, 3, 96, 128)) == [(1, 7, 12, 16), (1, 7, 6, 8), (1, 7, 3, 4)]
    with pytest.raises(ModelError, match=r"red\.onnx is refused: its input has 3 channels, not 4"):
        file.check_input((1, 4, 64, 64))


def test_swish_nodes_lose_their_domain_and_nothing_else_changes(tmp_path):
    model = onnx_models.red_network(swish=True)
    model.graph.node.append(onnx.helper.make_node("Relu", ["images"], ["unused"], domain="ai.onnx"))
    path = onnx_models.write(tmp_path / "swish.onnx", model)
    buffer = read_model(path).buffer
    patched = onnx.load_from_string(buffer.tobytes())
    assert [node.domain for node in patched.graph.node] == ["", "", "", "", "ai.onnx"]
    assert [node.op_type for node in patched.graph.node] == ["Swish", "Conv", "Conv", "Conv", "Relu"]
    assert (buffer != np.fromfile(path, np.uint8)).sum() == 1
    assert as_in_the_file(buffer).tobytes() == path.read_bytes()


def test_onnxruntime_gets_the_sides_as_names(tmp_path):
    path = onnx_models.write(tmp_path / "fixed.onnx", onnx_models.red_network(imgsz=(640, 64)))
    buffer = read_model(path).buffer

    def shapes(content: np.ndarray) -> list[list[int | str]]:
        graph = onnx.load_from_string(content.tobytes()).graph
        return [
            [getattr(dim, dim.WhichOneof("value") or "dim_param") for dim in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.output)
        ]

    assert shapes(for_onnxruntime(buffer, dynamic=False))[0] == [1, 3, 640, 64]
    image, *outputs = shapes(for_onnxruntime(buffer, dynamic=True))
    assert image == [1, 3, "a", ""]
    names = [side for shape in (image[1:], *outputs) for side in shape[1:] if side]
    assert len(set(names)) == len(names), "two sides of one name would have to be equal"


def test_arguments_stand_in_for_metadata(tmp_path):
    path = onnx_models.write(tmp_path / "bare.onnx", props={})
    info = read_info(
        read_model(path).metadata,
        path,
        names=["a"],
        anchors=[[10, 13, 16, 30], np.ones((1, 2))],
        strides=(8, 16),
    )
    assert info.names == ("a",)
    assert [a.tolist() for a in info.anchors] == [[[10, 13], [16, 30]], [[1, 1]]]
    assert info.imgsz == (640, 640)
    assert info.dynamic is False


def test_arguments_replace_metadata():
    info = read_info(onnx_models.metadata(), "red.onnx", names=["one", "two"])
    assert info.names == ("one", "two")
    assert info.strides == (8, 16, 32)


@pytest.mark.parametrize("key", ["names", "anchors", "strides"])
def test_missing_metadata_says_what_to_do(key):
    with pytest.raises(
        ModelError, match=rf"lacks the metadata {key}; convert its checkpoint with: python -m convert"
    ):
        read_info(onnx_models.metadata(**{key: None}), "red.onnx")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": []}, "names"),
        ({"names": "person"}, "names"),
        ({"names": [1, 2]}, "names"),
        ({"names": {"0": "a"}}, "names"),
        ({"strides": [0, 16, 32]}, "strides"),
        ({"strides": [-8, 16, 32]}, "strides"),
        ({"strides": [8.5, 16, 32]}, "strides"),
        ({"strides": ["8", "16", "32"]}, "strides"),
        ({"strides": [True, 16, 32]}, "strides"),
        ({"strides": [8, 16, float("inf")]}, "infinity"),
        ({"strides": [8, 16, float("nan")]}, "NaN"),
        ({"strides": [8, 16]}, "2 strides for 3 outputs"),
        ({"strides": [], "anchors": []}, "0 strides"),
        ({"strides": 8}, "strides must be a list"),
        ({"strides": [None, 16, 32]}, "None"),
        ({"anchors": [[[10, float("nan")]]] * 3}, "anchors"),
        ({"anchors": [[[10, float("inf")]]] * 3}, "anchors"),
        ({"anchors": [[[10, 1e300]]] * 3}, "anchors"),
        ({"anchors": [[[10, -3]]] * 3}, "anchors"),
        ({"anchors": [[10]] * 3}, "anchors"),
        ({"anchors": [[]] * 3}, "anchors"),
        ({"anchors": [[[1, 2], [3]]] * 3}, "anchors must be"),
        ({"anchors": [["a", "b"]] * 3}, "anchors must be numbers"),
        ({"anchors": {"0": [1, 2]}}, "anchors must be a list"),
        ({"imgsz": [64]}, "imgsz"),
        ({"imgsz": [64, 0]}, "imgsz"),
        ({"imgsz": [64, 10**9]}, "imgsz"),
        ({"imgsz": [64, 100]}, "not divisible"),
        ({"imgsz": 64}, "imgsz must be a list"),
        ({"task": "pose"}, "'pose'"),
        ({"task": ["detect"]}, "task"),
        ({"dynamic": 1}, "dynamic"),
        ({"fold": 0}, "fold"),
        ({"fold": 3}, "fold 3 does not divide the stride 8"),
        ({"fold": [2]}, "list"),
        ({"source": "red.pt"}, "source"),
    ],
)
def test_wrong_metadata_is_refused(changes, message):
    with pytest.raises(ModelError, match=message) as refusal:
        read_info(onnx_models.metadata(**changes), "red.onnx")
    assert "red.onnx has unusable metadata" in str(refusal.value)


@pytest.mark.parametrize("key", ["names", "strides", "anchors", "imgsz", "task", "dynamic", "fold", "source"])
@pytest.mark.parametrize("value", ["", "{", "[1, 2", "\ufffd", "[" * 100_000])
def test_damaged_metadata_is_refused(key, value):
    with pytest.raises(ModelError, match=f"{key} is not JSON"):
        read_info({**onnx_models.metadata(), key: value}, "red.onnx")


@given(
    st.dictionaries(
        st.sampled_from(sorted(onnx_models.metadata())),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda children: st.lists(children) | st.dictionaries(st.text(), children),
        ),
    )
)
@settings(max_examples=200, deadline=None)
def test_no_metadata_does_harm(changes):
    """Whatever JSON the values are, they are either used or refused in the one way."""
    try:
        info = read_info(
            {**onnx_models.metadata(), **{k: json.dumps(v) for k, v in changes.items()}}, "red.onnx"
        )
    except ModelError:
        return
    assert len(info.strides) == len(info.anchors)


def test_what_is_not_a_model_file(tmp_path):
    def refusal(path: Path) -> str:
        with pytest.raises(ModelError) as caught:
            read_model(path)
        assert path.name in str(caught.value)
        return str(caught.value)

    def file(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    assert "there is no model file" in refusal(tmp_path / "absent.onnx")
    assert "is not a file" in refusal(tmp_path)
    assert "holds no graph" in refusal(file("empty.onnx", b""))
    assert "PyTorch checkpoint" in refusal(file("new.pt", b"PK\x03\x04rest"))
    assert "PyTorch checkpoint" in refusal(file("old.pt", b"\x80\x02rest"))
    assert "not an ONNX model" in refusal(file("page.onnx", b"<!DOCTYPE html><html><body>404</body></html>"))
    assert "not an ONNX model" in refusal(file("zeros.onnx", bytes(1000)))
    assert "longer than ten bytes" in refusal(file("long.onnx", b"\xff" * 100))
    sparse = tmp_path / "huge.onnx"
    with sparse.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    assert "more than an ONNX file can have" in refusal(sparse)


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_truncated_file_is_refused(model_bytes, tmp_path, data):
    """Cut anywhere it is either no message, or lacks the metadata that stands at its end."""
    path = tmp_path / "cut.onnx"
    path.write_bytes(model_bytes[: data.draw(st.integers(0, len(model_bytes) - 40))])
    with pytest.raises(ModelError):
        read_info(read_model(path).metadata, path)


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_do_harm(model_bytes, tmp_path, data):
    """A file with some bytes changed is read or refused, nothing else."""
    damaged = bytearray(model_bytes)
    for _ in range(data.draw(st.integers(1, 8))):
        # most of the file is weights: aim at the structure, which lies at both ends
        end = data.draw(st.sampled_from([0, len(damaged) - 800]))
        damaged[(end + data.draw(st.integers(0, 799))) % len(damaged)] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.onnx"
    path.write_bytes(damaged)
    with contextlib.suppress(ModelError):
        read_info(read_model(path).metadata, path)
