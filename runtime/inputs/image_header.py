"""The size and the orientation of a picture, read from the first bytes of its file.

The size is wanted before decoding, because a few kilobytes can unpack to gigabytes. The orientation is wanted
because OpenCV's readers differ: EXIF is applied to JPEG by all versions, to PNG by newer ones, to WebP by the
newest only.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

MAX_CHUNKS = 10_000  # more parts than any camera or editor writes
MAX_PNG_CHUNKS = 1_000_000  # some programs write 8 KB in each
MAX_MISSING = 1 << 24  # bytes of a chunk that a file which was cut short may lack
MAX_TEXT_HEADER = 1 << 16  # bytes, of formats whose header is text
MAX_BOXES = 1 << 20  # bytes that an AVIF's boxes before the picture may take

# TIFF's types of whole numbers, those with a sign read without: a size below 0 becomes a huge one.
_WHOLE = {1: "B", 3: "H", 4: "I", 6: "B", 8: "H", 9: "I", 16: "Q", 17: "Q"}


class ImageHeader(NamedTuple):
    """Size in pixels as stored, and the EXIF orientation to apply to that: 1 (upright) to 8."""

    width: int
    height: int
    orientation: int = 1


def read_header(data: bytes) -> ImageHeader | None:
    """Read the header of a picture file of any format that OpenCV decodes; None for what is none, or damaged.

    A TIFF's orientation is given as 1, because every OpenCV applies that one itself.
    """
    try:
        if data[:3] == b"\xff\xd8\xff":
            return _read_jpeg(data)
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return _read_png(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _read_webp(data)
        if data[:4] in (b"II*\0", b"MM\0*"):
            tags = _read_tiff_tags(data)
            return ImageHeader(tags[0x100], tags[0x101])
        if data[:4] in (b"II+\0", b"MM\0+"):
            return _read_big_tiff(data)
        if data[:2] == b"BM":
            if struct.unpack_from("<I", data, 14)[0] == 12:  # OS/2's header
                return ImageHeader(*struct.unpack_from("<HH", data, 18))
            width, height = struct.unpack_from("<ii", data, 18)
            return ImageHeader(abs(width), abs(height))  # a negative height means rows from the top
        if data[:4] == b"GIF8":
            return ImageHeader(*struct.unpack_from("<HH", data, 6))
        if data[:4] == b"\x59\xa6\x6a\x95":  # Sun raster
            return ImageHeader(*struct.unpack_from(">II", data, 4))
        if data[:1] == b"P" and data[1:2] in b"123456fF7":
            return _read_netpbm(data[:MAX_TEXT_HEADER])
        if data[:2] == b"#?":
            return _read_radiance(data[:MAX_TEXT_HEADER])
        if data[4:8] == b"jP  " or data[:4] == b"\xff\x4f\xff\x51":
            return _read_jpeg2000(data)
        if data[4:8] == b"ftyp":
            return _read_avif(data)
    except (struct.error, IndexError, KeyError, OverflowError, ValueError):
        pass  # cut short or not what it says: the decoder will have the last word
    return None


def _read_jpeg(data: bytes) -> ImageHeader | None:
    """Walk the segments up to the frame header (SOFn), which holds the size; Exif is in an APP1 before it."""
    orientation = 1
    position = 2
    for _ in range(MAX_CHUNKS):
        # As libjpeg does it: bytes between segments are passed over, and some markers have no length.
        position = data.index(b"\xff", position)
        while data[position] == 0xFF:
            position += 1
        marker = data[position]
        if marker <= 0x01 or 0xD0 <= marker <= 0xD7:
            position += 1
            continue
        if 0xD8 <= marker <= 0xDA:  # the picture's data, or its end
            return None
        (length,) = struct.unpack_from(">H", data, position + 1)
        body = position + 3
        if marker == 0xE1 and data[body : body + 6] == b"Exif\0\0":
            orientation = _read_orientation(data[body + 6 : position + 1 + length])
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, body + 1)
            return ImageHeader(width, height, orientation)
        if length < 2:
            return None
        position += 1 + length
    return None


def _read_png(data: bytes) -> ImageHeader:
    """IHDR comes first and holds the size; eXIf may stand anywhere.

    Raises ValueError for a chunk that says it is longer than the file and MAX_MISSING: OpenCV 5 takes that
    much memory before it reads the chunk.
    """
    width, height = struct.unpack_from(">II", data, 16)
    orientation, position = 1, 8
    for _ in range(MAX_PNG_CHUNKS):
        if position + 8 > len(data):
            return ImageHeader(width, height, orientation)
        length, kind = struct.unpack_from(">I4s", data, position)
        if length > len(data) + MAX_MISSING:
            raise ValueError("a chunk that is longer than the file")
        if kind == b"eXIf":
            orientation = _read_orientation(data[position + 8 : position + 8 + length])
        position += 12 + length  # a checksum follows the data
    raise ValueError("too many chunks")


def _chunks(data: bytes, position: int) -> Iterator[tuple[bytes, int, int]]:
    """Give kind, start and length of the chunks of a RIFF file."""
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, position)
        yield kind, position + 8, length
        position += 8 + length + length % 2


def _read_webp(data: bytes) -> ImageHeader | None:
    """Take the size from VP8X, VP8 or VP8L, whichever comes first, and the orientation from EXIF.

    Layouts: https://developers.google.com/speed/webp/docs/riff_container, RFC 6386 (VP8) and RFC 9649 (VP8L).
    """
    size: tuple[int, int] | None = None
    orientation = 1
    for kind, start, length in _chunks(data, 12):
        if kind == b"VP8X" and size is None:
            size = (
                1 + int.from_bytes(data[start + 4 : start + 7], "little"),
                1 + int.from_bytes(data[start + 7 : start + 10], "little"),
            )
        elif kind == b"VP8 " and size is None:
            width, height = struct.unpack_from("<HH", data, start + 6)
            size = width & 0x3FFF, height & 0x3FFF
        elif kind == b"VP8L" and size is None:
            bits = struct.unpack_from("<I", data, start + 1)[0]
            size = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif kind == b"EXIF":
            exif = data[start : start + length]
            orientation = _read_orientation(exif[6:] if exif.startswith(b"Exif\0\0") else exif)
    return ImageHeader(*size, orientation) if size else None


def _read_netpbm(data: bytes) -> ImageHeader:
    """Take width and height out of the text that a PBM, PGM, PPM, PFM or PAM file begins with.

    https://netpbm.sourceforge.net/doc/pnm.html. Of several WIDTH or HEIGHT of a PAM file, also in the text of
    a TUPLTYPE, the largest counts.
    """
    words = b" ".join(line.partition(b"#")[0] for line in data.splitlines()).split()
    if words[0] == b"P7":
        pairs = list(pairwise(words))
        return ImageHeader(
            *(max(_digits(word) for key, word in pairs if key == name) for name in (b"WIDTH", b"HEIGHT"))
        )
    return ImageHeader(_digits(words[1]), _digits(words[2]))


def _digits(word: bytes) -> int:
    if not word.isdigit():
        raise ValueError("a size that is not a number")
    return int(word)


def _read_radiance(data: bytes) -> ImageHeader:
    """Take the sizes out of the line "-Y height +X width" that follows a Radiance HDR file's text.

    Of several such lines the one with the largest size counts.
    """
    lines = re.findall(rb"\n[-+]Y +(\d{1,9}) +[-+]X +(\d{1,9})", data)
    height, width = max(((int(y), int(x)) for y, x in lines), key=lambda size: size[0] * size[1])
    return ImageHeader(width, height)


def _read_jpeg2000(data: bytes) -> ImageHeader:
    """Take the size out of the SIZ marker of the codestream (ISO/IEC 15444-1, A.5.1), boxed or bare."""
    start = _codestream(data)
    if data[start : start + 4] != b"\xff\x4f\xff\x51":
        raise ValueError("no SIZ marker")
    right, lower, left, top = struct.unpack_from(">IIII", data, start + 8)
    if right < left or lower < top:
        raise ValueError("a size below 0")
    return ImageHeader(right - left, lower - top)


def _codestream(data: bytes) -> int:
    """Find where a JPEG 2000 file's codestream begins: in its first box "jp2c" (I.4), or at once."""
    if data[:2] == b"\xff\x4f":
        return 0
    position = 0
    for _ in range(MAX_CHUNKS):
        length, kind = struct.unpack_from(">I4s", data, position)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, position + 8)
            head = 16
        if kind == b"jp2c":
            return position + head
        if length < head:
            break
        position += length
    raise ValueError("no codestream")


