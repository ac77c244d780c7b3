"""Conversion from end to end: every kind of network and form of checkpoint, judged by PyTorch's head maps."""

from __future__ import annotations

import hashlib
import json
import types
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxsim")

import networks  # noqa: E402

from convert import conversion as conversion_module  # noqa: E402
from convert import convert  # noqa: E402
from convert.check import picture as draw_picture  # noqa: E402
from convert.errors import CheckError, ConvertError  # noqa: E402
from convert.layers import Conv  # noqa: E402
from convert.network import AutoShape, DetectionModel, Ensemble  # noqa: E402
from convert.rewrite import fold_batchnorm, replace_layers  # noqa: E402
from convert.save import save_checkpoint, save_pickle  # noqa: E402
from runtime.letterbox import to_blob  # noqa: E402
from runtime.model_file import read_info, read_model  # noqa: E402
from runtime.network import Network  # noqa: E402


def picture(height: int, width: int) -> np.ndarray:
    """The converter's test picture as the network's input."""
    return to_blob(draw_picture(height, width))


def run_torch(model: DetectionModel, image: np.ndarray) -> list[np.ndarray]:
    """The head maps of the network as it was built, in the precision that a checkpoint keeps."""
    with torch.no_grad():
        return [head.numpy() for head in model(torch.from_numpy(image))]


def run_opencv(path: Path, image: np.ndarray) -> list[np.ndarray]:
    net = cv2.dnn.readNetFromONNX(np.fromfile(path, np.uint8))
    net.setInput(image)
    return list(net.forward([f"out{i}" for i in range(len(net.getUnconnectedOutLayersNames()))]))


def run_onnxruntime(path: Path, image: np.ndarray) -> list[np.ndarray]:
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(str(path)).run(None, {"images": image})


