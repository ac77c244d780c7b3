"""Conversion from end to end: every kind of network and form of checkpoint, judged by PyTorch's head maps."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import types
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxsim")

import networks  # noqa: E402

from convert import conversion as conversion_module  # noqa: E402
from convert import convert, load_checkpoint  # noqa: E402
from convert.check import picture as draw_picture  # noqa: E402
from convert.checkpoint import save_checkpoint, save_pickle  # noqa: E402
from convert.errors import CheckError, ConvertError  # noqa: E402
from convert.layers import AutoShape, BaseModel, Concat, Conv, Detect, DetectionModel, Ensemble  # noqa: E402
from convert.rewrite import fold_batchnorm, replace_layers  # noqa: E402
from convert.sizes import size_multiple  # noqa: E402
from runtime import Detector  # noqa: E402
from runtime.engines.network import Network  # noqa: E402
from runtime.model.file import read_model  # noqa: E402
from runtime.stages.letterbox import to_blob  # noqa: E402
from runtime.tasks.read_info import read_info  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def picture(height: int, width: int) -> np.ndarray:
    """The converter's test picture as the network's input."""
    return to_blob(draw_picture(height, width))


def run_torch(model: BaseModel, image: np.ndarray) -> list[np.ndarray]:
    """The head maps of the network as it was built, in the precision that a checkpoint keeps."""
    with torch.no_grad():
        return [head.numpy() for head in model(torch.from_numpy(image))]


def run_opencv(path: Path, image: np.ndarray) -> list[np.ndarray]:
    net = cv2.dnn.readNetFromONNX(np.fromfile(path, np.uint8))
    net.setInput(image)
    return list(net.forward([output.name for output in onnx.load(path).graph.output]))


def run_onnxruntime(path: Path, image: np.ndarray) -> list[np.ndarray]:
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(str(path)).run(None, {"images": image})


def share_of_largest(got: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest difference, as a share of the largest number among the outputs with as many channels."""
    assert [a.shape for a in got] == [b.shape for b in expected]
    largest: dict[int, float] = {}
    for b in expected:
        largest[b.shape[1]] = max(largest.get(b.shape[1], 0), abs(b).max())
    return max(abs(a - b).max() / largest[b.shape[1]] for a, b in zip(got, expected, strict=True))


def metadata(path: Path) -> dict[str, Any]:
    return {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}


def halved(kind: str) -> Any:
    """A network with weights that float16 can hold, as they are in a checkpoint."""
    return networks.build(kind).half().float()


@pytest.mark.parametrize("kind", networks.KINDS)
def test_every_kind_of_network(kind: str, tmp_path: Path) -> None:
    model = halved(kind)
    save_checkpoint(tmp_path / "a.pt", model, legacy=kind in ("v1.0", "v2.0"))
    report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", (256, 128))
    assert report.dynamic == (kind not in networks.FIXED)
    assert report.checkpoint.parameters == sum(p.numel() for p in model.parameters())

    written = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(written, full_check=True)
    assert [(entry.domain, entry.version) for entry in written.opset_import] == [("", 12)]
    expected_names = list(networks.NAMES)
    data = metadata(tmp_path / "a.onnx")
    assert data["names"] == expected_names
    assert data["imgsz"] == [256, 128]
    assert data["dynamic"] is report.dynamic
    sha256 = hashlib.sha256((tmp_path / "a.pt").read_bytes()).hexdigest()
    assert data["source"] == {"file": "a.pt", "sha256": sha256}
    outputs = [output.name for output in written.graph.output]
    strides = data.get("strides", [])
    assert outputs[: len(strides)] == [f"out{i}" for i in range(len(strides))]
    if "anchors" in data:
        pixels = [np.reshape(networks.ANCHORS[s], (-1, 2)) for s in strides]
        np.testing.assert_allclose(data["anchors"], pixels, rtol=1e-3)  # float16 in units of the stride
    common = {"task", "names", "imgsz", "dynamic", "source", "size_multiple"}
    facts = {key: data[key] for key in data.keys() - common - {"strides", "anchors"}}
    assert (data["task"], facts, outputs[len(strides) :]) == networks.FACTS.get(kind, ("detect", {}, []))
    assert [int(s) for s in getattr(model.head, "stride", [])] == strides
    largest = max(strides, default=1)
    assert data.get("size_multiple", largest) == networks.SIZE_MULTIPLES.get(kind, largest)

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


FAST = ["v1.0", "v3.1", "v4.0", "v7.0", "ghost", "transformer", "yolov3", *networks.FACTS]


@pytest.mark.parametrize("kind", FAST)
def test_fast_graph(kind: str, tmp_path: Path) -> None:
    """The runtime runs it, at any size where the portable graph's is free; onnxruntime runs it as it is."""
    model = halved(kind)
    save_checkpoint(tmp_path / "a.pt", model)
    report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", (128, 64), target="fast")
    assert report.dynamic == (kind not in ("transformer", "yolo11"))
    written = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(written, full_check=True)
    has_silu = kind not in ("v1.0", "v3.1", "face of ordinary layers")
    operators = {node.op_type for node in written.graph.node}
    assert ("Swish" in operators) == has_silu
    assert "Sigmoid" not in operators

    file = read_model(tmp_path / "a.onnx")
    buffer, properties = file.buffer, file.metadata
    info = read_info(properties, tmp_path / "a.onnx")
    assert info.fold == (1 if kind in networks.UNFOLDED or info.task.name == "classify" else 2)
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