def _read_avif(data: bytes) -> ImageHeader:
    """Take the largest size of the image spatial extents ("ispe", ISO/IEC 23008-12, 6.5.3) there are."""
    sizes = [
        struct.unpack_from(">II", data, match.end() + 4) for match in re.finditer(b"ispe", data[:MAX_BOXES])
    ]
    return ImageHeader(*max(sizes, key=lambda size: size[0] * size[1]))


def _read_big_tiff(data: bytes) -> ImageHeader:
    """Take the size out of a BigTIFF's first directory, whose counts and offsets have 64 bits."""
    order = "<" if data[:2] == b"II" else ">"
    (position,) = struct.unpack_from(order + "Q", data, 8)
    (count,) = struct.unpack_from(order + "Q", data, position)
    tags: dict[int, int] = {}
    for entry in range(position + 8, position + 8 + 20 * min(count, MAX_CHUNKS), 20):
        tag, kind, values = struct.unpack_from(order + "HHQ", data, entry)
        if values == 1 and kind in _WHOLE:
            _keep_larger(tags, tag, struct.unpack_from(order + _WHOLE[kind], data, entry + 12)[0])
    return ImageHeader(tags[0x100], tags[0x101])


def _read_orientation(exif: bytes) -> int:
    """Take the orientation out of Exif data, which is a small TIFF file; 1 if there is none or it is odd."""
    try:
        orientation = _read_tiff_tags(exif).get(0x112, 1)
    except struct.error:
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _read_tiff_tags(data: bytes) -> dict[int, int]:
    """Read the tags of a TIFF's first directory that are one whole number of up to 32 bits."""
    order = "<" if data[:2] == b"II" else ">"
    (position,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, position)
    tags: dict[int, int] = {}
    for entry in range(position + 2, position + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", data, entry)
        if values == 1 and kind in _WHOLE and kind < 16:
            _keep_larger(tags, tag, struct.unpack_from(order + _WHOLE[kind], data, entry + 8)[0])
    return tags


def _keep_larger(tags: dict[int, int], tag: int, value: int) -> None:
    """Note a tag; of one that is there twice the larger value, as readers take the first or the last."""
    tags[tag] = max(value, tags.get(tag, 0))
