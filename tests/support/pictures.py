"""Pictures, videos and streams for tests, made on the spot."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np

# What `onnx_models.red_network` finds in `red_picture` at its own size: the 8 × 8 square fills one cell of
# the first head, whose anchor is 10 × 14, and too little of the others' cells.
RED_BOX = [15.0, 21.0, 25.0, 35.0]


def red_picture() -> np.ndarray:
    """Make 64 × 64 dark pixels with a red square from (16, 24) to (24, 32)."""
    image = np.full((64, 64, 3), 40, np.uint8)
    image[24:32, 16:24] = (0, 0, 255)
    return image


def quarters() -> np.ndarray:
    """Make a picture, 60 wide and 40 high, that looks different each way it is turned."""
    image = np.full((40, 60, 3), 255, np.uint8)
    image[:20, :30] = (0, 0, 255)
    image[:20, 30:] = (0, 255, 0)
    image[20:, :30] = (255, 0, 0)
    return image


def as_stored(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an upright picture the way a camera stores it that notes this orientation.

    Row 0 and column 0 of what is stored are, by the Exif standard: 1 top left, 2 top right, 3 bottom right,
    4 bottom left, 5 left top, 6 right top, 7 right bottom, 8 left bottom.
    """
    if orientation > 4:
        image = image.transpose(1, 0, 2)
    rows = -1 if orientation in (3, 4, 6, 7) else 1
    columns = -1 if orientation in (2, 3, 7, 8) else 1
    return np.ascontiguousarray(image[::rows, ::columns])


def encode(image: np.ndarray, suffix: str) -> bytes:
    """Encode a picture, as well as its format can."""
    quality = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 100], ".webp": [cv2.IMWRITE_WEBP_QUALITY, 101]}
    encoded, data = cv2.imencode(suffix, image, quality.get(suffix, []))
    assert encoded
    return bytes(data)


def with_exif(data: bytes, orientation: int, order: str = "<") -> bytes:
    """Put Exif data that holds an orientation into an encoded JPEG, PNG or WebP file."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    if data[:2] == b"\xff\xd8":
        body = b"Exif\0\0" + exif
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    if data[1:4] == b"PNG":
        return data[:33] + png_chunk(b"eXIf", exif) + data[33:]
    assert data[8:12] == b"WEBP"
    kind, chunk = data[12:16], data[12:]
    assert kind == b"VP8L"
    bits = struct.unpack("<I", data[21:25])[0]
    size = struct.pack("<I", bits & 0x3FFF)[:3] + struct.pack("<I", bits >> 14 & 0x3FFF)[:3]
    extended = b"VP8X" + struct.pack("<IB3x", 10, 0x08) + size
    body = b"WEBP" + extended + chunk + b"EXIF" + struct.pack("<I", len(exif)) + exif
    return b"RIFF" + struct.pack("<I", len(body)) + body


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Make a chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_video(path: Path, count: int, size: tuple[int, int] = (64, 64), fps: float = 10) -> Path:
    """Write a Motion JPEG video of grey frames; frame i is as bright as 10 + 10 · i (up to 250)."""
    temporary = path.with_name("in-ascii.avi")
    writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"MJPG"), fps, size)
    assert writer.isOpened()
    for i in range(count):
        writer.write(np.full((size[1], size[0], 3), min(10 + 10 * i, 250), np.uint8))
    writer.release()
    return temporary.replace(path)


@contextmanager
def mjpeg_server(image: np.ndarray, lengths: list[int | None]) -> Iterator[str]:
    """Serve a stream of pictures over HTTP; gives its URL.

    Connection i gets lengths[i] pictures and is closed then; None means pictures without end. Further
    connections are refused.
    """
    jpeg = encode(image, ".jpg")
    part = b"--part\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n"
    remaining = list(lengths)
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not remaining:
                self.send_error(503)
                return
            length = remaining.pop(0)
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
            self.end_headers()
            sent = 0
            try:
                while not stop.is_set() and (length is None or sent < length):
                    self.wfile.write(part)
                    sent += 1
                    stop.wait(0.01)
            except OSError:
                pass  # the client has gone

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stream"
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
