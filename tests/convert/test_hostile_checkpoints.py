"""Checkpoints that are small and ask for much: each is refused with one sentence, at once."""

# ruff: noqa: E501

from __future__ import annotations

import io
import pickle
import time
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import networks  # noqa: E402
from torch import nn  # noqa: E402

from convert import convert, load_checkpoint, save_checkpoint  # noqa: E402
from convert.checkpoint.load import _check_size  # noqa: E402
from convert.checkpoint.pickle_objects import read_objects  # noqa: E402
from convert.cli import summary  # noqa: E402
from convert.errors import CheckpointError, ConvertError  # noqa: E402
from convert.layers import Concat, Conv, Detect, DetectionModel  # noqa: E402
from convert.sizes import check_budget, choose_size, size_multiple  # noqa: E402

SECONDS = 5.0  # of processor time


def text(letters: int) -> bytes:
    return b"X" + letters.to_bytes(4, "little") + b"a" * letters


PICKLES: dict[str, tuple[bytes, str]] = {
    "a set of a range": (b"cbuiltins\nset\ncbuiltins\nrange\nJ\xff\xff\xff\x7f\x85R\x85R.", "a range that is too long"),
    "numbers of the same hash": (
        b"\x8f(" + b"".join(b"\x8a\x0a" + (i * (2**61 - 1)).to_bytes(10, "little") for i in range(1, 50)) + b"\x90.",
        "a dictionary key",
    ),
    "a million opcodes": (b"N0" * 600_000 + b"N.", "more than 1000000 opcodes"),
    "a long text": (text(2_000_000) + b".", "a text of 2000000 letters"),
    "a long name": (b"c" + b"a" * 300 + b".models.common\nConv\n.", "a name of"),
    "a name that is a number": (b"K\x01K\x02\x93.", "a name that is not a text"),
    "a path of many parts": (
        b"cpathlib\nPosixPath\n(" + text(3000) + b"q\x00" + b"h\x00" * 9 + b"tR.",
        "a path that is too long",
    ),
    "20,001 layers": (
        b"(" + b"ctorch.nn.modules.linear\nIdentity\n)\x81" * 20_001 + b"l.",
        "more than 20000 layers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICKLES)
def test_pickles(name: str) -> None:
    data, message = PICKLES[name]
    start = time.process_time()
    with pytest.raises(CheckpointError) as refusal:
        read_objects(io.BytesIO(data), lambda key: None)
    assert message in str(refusal.value)
    assert len(str(refusal.value)) < 400
    assert time.process_time() - start < SECONDS


def small(change: Callable[[Any], None]) -> DetectionModel:
    detect = Detect(2, [networks.ANCHORS[8]], [4], [8])
    model = DetectionModel([(-1, Conv(3, 4, 8, 8)), (-1, nn.Identity()), ([0], detect)], ["a", "b"])
    change(model)
    return model


def nested(model: Any) -> None:
    value: list[Any] = []
    for _ in range(200):
        value = [value]
    model.model[0].extra = value


def ways(model: Any) -> None:
    """2 to the power of 30 ways to one layer."""
    inner: nn.Module = nn.Identity()
    for _ in range(30):
        inner = nn.Sequential(inner, inner)
    inner.f, inner.i = -1, 1  # type: ignore[assignment]
    model.model[1] = inner


NETWORKS: dict[str, tuple[Callable[[Any], None], str]] = {
    "lists in lists": (nested, "an attribute of a layer holds too many values"),
    "a long list": (lambda m: setattr(m.model[0].conv, "padding_mode", ["zeros"] * 99), "too many values"),
    "ways to a layer": (ways, "its layers are used in too many places"),
    "classes as a text": (
        lambda m: setattr(m.model[-1], "nc", "\x1b[31m" * 9),
        "\\x1b|its network is not built",
    ),
    "a class name": (lambda m: setattr(m, "names", ["a" * 6000, "b"]), "has 6000 letters"),
    "padding": (lambda m: setattr(m.model[0].conv, "padding", (10**6, 10**6)), "far more memory"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, tmp_path: Path) -> None:
    change, message = NETWORKS[name]
    save_checkpoint(tmp_path / "a.pt", small(change))
    start = time.process_time()
    with pytest.raises(CheckpointError) as refusal:
        load_checkpoint(tmp_path / "a.pt")
    assert any(part in str(refusal.value) for part in message.split("|"))
    assert str(refusal.value).isprintable()
    assert time.process_time() - start < SECONDS


def test_views_of_the_same_numbers() -> None:
    """A hundred parameters that are the same ten thousand numbers would become a million."""
    model, numbers = nn.Module(), torch.zeros(10_000)
    for i in range(100):
        model.register_parameter(f"p{i}", nn.Parameter(numbers[:]))
    with pytest.raises(CheckpointError, match="larger than its data"):
        _check_size(model)


def test_concats_that_double(tmp_path: Path) -> None:
    concats: list[tuple[int | list[int], nn.Module]] = [([-1, -1], Concat()) for _ in range(40)]
    detect = Detect(2, [networks.ANCHORS[8]], [4], [8])
    model = DetectionModel([(-1, Conv(3, 4, 8, 8)), *concats, ([0], detect)], ["a", "b"])
    save_checkpoint(tmp_path / "a.pt", model)
    with pytest.raises(ConvertError, match="more than 1 GiB"):
        size_multiple(load_checkpoint(tmp_path / "a.pt"))


def test_a_large_size_has_to_be_asked_for(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", small(lambda m: None), opt={"imgsz": 8192})
    checkpoint = load_checkpoint(tmp_path / "a.pt")
    with pytest.raises(ConvertError, match="with --imgsz 8192"):
        choose_size(None, checkpoint, 8)
    assert choose_size(64, checkpoint, 8) == (64, 64)
    check_budget(checkpoint, (64, 64))


@pytest.mark.skipif(find_spec("onnxsim") is None, reason="onnxsim is not installed")
def test_names_do_nothing_to_the_terminal(tmp_path: Path) -> None:
    network = networks.build("yolov3-tiny")
    network.names = ["\x1b]0;PWNED\x07\r\n\u202e", *network.names[1:]]
    save_checkpoint(tmp_path / "a.pt", network)
    said = summary(convert(tmp_path / "a.pt", tmp_path / "a.onnx", (64, 64)), 1)
    assert r"?]0;PWNED???\u202e, " in said
    assert all(line.isprintable() for line in said.split("\n"))


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_records(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w", kind) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}, 2))
    with pytest.raises(CheckpointError, match="compressed records"):
        load_checkpoint(tmp_path / "a.pt")