def share_of_largest(got: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest difference, as a share of the largest logit."""
    assert [a.shape for a in got] == [b.shape for b in expected]
    largest = max(abs(b).max() for b in expected)
    return max(abs(a - b).max() for a, b in zip(got, expected, strict=True)) / largest


def metadata(path: Path) -> dict[str, Any]:
    return {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}


def halved(kind: str) -> DetectionModel:
    """A network with weights that float16 can hold, as they are in a checkpoint."""
    return networks.build(kind).half().float()


@pytest.mark.parametrize("kind", networks.KINDS)
def test_every_kind_of_network(kind: str, tmp_path: Path) -> None:
    model = halved(kind)
    save_checkpoint(tmp_path / "a.pt", model, legacy=kind in ("v1.0", "v2.0"))
    report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", (256, 128))
    strides = [int(s) for s in model.detect.stride]
    assert report.dynamic == (kind not in networks.FIXED)
    assert report.checkpoint.parameters == sum(p.numel() for p in model.parameters())

    written = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(written, full_check=True)
    assert [(entry.domain, entry.version) for entry in written.opset_import] == [("", 12)]
    expected_names = list(networks.NAMES)
    data = metadata(tmp_path / "a.onnx")
    assert data["names"] == expected_names
    assert data["strides"] == strides
    assert data["imgsz"] == [256, 128]
    assert data["task"] == "detect"
    assert data["dynamic"] is report.dynamic
    sha256 = hashlib.sha256((tmp_path / "a.pt").read_bytes()).hexdigest()
    assert data["source"] == {"file": "a.pt", "sha256": sha256}
    pixels = [np.reshape(networks.ANCHORS[s], (-1, 2)) for s in strides]
    np.testing.assert_allclose(data["anchors"], pixels, rtol=1e-3)  # float16 in units of the stride

    image = picture(256, 128)
    expected = run_torch(model, image)
    assert share_of_largest(run_opencv(tmp_path / "a.onnx", image), expected) < 3e-4
    assert share_of_largest(run_onnxruntime(tmp_path / "a.onnx", image), expected) < 3e-4
    if report.dynamic:
        image = np.concatenate([picture(128, 384), picture(128, 384)[..., ::-1]])
        expected = run_torch(model, image)
        assert share_of_largest(run_opencv(tmp_path / "a.onnx", image), expected) < 3e-4


@pytest.mark.parametrize("kind", ["v1.0", "v2.0", "v3.1", "v4.0"])
def test_focus_as_one_convolution_leaves_the_size_free(kind: str, tmp_path: Path) -> None:
    model = halved(kind)
    save_checkpoint(tmp_path / "a.pt", model)
    report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", 64, focus="conv")
    assert report.dynamic
    assert "Reshape" not in {node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node}
    image = picture(160, 96)
    assert share_of_largest(run_opencv(tmp_path / "a.onnx", image), run_torch(model, image)) < 3e-4


@pytest.mark.parametrize("kind", ["v1.0", "v3.1", "v4.0", "v7.0", "ghost", "transformer", "yolov3"])
def test_fast_graph(kind: str, tmp_path: Path) -> None:
    """The runtime runs it, at any size where the portable graph's is free; onnxruntime runs it as it is."""
    model = halved(kind)
    save_checkpoint(tmp_path / "a.pt", model)
    report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", (128, 64), target="fast")
    assert report.dynamic == (kind != "transformer")
    written = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(written, full_check=True)
    has_silu = kind not in ("v1.0", "v3.1")
    operators = {node.op_type for node in written.graph.node}
    assert ("Swish" in operators) == has_silu
    assert "Sigmoid" not in operators

    buffer, properties = read_model(tmp_path / "a.onnx")
    info = read_info(properties, tmp_path / "a.onnx")
    assert info.fold == (1 if kind == "yolov3" else 2)
    network = Network(buffer, info, "cpu", tmp_path / "a.onnx")
    for size in [(128, 64), (64, 192)][: 2 if report.dynamic else 1]:
        image = draw_picture(*size)
        expected = run_torch(model, to_blob(image))
        got = network(to_blob(image, info.fold))
        assert share_of_largest([head[None] for head in got], expected) < 3e-4
        if size == (128, 64):
            got = run_onnxruntime(tmp_path / "a.onnx", to_blob(image, info.fold))
            assert share_of_largest(got, expected) < 3e-4


def fused(model: DetectionModel, method: str) -> DetectionModel:
    """The network as YOLOv5 leaves it after fuse(): no normalisation, and `forward` a method of this name."""

    def forward(self: Conv, x: Any) -> Any:
        return self.act(self.conv(x))

    forward.__name__ = method
    fold_batchnorm(model)
    for module in model.modules():
        if isinstance(module, Conv):
            module.__dict__["forward"] = types.MethodType(forward, module)
    return model


def forms(model: DetectionModel, other: DetectionModel) -> dict[str, object]:
    """The same network in all the forms in which it may be pickled; `other` is one that must not be taken."""
    wrapper = AutoShape()
    wrapper.model = model
    parallel = AutoShape()
    parallel.module = model
    ensemble = Ensemble([model])
    return {
        "float32": {"model": model},
        "float16": {"model": model.half()},
        "EMA": {"model": other, "ema": model},
        "EMA with its count": {"model": other, "ema": (model, 1234)},
        "no EMA": {"model": model, "ema": None},
        "bare module": model,
        "ensemble": ensemble,
        "ensemble in a dictionary": {"model": ensemble},
        "AutoShape": wrapper,
        "DataParallel": {"model": parallel},
        "optimizer": {
            "model": model,
            "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{}]},
        },
        "training options": {"model": model, "opt": {"imgsz": 64, "save_dir": Path("runs")}, "git": {}},
        "a numpy score": {"model": model, "best_fitness": np.array([0.5]), "fitness": np.float64(0.5)},
    }


@pytest.mark.parametrize("form", forms(networks.build("old MixConv2d"), networks.build("old MixConv2d")))
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_every_form_of_checkpoint(form: str, legacy: bool, tmp_path: Path) -> None:
    from convert.checkpoint import load_checkpoint

    model = halved("old MixConv2d")
    image = picture(64, 64)
    expected = run_torch(model, image)
    save_pickle(tmp_path / "a.pt", forms(model, networks.build("old MixConv2d", seed=1))[form], legacy=legacy)
    loaded = load_checkpoint(tmp_path / "a.pt")
    assert share_of_largest(run_torch(loaded.model, image), expected) < 1e-6
    assert loaded.imgsz == (64 if form == "training options" else None)


@pytest.mark.parametrize("method", ["forward_fuse", "fuseforward"])  # since v6.0, and up to v5.0
def test_fused_checkpoint(method: str, tmp_path: Path) -> None:
    model = halved("v7.0")
    image = picture(64, 64)
    expected = run_torch(model, image)
    save_pickle(tmp_path / "a.pt", {"model": fused(model, method)})
    convert(tmp_path / "a.pt", tmp_path / "a.onnx", 64)
    assert share_of_largest(run_opencv(tmp_path / "a.onnx", image), expected) < 3e-4


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b", "c"], ["a", "b", "c"]),
        ({2: "c", 0: "a", 1: "b"}, ["a", "b", "c"]),
        (("口罩", "ж", "\x1b[31m"), ["口罩", "ж", "?[31m"]),
        (["a"], ["a", "1", "2"]),
        (None, ["0", "1", "2"]),
    ],
)
def test_names(names: Any, expected: list[str], tmp_path: Path) -> None:
    model = networks.build("old MixConv2d")
    model.names = names
    save_checkpoint(tmp_path / "a.pt", model)
    convert(tmp_path / "a.pt", tmp_path / "a.onnx", 64)
    assert metadata(tmp_path / "a.onnx")["names"] == expected


