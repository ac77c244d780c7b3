"""Networks that their owners have changed: converted with `--layers`, or refused by layer and part."""

from __future__ import annotations

import collections
import datetime
import sys
from pathlib import Path
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxsim")

import cv2  # noqa: E402
import networks  # noqa: E402
import numpy as np  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils import prune  # noqa: E402

from convert import convert, load_checkpoint, save_checkpoint  # noqa: E402
from convert.checkpoint import class_paths, save_pickle  # noqa: E402
from convert.checkpoint.own_layers import OwnLayers  # noqa: E402
from convert.errors import CheckpointError, ConvertError  # noqa: E402
from convert.layers import Bottleneck, Concat, Conv, Detect, DetectionModel  # noqa: E402

CODE = Path(__file__).parents[1] / "support" / "own_layers.py"
SIZE = 64


@pytest.fixture(scope="module")
def own() -> Any:
    """The fixtures' classes, from their file, as its owner's program has them."""
    with OwnLayers(CODE) as layers:
        layers.find("SE")
        module = layers._file
    return module


def network(layer: nn.Module, joins: bool = False, c: int = 8, channels: int = 3) -> DetectionModel:
    """Two convolutions, the layer, and a head at stride 8, with norms that are not one."""
    torch.manual_seed(1)
    rows: list[tuple[int | list[int], nn.Module]] = [(-1, Conv(channels, c, 8, 8, 0)), (-1, Conv(c, c, 3))]
    rows.append(([0, 1] if joins else -1, layer))
    up = type(layer).__name__ == "CARAFE"
    head = Detect(2, [networks.ANCHORS[8]], [2 * c if joins else c], [4 if up else 8])
    model = DetectionModel([*rows, ([2], head)], ["a", "b"]).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            cast(Any, module.running_var).uniform_(0.5, 1.5)
    return model


