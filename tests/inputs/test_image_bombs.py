"""Pictures whose header says less than what a decoder makes of them; the header alone has to find that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from bombs import BIG, BOMBS, png_with_chunk

from runtime.errors import InputError
from runtime.inputs.image_file import decode_image
from runtime.inputs.image_header import read_header

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", BOMBS)
def test_the_header_says_what_the_decoder_will_see(kind: str) -> None:
    data = BOMBS[kind]()
    header = read_header(data)
    assert header is not None
    assert (header.width, header.height) == (BIG, BIG)
    with pytest.raises(InputError, match="12000x12000 pixels are more than"):
        decode_image(data)


def test_no_header_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of what OpenCV would decode."""
    data = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    assert decode_image(data).shape == (8, 8, 3)
    monkeypatch.setattr("runtime.inputs.image_file.read_header", lambda data: None)
    with pytest.raises(InputError, match="size cannot be read from its header"):
        decode_image(data)


@pytest.mark.parametrize("arguments", [[], ["--max-pixels", "5000"], ["--max-pixels=5000"]])
def test_a_command_tells_opencv_its_budget_before_it_is_loaded(tmp_path: Path, arguments: list[str]) -> None:
    """Where both readers are fooled, the decoder still refuses."""
    side = 80 if arguments else 10_100
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.zeros((side, side), np.uint8))
    code = (
        "import sys; sys.argv = sys.argv[1:]; import runtime, cv2, numpy\n"
        "try: print(cv2.imread(sys.argv[1]).shape)\n"
        "except cv2.error as error: print('refused')"
    )
    for name, said in (("yolov5-dnn", "refused"), ("mine", f"({side}, {side}, 3)")):
        done = subprocess.run(
            [sys.executable, "-c", code, name, str(picture), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENCV_LOG_LEVEL": "SILENT"},
            capture_output=True,
            text=True,
        )
        answer = done.stdout.strip() or done.stderr
        assert answer == said or (name == "yolov5-dnn" and "NoneType" in answer)


@pytest.mark.parametrize("length", [0xFFFFFFEA, 0x7FFFFFFF, 0x40000000])
@pytest.mark.parametrize("kind", [b"IDAT", b"tEXt"])
def test_a_png_chunk_longer_than_the_file_is_a_refusal(length: int, kind: bytes) -> None:
    """OpenCV 5 took 4 GB for 358 bytes: the chunk's length, before it read the chunk."""
    with pytest.raises(InputError, match="size cannot be read"):
        decode_image(png_with_chunk(kind, length))


def test_a_png_that_was_cut_short_has_a_size() -> None:
    data = cv2.imencode(".png", np.zeros((8, 9, 3), np.uint8))[1].tobytes()
    assert read_header(data[:-20]) == (9, 8, 1)
