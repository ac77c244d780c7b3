"""Find printed codes with the embedded model, then read them.

python samples/read_codes.py samples/cluttered.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # a checkout that is not installed

from runtime import Detections, Detector
from runtime.nms import nms

MARGIN = 0.15  # readers want the quiet zone around a code


def find(image: np.ndarray, detectors: dict[int, Detector]) -> Detections:
    """Detect in the whole picture at once and, if it is larger, nearer to its own pixels, for small codes.

    `detectors` keeps what was loaded, for the next picture.
    """
    found = []
    for side in sorted({320, -(-min(1280, max(320, *image.shape[:2])) // 32) * 32}):
        if side not in detectors:
            detectors[side] = Detector(imgsz=side)
        found.append(detectors[side](image))
    every = Detections.concatenate(found)
    return every[nms(every, iou_thres=0.45, max_det=1000, agnostic=True)]


def read_with_opencv(picture: np.ndarray) -> str:
    """Return the text of the QR code, EAN or UPC in a picture, or ""."""
    text = cv2.QRCodeDetector().detectAndDecode(picture)[0]
    return text or (
        cv2.barcode.BarcodeDetector().detectAndDecode(picture)[0] if hasattr(cv2, "barcode") else ""
    )


def read_with_zxing(picture: np.ndarray) -> str:
    """Return the text of the code in a picture, of any class but aruco, or ""."""
    import zxingcpp

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    clear = cv2.createCLAHE(clipLimit=4).apply(grey)  # for codes of low contrast
    results = (result for view in (grey, clear) for result in zxingcpp.read_barcodes(view))
    return next((result.text for result in results if result.text), "")


def cut_out(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Cut a box (x1, y1, x2, y2) with its margin out of the image; a small one is enlarged, up to 4×."""
    x1, y1, x2, y2 = box
    dx, dy = MARGIN * (x2 - x1) + 2, MARGIN * (y2 - y1) + 2
    crop = image[max(0, int(y1 - dy)) : int(y2 + dy) + 1, max(0, int(x1 - dx)) : int(x2 + dx) + 1]
    scale = min(4.0, max(1.0, 300 / max(crop.shape[:2])))
    return cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def main(path: str, output: str = "read.jpg") -> None:
    """Print each code's class, score and text, and write a picture with all of them drawn."""
    try:
        import zxingcpp  # noqa: F401

        read = read_with_zxing
    except ImportError:
        read = read_with_opencv
    image = cv2.imread(path)
    if image is None:
        raise SystemExit(f"cannot read the picture {path}")
    detections = find(image, {})
    drawn = detections.draw(image)
    for found in detections:
        text = read(cut_out(image, np.array(found.box)))
        print(f"{found.name:12}{found.score:.2f}  {text or '(not read)'}")
        below = (int(found.box[0]), int(found.box[3]) + 14)
        cv2.putText(drawn, text[:24], below, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 255), 1, cv2.LINE_AA)
    cv2.imwrite(output, drawn)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit("usage: python samples/read_codes.py IMAGE [OUTPUT.jpg]")
    main(*sys.argv[1:])