def save(path: Path, model: DetectionModel, own: Any, under: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a checkpoint whose pickle has the owner's classes under this module's path."""
    for name, cls in vars(own).items():
        if isinstance(cls, type) and issubclass(cls, nn.Module):
            monkeypatch.setitem(class_paths.PATH_OF, cls, f"{under}.{name}")
    save_pickle(path, {"model": model})


MODULES = [
    *("SE", "CBAM", "CoordAtt", "ECA", "SimAM", "BiFPNConcat", "RepConv", "ShuffleBlock", "MobileBlock"),
    *("ConvNeXtBlock", "SwinBlock", "GSConv", "CARAFE", "GAM", "MHSA", "FastC2f", "C3"),
]


@pytest.mark.parametrize(
    ("name", "under"),
    [*((name, "models.common") for name in MODULES), *((name, "nets.attention") for name in ("SE", "SimAM"))],
)
def test_modules(name: str, under: str, own: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(getattr(own, name)(8, 8), joins=name == "BiFPNConcat")
    save(tmp_path / "a.pt", model, own, under, monkeypatch)
    report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", SIZE, layers=CODE)
    assert name in {cls.__name__ for cls in report.checkpoint.own}
    image = np.random.default_rng(3).random((1, 3, SIZE, SIZE), np.float32)
    # OpenCV 5.0's new engine fails on x · (one-channel convolution)
    classic = [cv2.dnn.ENGINE_CLASSIC] if hasattr(cv2.dnn, "ENGINE_CLASSIC") else []
    net = cv2.dnn.readNetFromONNX(str(tmp_path / "a.onnx"), *classic)
    net.setInput(image)
    with torch.no_grad():
        expected = model(torch.from_numpy(image))[0].numpy()
    assert np.abs(net.forward() - expected).max() < 1e-4 * max(1, np.abs(expected).max())
    with pytest.raises(ConvertError, match=r"--layers PATH.*export\.py"):
        convert(tmp_path / "a.pt", tmp_path / "b.onnx", SIZE)


@pytest.mark.parametrize("channels", [1, 4])
def test_channels(channels: int, own: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another number of channels, in a layer that shapes alone cannot be run through, too."""

    class Numbers(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * torch.from_numpy(np.linspace(0.5, 1, 8, dtype=np.float32))[:, None, None]

    monkeypatch.setitem(class_paths.PATH_OF, Numbers, "models.common.Numbers")
    (tmp_path / "mine.py").write_text(
        "import numpy as np, torch\nclass Numbers(torch.nn.Module):\n    def forward(self, x):\n"
        "        return x * torch.from_numpy(np.linspace(0.5, 1, 8, dtype=np.float32))[:, None, None]\n"
    )
    model = network(Numbers(), channels=channels)
    save_pickle(tmp_path / "a.pt", {"model": model})
    report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", SIZE, layers=tmp_path / "mine.py")
    assert report.difference.relative < 1e-4
    image = np.random.default_rng(3).random((1, channels, SIZE, SIZE), np.float32)
    net = cv2.dnn.readNetFromONNX(str(tmp_path / "a.onnx"))
    net.setInput(image)
    with torch.no_grad():
        expected = model(torch.from_numpy(image))[0].numpy()
    assert np.abs(net.forward() - expected).max() < 1e-4 * np.abs(expected).max()


def test_what_depends_on_the_size_fixes_it(own: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SimAM divides by height · width - 1, a constant once exported: such a file is of one size."""
    for name, dynamic in (("RepConv", True), ("SimAM", False)):
        save(tmp_path / "a.pt", network(getattr(own, name)(8, 8)), own, "models.common", monkeypatch)
        report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", (64, 72), layers=CODE)
        assert (report.dynamic, report.difference.relative < 1e-4) == (dynamic, True)


def test_a_compiled_model(tmp_path: Path) -> None:
    """torch.compile's wrapper is taken off; what is not known of it is told as what it is."""
    model = network(Bottleneck(8, 8))
    save_pickle(tmp_path / "a.pt", {"model": torch.compile(model)})
    assert load_checkpoint(tmp_path / "a.pt").names == ["a", "b"]
    wrapper = type("Unknown", (nn.Module,), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(class_paths.PATH_OF, wrapper, "torch._dynamo.of_tomorrow.Unknown")
        model.model[2].x = wrapper()
        save_pickle(tmp_path / "b.pt", {"model": model})
    with pytest.raises(CheckpointError, match=r"compiled by torch\.compile.*model\._orig_mod"):
        load_checkpoint(tmp_path / "b.pt")


def test_a_tree(own: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    """A tree of packages, one of whose imports fails in `try`, others of which are not installed at all."""
    tree = tmp_path / "yolov5"
    (tree / "models").mkdir(parents=True)
    (tree / "utils").mkdir()
    (tree / "utils" / "general.py").write_text(
        "import seaborn_of_old as sn, IPython_x.display\nVALUE = 0.5\n"
    )
    (tree / "models" / "extra.py").write_text(
        "import torch.nn as nn\nfrom utils.general import VALUE\nimport pandas_x as pd\n"
        "print('noise')\npd.options.display.width = 3\n"
        "try:\n    from fast_x import Half\nexcept ImportError:\n    Half = None\n"
        "@pd.api.register\nclass Base(nn.Module):\n"
        "    def forward(self, x):\n        return x * VALUE if Half is None else x\n"
        "class Scale(Base):\n    pass\n"
    )
    scale = type("Scale", (nn.Module,), {"forward": lambda self, x: x * 0.5})
    monkeypatch.setitem(class_paths.PATH_OF, scale, "models.extra.Scale")
    model = network(scale())
    save_checkpoint(tmp_path / "a.pt", model)
    modules, path = set(sys.modules), list(sys.path)
    for place in (tree, tree / "models" / "extra.py"):
        report = convert(tmp_path / "a.pt", tmp_path / "a.onnx", SIZE, layers=place)
        assert {cls.__name__ for cls in report.checkpoint.own} == {"Scale"}
    assert sys.path == path
    assert not {name for name in set(sys.modules) - modules if name.split(".")[0] in ("models", "utils")}
    assert not list(tree.rglob("*.pyc"))
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("Uninstalled", "the layer needs .*rearrange, which is not installed"), ("Fourier", r"model\.2.*fft")],
)
def test_what_a_layer_lacks(
    name: str, sentence: str, own: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.pt", network(getattr(own, name)(8, 8)), own, "models.common", monkeypatch)
    with pytest.raises(ConvertError, match=sentence):
        convert(tmp_path / "a.pt", tmp_path / "a.onnx", SIZE, layers=CODE)


def test_layers_that_are_not_there(tmp_path: Path, own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.pt", network(own.SE(8, 8)), own, "models.common", monkeypatch)
    for code, sentence in (
        ("x = 1", "there is no such class"),
        ("SE = 3", "is not a layer"),
        ("1 +", "SyntaxError"),
    ):
        (tmp_path / "mine.py").write_text(code)
        with pytest.raises(ConvertError, match=sentence):
            convert(tmp_path / "a.pt", tmp_path / "a.onnx", SIZE, layers=tmp_path / "mine.py")
    with pytest.raises(ConvertError, match="no such file or folder of layers"):
        convert(tmp_path / "a.pt", tmp_path / "a.onnx", SIZE, layers=tmp_path / "absent")


CHANGES: dict[str, tuple[Any, str]] = {
    "a layer": (
        lambda m: m.model[2].register_module("att", nn.Conv2d(8, 8, 1)),
        r"layer 2 .*Bottleneck.*att",
    ),
    "a shared layer's parent": (
        lambda m: m.model[2].register_module("cv3", nn.Sequential(m.model[1].act, nn.Conv2d(8, 8, 1))),
        r"layer 2 .*: 1;",
    ),
    "a parameter": (
        lambda m: m.model[2].register_parameter("w", nn.Parameter(torch.ones(2))),
        r"a parameter .*: w;",
    ),
    "a buffer": (lambda m: m.model[2].cv1.register_buffer("w", torch.ones(2)), r"a buffer .*: w;"),
    "a number": (lambda m: setattr(m.model[2], "scale", 0.1), r"an attribute .*: scale;"),
    "a list": (lambda m: setattr(m.model[2], "shares", [1, 2]), r"an attribute .*: shares;"),
    "a number of PyTorch's layer": (
        lambda m: setattr(m.model[1].conv, "gain", 0.1),
        r"an attribute .*: gain;",
    ),
    "a name of another meaning": (
        lambda m: m.model[2].__dict__["_modules"].update(half=nn.Conv2d(8, 8, 1)),
        r"an attribute .*: half;",
    ),
    "the head": (
        lambda m: m.model[3].register_parameter("s", nn.Parameter(torch.ones(1))),
        r"layer 3 .*: s; .*head",
    ),
    "the network": (lambda m: m.register_module("extra", nn.Conv2d(8, 8, 1)), r"its network has .*extra"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_layer_is_refused(what: str, tmp_path: Path) -> None:
    change, sentence = CHANGES[what]
    model = network(Bottleneck(8, 8))
    change(model)
    save_pickle(tmp_path / "a.pt", model)
    with pytest.raises(ConvertError, match=sentence):
        convert(tmp_path / "a.pt", tmp_path / "a.onnx", SIZE)
    assert not (tmp_path / "a.onnx").exists()


def test_a_hook_is_refused(tmp_path: Path) -> None:
    model = network(Bottleneck(8, 8))
    model.model[1].__dict__["_forward_hooks"] = collections.OrderedDict({0: datetime.timedelta(1)})
    save_pickle(tmp_path / "a.pt", model)
    with pytest.raises(CheckpointError, match="forward hook"):
        load_checkpoint(tmp_path / "a.pt")


COMPUTED: dict[str, Any] = {
    "prune": lambda conv: prune.l1_unstructured(conv, "weight", 0.3),
    "prune twice": lambda conv: [prune.random_unstructured(conv, "weight", 0.3) for _ in range(2)],
    "weight norm": lambda conv: torch.nn.utils.weight_norm(conv),
    "weight norm of everything": lambda conv: torch.nn.utils.weight_norm(conv, dim=None),
    "spectral norm": lambda conv: torch.nn.utils.spectral_norm(conv),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", COMPUTED)
def test_computed_weights(kind: str, tmp_path: Path) -> None:
    model = network(Concat(), joins=True)
    COMPUTED[kind](model.model[1].conv)
    model.eval()
    image = torch.rand(1, 3, SIZE, SIZE)
    with torch.no_grad():
        expected = model(image)[0]
        save_pickle(tmp_path / "a.pt", {"model": model})
        loaded = load_checkpoint(tmp_path / "a.pt").model
        assert torch.allclose(loaded(image)[0], expected, atol=1e-5)
    assert set(cast(Any, loaded).model[1].conv._parameters) == {"weight", "bias"}


NAMES: dict[str, tuple[Any, list[str], bool]] = {
    "NumPy's texts": ([np.str_("cat"), np.str_("dög")], ["cat", "dög"], False),
    "an array": (np.array(["cat", "dog"]), ["cat", "dog"], False),
    "an array of objects": (np.array(["cat", "dog"], object), ["cat", "dog"], False),
    "numbers as texts": ({"0": "cat", "1": "dog"}, ["cat", "dog"], False),
    "NumPy's numbers": ({np.int64(0): "cat", np.int64(1): "dog"}, ["cat", "dog"], False),
    "lists of one": ([["cat"], ["dog"]], ["cat", "dog"], False),
    "a gap": ({1: "dog"}, ["0", "dog"], True),
    "too few": (["cat"], ["cat", "1"], True),
    "too many": (["cat", "dog", "hen"], ["cat", "dog"], True),
    "none": (None, ["0", "1"], True),
}


@pytest.mark.parametrize("kind", NAMES)
def test_names(kind: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    names, expected, warned = NAMES[kind]
    model = network(Bottleneck(8, 8))
    model.names = names
    save_pickle(tmp_path / "a.pt", model)
    recwarn.clear()
    assert load_checkpoint(tmp_path / "a.pt").names == expected
    assert any("names for" in str(each.message) for each in recwarn) == warned


def test_where_the_network_lies(tmp_path: Path) -> None:
    model = network(Bottleneck(8, 8))
    path = tmp_path / "a.pt"
    harmless = {
        "c": collections.Counter(a=1),
        "d": datetime.timedelta(1),
        "v": torch.__version__,
        "s": slice(1),
    }
    for content in (
        {"net": model, **harmless},
        {"state": {"model": model}},
        {"model": nn.DataParallel(model)},
    ):
        save_pickle(path, content)
        assert load_checkpoint(path).names == ["a", "b"]
    for key in ("state_dict", "model_state_dict"):
        save_pickle(path, {"epoch": 1, key: model.state_dict()})
        with pytest.raises(CheckpointError, match=f'its "{key}" is a state_dict: weights without'):
            load_checkpoint(path)


def test_weights_that_are_not_numbers(tmp_path: Path) -> None:
    model: Any = network(Bottleneck(8, 8))
    with torch.no_grad():
        model.model[1].conv.weight[0] = float("nan")
    save_pickle(tmp_path / "a.pt", model)
    with pytest.raises(CheckpointError, match=r"not all finite numbers \(model.1.conv.weight\)"):
        load_checkpoint(tmp_path / "a.pt")
    model = network(Bottleneck(8, 8))
    model.head.anchors[0, 0] = -1
    save_pickle(tmp_path / "a.pt", model)
    with pytest.raises(CheckpointError, match="anchors are negative"):
        load_checkpoint(tmp_path / "a.pt")