@pytest.mark.parametrize(("kind", "channels", "target"), [("v7.0", 1, "fast"), ("v4.0", 4, "portable")])
def test_other_numbers_of_channels(kind: str, channels: int, target: Any, tmp_path: Path) -> None:
    """The file says it, is compared with PyTorch on such a picture, and is never folded by the caller."""
    model = networks.build(kind)
    first = model.model[0].conv
    if kind == "v7.0":
        model.model[0].conv = torch.nn.Conv2d(channels, 8, 6, 2, 2, bias=False)
    else:
        first.conv = torch.nn.Conv2d(4 * channels, 8, 3, 1, 1, bias=False)
    model = model.half().float()
    save_checkpoint(tmp_path / "a.pt", model)
    report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", 64, target=target)
    assert report.difference.relative < 1e-4
    facts = metadata(tmp_path / "a.onnx")
    assert (facts["channels"], facts.get("fold")) == (channels, None)
    detector = Detector(tmp_path / "a.onnx", conf_thres=0)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, channels), np.uint8)
    blob, _ = detector.prepare(image)
    with torch.no_grad():
        expected = [output[0].numpy() for output in model(torch.from_numpy(blob.copy()))]
    for output, wanted in zip(detector.forward(blob), expected, strict=True):
        assert np.abs(output - wanted).max() < 1e-3 * np.abs(wanted).max()


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


@pytest.mark.parametrize("kind", networks.KINDS)
def test_size_multiple(kind: str, tmp_path: Path) -> None:
    """The network runs at every small multiple, and at nothing between but where it needs less."""
    save_checkpoint(tmp_path / "a.pt", networks.build(kind))
    checkpoint = load_checkpoint(tmp_path / "a.pt")
    multiple = size_multiple(checkpoint)
    assert multiple == networks.SIZE_MULTIPLES.get(kind, max(checkpoint.strides, default=1))
    for factor in range(2, 6):
        size = (factor * multiple, 2 * multiple)
        shapes = [
            tuple(output.shape) for output in run_torch(checkpoint.model, np.zeros((1, 3, *size), np.float32))
        ]
        assert shapes == list(checkpoint.model.head.output_shapes(*size).values())


def test_sizes_of_a_network_deeper_than_its_heads(tmp_path: Path) -> None:
    """Heads at strides 8 and 16 and a backbone down to 32: sizes are multiples of 32, and it converts."""
    save_checkpoint(tmp_path / "a.pt", networks.build("p34 with a deeper backbone"), opt={"imgsz": 48})
    assert convert(tmp_path / "a.pt", tmp_path / "a.onnx").imgsz == (64, 64)
    assert metadata(tmp_path / "a.onnx")["size_multiple"] == 32
    # the picture's rectangle would be 64 × 48 at the largest stride, where the maps do not fit
    Detector(tmp_path / "a.onnx", conf_thres=0.01)(draw_picture(128, 90))
    with pytest.raises(ConvertError, match="48 is not a multiple of the deepest downsampling, 32"):
        convert(tmp_path / "a.pt", tmp_path / "a.onnx", 48)


