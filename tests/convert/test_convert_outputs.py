"""Where a converted model may be written to: links, pipes, devices, folders that refuse."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxsim")

import networks

from convert import convert, save_checkpoint
from convert.errors import ConvertError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "a.pt"
    save_checkpoint(path, networks.build("v7.0"))
    return path


def test_a_link_keeps_leading_there(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "a.onnx"
    link.symlink_to(tmp_path / "real" / "b.onnx")
    convert(checkpoint, link, 64)
    assert link.is_symlink()
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["b.onnx"]
    assert b"images" in link.read_bytes()


def test_a_pipe_and_a_device_get_the_bytes(checkpoint: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    report = convert(checkpoint, pipe, 64)
    reader.join(30)
    assert [len(data) for data in got] == [report.size]
    assert pipe.is_fifo()
    convert(checkpoint, "/dev/null", 64)
    assert Path("/dev/null").is_char_device()


def test_folders_that_refuse(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = [tmp_path / "file" / "a.onnx", tmp_path, Path("/proc/a.onnx")]
    if os.getuid() != 0:  # who may write everywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        places.append(tmp_path / "locked" / "a.onnx")
    for place in places:
        with pytest.raises(ConvertError, match="cannot write"):
            convert(checkpoint, place, 64)
    assert sorted(path.name for path in tmp_path.iterdir()) in (["file"], ["file", "locked"])
