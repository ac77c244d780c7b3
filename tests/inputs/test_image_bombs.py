"""Pictures whose header says less than what a decoder makes of them; the header alone has to find that."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import InputError
from runtime.inputs.image_file import decode_image
from runtime.inputs.image_header import read_header

ROOT = Path(__file__).resolve().parents[2]
BIG, SMALL = 12_000, 16  # 144 million pixels are more than the budget


def frame_header(side: int) -> bytes:
    components = bytes([1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1])
    return b"\xc0" + struct.pack(">HBHHB", 17, 8, side, side, 3) + components


def jpeg(between: bytes) -> bytes:
    """A JPEG of BIG pixels, with these bytes before its frame header."""
    data = cv2.imencode(".jpg", np.full((64, 64, 3), 128, np.uint8))[1].tobytes()
    at = data.index(b"\xff\xc0")
    return data[:at] + between + data[at : at + 5] + struct.pack(">HH", BIG, BIG) + data[at + 9 :]


def tiff(sizes: list[tuple[int, int, int]]) -> bytes:
    """A TIFF with these entries (tag, type, value) for its size; BIG pixels of zeros."""
    strip = zlib.compress(bytes(BIG * BIG), 9)
    entries = len(sizes) + 7
    rest = [(258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8 + 2 + 12 * entries + 4), (277, 3, 1)]
    rest += [(278, 4, BIG), (279, 4, len(strip))]
    directory = struct.pack("<H", entries) + b"".join(
        struct.pack("<HHIHH" if kind == 3 else "<HHII", tag, kind, 1, value, *([0] if kind == 3 else []))
        for tag, kind, value in [*sizes, *rest]
    )
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + strip


def jpeg2000() -> bytes:
    """A JPEG 2000 of BIG pixels behind a box that holds a size marker of SMALL ones."""
    encoded, array = cv2.imencode(".jp2", np.zeros((64, 64, 3), np.uint8))
    if not encoded:
        pytest.skip("this OpenCV writes no JPEG 2000")
    data = bytearray(array.tobytes())
    at = data.index(b"\xff\x4f\xff\x51")
    marker = bytearray(data[at : at + 60])
    struct.pack_into(">II", marker, 8, SMALL, SMALL)
    for place in (at + 8, at + 24):
        struct.pack_into(">II", data, place, BIG, BIG)
    struct.pack_into(">II", data, data.index(b"ihdr") + 4, BIG, BIG)
    box = struct.pack(">I4s", 8 + 16 + len(marker), b"uuid") + bytes(16) + marker
    codestream = data.index(b"jp2c") - 4
    return bytes(data[:codestream] + box + data[codestream:])


BOMBS = {
    "bytes between segments": lambda: jpeg(frame_header(SMALL)),
    "a marker without length": lambda: jpeg(b"\xff\x01"),
    "restart markers": lambda: jpeg(b"\xff\xd0\xff\xd7"),
    "a stuffed zero": lambda: jpeg(b"\xff\x00"),
    "a size twice": lambda: tiff(
        [(256, 4, BIG), (256, 4, SMALL), (257, 4, BIG), (257, 4, SMALL)]
    ),
    "a size with a sign first": lambda: tiff(
        [(256, 9, BIG), (256, 4, SMALL), (257, 9, BIG), (257, 4, SMALL)]
    ),
    "a size with a sign": lambda: tiff([(256, 9, BIG), (257, 9, BIG)]),
    "a second line": lambda: b"#?RADIANCE\n-Y 16 +X 16\nFORMAT=32-bit_rle_rgbe\n\n-Y 12000 +X 12000\n",
    "a decoy box": jpeg2000,
}  # fmt: skip


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
