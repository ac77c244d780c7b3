"""Reading and writing picture files."""

from __future__ import annotations

import base64
import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import as_stored, encode, png_chunk, quarters, red_picture, with_exif

from runtime.errors import InputError
from runtime.inputs.image_file import MAX_FILE_BYTES, read_image
from runtime.inputs.image_header import ImageHeader, read_header
from runtime.outputs.image_file import can_write, write_image

# 16 × 16, the left half red and the right half blue; OpenCV itself writes no CMYK.
CMYK_JPEG = (
    "|JeWT01iQ9Z(?NtWB>pF0095n07C!`2?`4e2n`Dg3l0tq4-+626A}^=CmbFZATB8}FfJ)AEHgSvJ~K8(H!LkcS3yQhPEu1+GCo>iT2N"
    "q0QBqI;zyK5o01yBW1Va%3O%VWD5dcdO0RO}Q761VO0RR910000000000000082mizX6c7Ob00000000000000000030+5ip&LjX+xSp"
    "Z7_06zfJnS(HC$%s>;of8n4g*rd~*#"
)


def same(image: np.ndarray, expected: np.ndarray) -> bool:
    """Say whether two pictures are the same but for what JPEG does to edges."""
    if image.shape != expected.shape or image.dtype != np.uint8:
        return False
    return np.abs(image.astype(int) - expected).mean() < 8


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int, order: str) -> None:
    stored = as_stored(quarters(), orientation)
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(with_exif(encode(stored, suffix), orientation, order))
    assert same(read_image(path), quarters())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_orientation_is_applied_once(tmp_path: Path, orientation: int) -> None:
    stored = as_stored(quarters(), orientation)[:, :, ::-1]
    height, width = stored.shape[:2]
    entries = [
        (0x100, 4, 1, width),
        (0x101, 4, 1, height),
        (0x102, 3, 1, 8),
        (0x103, 3, 1, 1),
        (0x106, 3, 1, 2),
        (0x111, 4, 1, 8),
        (0x112, 3, 1, orientation),
        (0x115, 3, 1, 3),
        (0x116, 4, 1, height),
        (0x117, 4, 1, stored.size),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    path = tmp_path / "picture.tif"
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + stored.size) + stored.tobytes() + directory + bytes(4))
    assert np.array_equal(read_image(path), quarters())


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_impossible_orientations_are_left_aside(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(with_exif(encode(quarters(), ".jpg"), orientation))
    assert same(read_image(path), quarters())


def test_grey_becomes_bgr(tmp_path: Path) -> None:
    grey = cv2.cvtColor(quarters(), cv2.COLOR_BGR2GRAY)
    path = tmp_path / "grey.png"
    path.write_bytes(encode(grey, ".png"))
    assert np.array_equal(read_image(path), np.dstack([grey] * 3))


def test_alpha_is_dropped(tmp_path: Path) -> None:
    alpha = np.zeros((40, 60, 1), np.uint8)  # fully transparent, and its colours count nevertheless
    path = tmp_path / "alpha.png"
    path.write_bytes(encode(np.dstack([quarters(), alpha]), ".png"))
    assert np.array_equal(read_image(path), quarters())


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_become_8(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"deep{suffix}"
    path.write_bytes(encode(quarters().astype(np.uint16) * 256 + 77, suffix))
    assert np.abs(read_image(path).astype(int) - quarters()).max() <= 1


def test_cmyk_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    path.write_bytes(base64.b85decode(CMYK_JPEG))
    image = read_image(path)
    assert image.shape == (16, 16, 3)
    left, right = image[4:12, 1:6].mean((0, 1)), image[4:12, 10:15].mean((0, 1))
    assert left[2] - left[0] > 150, "the left half is red"
    assert right[0] - right[2] > 150, "the right half is blue"


@pytest.mark.parametrize("name", ["with space.png", "安全帽 图片.png", "ünï çödé.png", "a#b%20[c].png"])
def test_any_name_is_written_and_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "新 folder" / name
    write_image(path, quarters())
    assert np.array_equal(read_image(path), quarters())
    assert list(path.parent.iterdir()) == [path], "no temporary file is left"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are no Unicode")
def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    write_image(path, quarters())
    assert np.array_equal(read_image(path), quarters())


def bomb() -> bytes:
    """A PNG of 30000 × 30000 pixels in a few kilobytes."""
    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + png_chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"this is no picture", "not a picture"),
        (encode(red_picture(), ".png")[:60], "not a picture"),
        (encode(red_picture(), ".jpg")[:30], "not a picture"),
        (bomb(), "30000x30000 pixels"),
        (b"BM" + bytes(16) + struct.pack("<ii", 100000, -100000) + bytes(1000), "100000x100000 pixels"),
        (b"P5 2000000 2000000 255\n" + bytes(100), "2000000x2000000 pixels"),
    ],
)
def test_what_cannot_be_decoded_is_an_error_that_names_the_file(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    with pytest.raises(InputError, match=reason) as error:
        read_image(path)
    assert "bad.jpg" in str(error.value)


def test_missing_files_folders_and_huge_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.jpg: No such file"):
        read_image(tmp_path / "missing.jpg")
    with pytest.raises(InputError, match=tmp_path.name):
        read_image(tmp_path)
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # takes no room on disk
    with pytest.raises(InputError, match=r"huge\.jpg: it has \d+ bytes"):
        read_image(huge)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_the_header_tells_the_stored_size(suffix: str) -> None:
    assert read_header(encode(quarters(), suffix)) == ImageHeader(60, 40, 1)


def test_the_header_of_lossy_webp_and_gif() -> None:
    encoded, data = cv2.imencode(".webp", quarters(), [cv2.IMWRITE_WEBP_QUALITY, 50])
    assert encoded
    assert bytes(data[12:16]) == b"VP8 "
    assert read_header(bytes(data)) == ImageHeader(60, 40, 1)
    assert read_header(b"GIF89a" + struct.pack("<HH", 60, 40) + bytes(10)) == ImageHeader(60, 40, 1)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_header_cut_anywhere_or_garbled_raises_nothing(suffix: str) -> None:
    data = encode(quarters(), suffix)
    data = data if suffix == ".tif" else with_exif(data, 6)
    random = np.random.default_rng(0)
    for length in range(min(len(data), 400)):
        read_header(data[:length])
    for _ in range(500):
        garbled = bytearray(data)
        for place in random.integers(4, min(len(data), 300), 6):
            garbled[place] = random.integers(256)
        header = read_header(bytes(garbled))
        assert header is None or 1 <= header.orientation <= 8


@pytest.mark.parametrize(
    "data",
    [
        b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 20000, 30000, 1, 24),
        b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 2)
        + struct.pack("<HHQQHHQQ", 0x100, 4, 1, 20000, 0x101, 16, 1, 30000),
        b"MM\0+" + struct.pack(">HHQQ", 8, 0, 16, 2)
        + struct.pack(">HHQIIHHQQ", 0x100, 4, 1, 20000, 0, 0x101, 16, 1, 30000),
        b"P6 # a comment\n20000\n30000 255\n",
        b"P7\nWIDTH 20000\nHEIGHT 30000\nDEPTH 3\nENDHDR\n",
        b"P7\nTUPLTYPE WIDTH 16 HEIGHT 16\nWIDTH 20000\nHEIGHT 30000\nDEPTH 3\nENDHDR\n",
        b"P7\nWIDTH 20000\nHEIGHT 30000\nDEPTH 3\nTUPLTYPE WIDTH 16 HEIGHT 16\nENDHDR\n",
        b"\x59\xa6\x6a\x95" + struct.pack(">II", 20000, 30000),
        b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 20000\n",
        b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 47, 0, 20010, 30020, 10, 20),
        bytes(4) + b"ftypavif" + bytes(20) + b"ispe" + struct.pack(">III", 0, 20000, 30000),
    ],
)  # fmt: skip
def test_the_budget_of_pixels_holds_for_every_format(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "large"
    path.write_bytes(data + bytes(64))
    with pytest.raises(InputError, match="20000x30000 pixels are more than the 100000000"):
        read_image(path)


@pytest.mark.parametrize(
    "data",
    [
        b"II+\0" + struct.pack("<HHQ", 8, 0, 1 << 63),
        b"P6 -5 -7 255\n",
        b"P7\nWIDTH -3\nHEIGHT -3\nENDHDR\n",
        b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 47, 0, 10, 20, 4000, 4000),
    ],
)
def test_what_fuzzing_found_is_no_header(data: bytes) -> None:
    assert read_header(data + bytes(64)) is None


def test_the_budget_of_pixels_is_an_argument(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    path.write_bytes(encode(red_picture(), ".png"))
    height, width = read_image(path).shape[:2]
    read_image(path, height * width)
    with pytest.raises(InputError, match=f"more than the {height * width - 1} that are decoded"):
        read_image(path, height * width - 1)


def test_only_formats_that_this_opencv_writes_are_writable(tmp_path: Path) -> None:
    assert can_write(".jpg")
    assert can_write(".PNG")
    assert not can_write(".exr")
    assert not can_write(".xyz")
    assert not can_write("")


def test_a_picture_that_its_format_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"wide\.webp"):
        write_image(tmp_path / "wide.webp", np.zeros((1, 20000, 3), np.uint8))  # WebP ends at 16383
    assert not list(tmp_path.iterdir())


def test_writing_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="picture") as error:
        write_image(tmp_path / "file" / "picture.png", quarters())
    assert error.value.filename == str(tmp_path / "file" / "picture.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_image(tmp_path / "folder.png", quarters())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]