def renamed(path: Path, names: dict[str, str]) -> None:
    """Change the module names in the pickle of a checkpoint."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    for old, new in names.items():
        records["archive/data.pkl"] = records["archive/data.pkl"].replace(
            f"c{old}".encode(), f"c{new}".encode()
        )
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in records.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("prefix", ["yolov5.", "src.vendor.yolov5.", "my.models.", "a.models.common.b."])
def test_classes_of_a_copy_of_yolov5(prefix: str, tmp_path: Path) -> None:
    model = halved("activations")
    save_checkpoint(tmp_path / "a.pt", model)
    renamed(tmp_path / "a.pt", {"models.": f"{prefix}models.", "utils.": f"{prefix}utils."})
    loaded = load_checkpoint(tmp_path / "a.pt")
    assert loaded.release == "YOLOv5 v7.0, by its build"
    image = picture(64, 64)
    assert share_of_largest(run_torch(loaded.model, image), run_torch(model, image)) < 1e-6


class Getattr:
    """Is pickled as getattr(owner, name), which protocol 2 writes for a function of a class."""

    def __init__(self, owner: type, name: str):
        self.what = owner, name

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, self.what


def test_a_segmentation_head_keeps_the_function_of_detection(tmp_path: Path) -> None:
    """As every file of v7.0 does; and what is not 32 mask coefficients or has other names is still read."""
    model = halved("segmentation")
    model.head.detect = Getattr(Detect, "forward")
    save_checkpoint(tmp_path / "a.pt", model)
    loaded = load_checkpoint(tmp_path / "a.pt")
    assert loaded.release == "YOLOv5 v7.0, by its build"
    assert loaded.model.head.task == "segment"
    image = picture(64, 64)
    assert share_of_largest(run_torch(loaded.model, image), run_torch(model, image)) < 1e-6


def foreign(monkeypatch: pytest.MonkeyPatch, path: str) -> Any:
    """An instance of a class of a package that is not there, with an attribute."""
    module, _, name = path.rpartition(".")
    cls = type(name, (), {"__module__": module})
    parts = module.split(".")
    for i in range(len(parts)):
        package = ".".join(parts[: i + 1])
        monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
    setattr(sys.modules[module], name, cls)
    thing = cls()
    thing.size = 224
    return thing


@pytest.mark.parametrize(
    ("inert", "names"),
    [
        ("torchvision.transforms.transforms.Compose", ["a", "b", "c"]),
        ("torchvision.transforms.transforms.Normalize", None),
        ("utils.augmentations.CenterCrop", None),
        ("utils.augmentations.ToTensor", ["a", "b", "c"]),
    ],
)
def test_what_training_attaches_to_a_classifier(
    inert: str, names: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = halved("classification")
    model.transforms = foreign(monkeypatch, inert)
    if names is None:
        del model.names
    else:
        model.names = names
    options = {"imgsz": 100, "save_dir": PurePosixPath("runs"), "project": PureWindowsPath("runs")}
    save_checkpoint(tmp_path / "a.pt", model, opt=options)
    report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", crop="shorter-side")
    assert (report.imgsz, report.dynamic) == ((100, 100), True)
    data = metadata(tmp_path / "a.onnx")
    assert data["names"] == (names or ["0", "1", "2"])
    assert data["crop"] == "shorter-side"


@pytest.mark.parametrize("age", ["old", "new"])
def test_classes_of_the_package_ultralytics(
    age: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it adds to a network is left alone, above all `anchors`, which are none of YOLOv5's."""
    model = halved("yolo11")
    model.head.anchors, model.head.strides = torch.zeros(2, 9).half(), torch.zeros(1, 9).half()
    model.head.shape = torch.Size([1, 3, 64, 64])
    model.args = foreign(monkeypatch, "ultralytics.utils.IterableSimpleNamespace")
    model.yaml = {"yaml_file": "yolo11n.yaml"}
    fields = {"train_args": {"imgsz": 96}, "version": "8.4.190"}
    save_pickle(tmp_path / "a.pt", {"model": None, "ema": model, **fields})
    package = "ultralytics.nn.modules"
    rooms = {"Concat": "conv", "Conv": "conv", "DWConv": "conv", "C3": "block", "Bottleneck": "block"}
    names = {f"models.common\n{name}\n": f"{package}.{room}\n{name}\n" for name, room in rooms.items()}
    renamed(tmp_path / "a.pt", {"models.yolo\nDetection": "ultralytics.nn.tasks\nDetection", **names})
    if age == "old":
        renamed(tmp_path / "a.pt", {f"{package}.{room}": package for room in ("block", "conv", "head")})
    loaded = load_checkpoint(tmp_path / "a.pt")
    assert loaded.release == "yolo11n.yaml of the package ultralytics 8.4.190"
    assert (loaded.imgsz, loaded.strides, loaded.anchors) == (96, [8, 16, 32], [])
    image = picture(64, 64)
    assert share_of_largest(run_torch(loaded.model, image), run_torch(model, image)) < 1e-6


def test_a_network_that_does_not_fit_its_strides(tmp_path: Path) -> None:
    model = networks.build("p34")
    model.detect.stride[:] = torch.tensor([8.0, 32.0])
    save_checkpoint(tmp_path / "a.pt", model)
    with pytest.raises(ConvertError, match="its strides, anchors and classes make"):
        convert(tmp_path / "a.pt", tmp_path / "a.onnx", 64)


def test_the_compiler_is_not_imported(tmp_path: Path) -> None:
    """Its import would take a second of every conversion; a private method of PyTorch's keeps it away."""
    save_checkpoint(tmp_path / "a.pt", networks.build("v7.0"))
    code = (
        "import sys; from convert import load_checkpoint; from convert.sizes import size_multiple; "
        "assert size_multiple(load_checkpoint(sys.argv[1])) == 32; assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.pt")], check=True, cwd=ROOT)


def test_maps_that_do_not_fit_each_other(tmp_path: Path) -> None:
    layers: list[Any] = [
        (-1, Conv(3, 4, 8, 8)),
        (-1, Conv(4, 4, 3, 2)),
        ([0, 1], Concat()),
    ]
    detect = Detect(2, [networks.ANCHORS[16]], [8], [16])
    save_checkpoint(tmp_path / "a.pt", DetectionModel([*layers, ([2], detect)], ["a", "b"]))
    with pytest.raises(ConvertError, match=r"its network does not run .*Concat of the shapes"):
        size_multiple(load_checkpoint(tmp_path / "a.pt"))