def test_size_comes_from_the_training_options_rounded_up(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", networks.build("v7.0"), opt={"imgsz": 100})
    assert convert(tmp_path / "a.pt", tmp_path / "a.onnx").imgsz == (128, 128)


def test_default_size_and_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_checkpoint("my model.pt", networks.build("old MixConv2d"))
    report = convert("my model.pt")
    assert report.imgsz == (640, 640)
    assert report.output == Path("weights/my model.onnx")
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["my model.onnx"]


def test_same_checkpoint_gives_the_same_file(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", networks.build("v7.0"))
    for name in ("b.onnx", "c.onnx"):
        convert(tmp_path / "a.pt", tmp_path / name, 64)
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "c.onnx").read_bytes()


@pytest.mark.parametrize("kind", ["v2.0", "v7.0", "rare layers"])
def test_a_wrong_rewriting_is_caught(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check compares with the network as it was loaded: one weight off by a little makes it fail."""

    def careless(model: DetectionModel) -> None:
        replace_layers(model)
        weight = next(p for name, p in model.named_parameters() if name.endswith("conv.weight"))
        with torch.no_grad():
            weight[0] *= 1.01

    monkeypatch.setattr(conversion_module, "replace_layers", careless)
    save_checkpoint(tmp_path / "a.pt", networks.build(kind))
    (tmp_path / "a.onnx").write_bytes(b"before")
    with pytest.raises(CheckError, match="differ from PyTorch's"):
        convert(tmp_path / "a.pt", tmp_path / "a.onnx", 64)
    assert (tmp_path / "a.onnx").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "a.pt"]


def test_a_network_that_does_not_fit_its_strides(tmp_path: Path) -> None:
    model = networks.build("p34")
    model.detect.stride[:] = torch.tensor([8.0, 32.0])
    save_checkpoint(tmp_path / "a.pt", model)
    with pytest.raises(ConvertError, match="its strides, anchors and classes make"):
        convert(tmp_path / "a.pt", tmp_path / "a.onnx", 64)
