"""Pictures that are larger than they say, as the readers of headers see it."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

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
    "a size in text before": lambda: b"P7\nTUPLTYPE WIDTH 16 HEIGHT 9\nWIDTH 12000\nHEIGHT 12000\nENDHDR\n",
    "a size in text after": lambda: b"P7\nWIDTH 12000\nHEIGHT 12000\nTUPLTYPE WIDTH 16 HEIGHT 9\nENDHDR\n",
    "a decoy box": jpeg2000,
}  # fmt: skip


def png_with_chunk(kind: bytes, length: int) -> bytes:
    """Make a small PNG with a chunk that says it has another length than it has."""
    data = bytes(cv2.imencode(".png", np.zeros((8, 9, 3), np.uint8))[1])
    return data[:33] + struct.pack(">I", length) + kind + data[41:]
