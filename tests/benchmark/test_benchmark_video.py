"""The video benchmark: that it measures what it says, not how fast."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import red_picture

from runtime.benchmark import video
from runtime.inputs.frames import Frame, read_files
from runtime.inputs.sources import find_sources
from runtime.outputs.image_file import write_image


def test_the_clip_moves_over_the_picture(tmp_path: Path) -> None:
    frames = video.make_clip(red_picture(), tmp_path / "clip.mp4", 8)
    assert len(frames) == 8
    sources, _, _ = find_sources([str(tmp_path / "clip.mp4")])
    read = [event.image for event in read_files(sources) if isinstance(event, Frame)]
    assert len(read) == 8
    assert np.abs(read[7].astype(int) - frames[7]).mean() < 3
    assert np.abs(read[0].astype(int) - read[7]).max() > 100


def test_it_prints_rates_and_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    import onnx_models

    write_image(tmp_path / "red.png", red_picture())
    model = onnx_models.write(tmp_path / "red.onnx")
    arguments = [tmp_path / "red.png", "--weights", model, "--frames", 12, "--rounds", 1]
    monkeypatch.setattr(sys, "argv", ["video", *map(str, arguments)])
    assert video.main() == 0
    output = capsys.readouterr().out
    for name in ("forward alone", "runtime.detect --no-save", "runtime.detect"):
        assert re.search(rf"^{re.escape(name)} +[0-9.]+ frames/s +[0-9.]+ of forward alone$", output, re.M)
    assert re.search(r"read [0-9.]+, detect [0-9.]+, draw [0-9.]+, write [0-9.]+$", output, re.M)
