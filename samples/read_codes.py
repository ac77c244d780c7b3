"""Find printed codes with the embedded model, then read them.

python samples/read_codes.py samples/cluttered.jpg samples/page.jpg --output read
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # a checkout that is not installed

from runtime import Detections, Detector
from runtime.errors import InputError
from runtime.inputs.image_file import read_image
from runtime.stages.nms import nms

MARGIN = 0.15  # readers want the quiet zone around a code
LARGEST = 1280  # larger pictures are not looked at in their own size


def find(image: np.ndarray, detectors: dict[int, Detector]) -> Detections:
    """Detect in the whole picture at once and, if it is larger, nearer to its own pixels, for small codes.

    `detectors` keeps what was loaded, for the next picture.
    """
    if 0 not in detectors:
        detectors[0] = Detector()  # the input size that the model names
    usual = max(detectors[0].imgsz)
    found = detectors[0](image)
    side = -(-min(LARGEST, max(image.shape[:2])) // 32) * 32
    if side > usual:
        if side not in detectors:
            detectors[side] = Detector(imgsz=side)
        found = Detections.concatenate([found, detectors[side](image)])
    return found[nms(found, iou_thres=0.45, max_det=1000, agnostic=True)]


def views(image: np.ndarray, box: np.ndarray) -> Iterator[np.ndarray]:
    """A box (x1, y1, x2, y2) cut out with a margin, as it is, clearer, enlarged: grey, for readers to try."""
    x1, y1, x2, y2 = (float(v) for v in box)
    for margin in (MARGIN, 0.5):
        dx, dy = margin * (x2 - x1) + 2, margin * (y2 - y1) + 2
        crop = image[max(0, int(y1 - dy)) : int(y2 + dy) + 1, max(0, int(x1 - dx)) : int(x2 + dx) + 1]
        grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY))
        yield grey
        yield np.asarray(cv2.createCLAHE(clipLimit=4).apply(grey))  # for codes of low contrast
        factor = min(4.0, 600 / max(grey.shape))
        if factor > 1:
            yield np.asarray(cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC))


def read_with_opencv(picture: np.ndarray) -> str:
    """Return the text of the QR code, EAN or UPC in a picture, or ""."""
    text = cv2.QRCodeDetector().detectAndDecode(picture)[0]
    return text or (
        cv2.barcode.BarcodeDetector().detectAndDecode(picture)[0] if hasattr(cv2, "barcode") else ""
    )


def read_with_zxing(picture: np.ndarray) -> str:
    """Return the text of the code in a picture, of any class but aruco, or ""."""
    import zxingcpp

    return next((result.text for result in zxingcpp.read_barcodes(picture) if result.text), "")


def read(image: np.ndarray, box: np.ndarray, reader: Callable[[np.ndarray], str]) -> str:
    """Return what `reader` reads in a box of an image, in one view or another, or ""."""
    return next((text for view in views(image, box) if (text := reader(view))), "")


def main() -> None:
    """Print the class, score and text of each code in pictures; draw them into copies of the pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE")
    parser.add_argument("--output", type=Path, help="folder for the drawn copies; without it none is written")
    args = parser.parse_args()
    try:
        import zxingcpp  # noqa: F401

        reader = read_with_zxing
    except ImportError:
        reader = read_with_opencv
    targets = [args.output / (path.stem + ".jpg") if args.output else None for path in args.pictures]
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        sources = {path.resolve() for path in args.pictures}
        for target in targets:
            if target and (target.resolve() in sources or targets.count(target) > 1):
                parser.error(f"{target} would be written over another picture: give another --output")
    detectors: dict[int, Detector] = {}
    for path, target in zip(args.pictures, targets, strict=True):
        try:
            image = read_image(path)
        except InputError as error:
            parser.error(str(error))
        detections = find(image, detectors)
        drawn = detections.draw(image)
        for box, score, class_id in zip(
            detections.xyxy, detections.scores, detections.class_ids, strict=True
        ):
            text = read(image, box, reader)
            print(f"{path}: {detections.names[class_id]:12}{score:.2f}  {text or '(not read)'}")
            below = (int(box[0]), int(box[3]) + 14)
            cv2.putText(drawn, text[:24], below, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 255), 1, cv2.LINE_AA)
        if target and not cv2.imwrite(str(target), drawn):
            raise SystemExit(f"cannot write {target}")


if __name__ == "__main__":
    main()
