"""Follow objects through a video: the detector finds them, the package trackers says which is which.

python samples/track.py clip.avi --output tracked.avi --csv tracks.csv     # pip install trackers
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # a checkout that is not installed

from runtime import Detections, Detector


def track(clip: Path, detector: Detector) -> Iterator[tuple[np.ndarray, Detections]]:
    """Give each frame, uint8 (h, w, 3) BGR, with what is followed in it, `detections.track_ids` among it."""
    import supervision
    from trackers import ByteTrackTracker

    video = cv2.VideoCapture(str(clip))
    if not video.isOpened():
        sys.exit(f"error: {clip} cannot be read as a video")
    rate = video.get(cv2.CAP_PROP_FPS) or 30.0
    tracker = ByteTrackTracker(frame_rate=rate, track_activation_threshold=detector.settings["conf_thres"])
    while True:
        read, image = video.read()
        if not read:
            return
        found = detector(image)
        theirs = supervision.Detections(**found.to_supervision())
        theirs.data["row"] = np.arange(len(found))  # the tracker changes their order
        followed = tracker.update(theirs)
        rows, ids = followed.data.get("row", np.zeros(0, int)), followed.tracker_id
        known = np.zeros(0, bool) if ids is None else ids >= 0  # of the others it is not sure yet
        yield (
            image,
            found[rows[known]].with_columns(track_ids=np.zeros(0, int) if ids is None else ids[known]),
        )


def main() -> None:
    """Draw the ids into a copy of the video, and write them to a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--weights", help="model file (default: one that finds printed codes)")
    parser.add_argument("--output", type=Path, help="the .avi to draw into")
    parser.add_argument("--csv", type=Path, help="the table to write: frame, track_id, class, score and box")
    options = parser.parse_args()
    writer = None
    rows: list[dict[str, object]] = []
    for number, (image, found) in enumerate(track(options.clip, Detector(options.weights))):
        rows += [{"frame": number, **dict(zip(found.header, row, strict=True))} for row in found.rows()]
        if options.output:
            drawn = found.draw(image)
            if writer is None:
                size = (drawn.shape[1], drawn.shape[0])
                writer = cv2.VideoWriter(str(options.output), cv2.VideoWriter.fourcc(*"MJPG"), 15.0, size)
            writer.write(drawn)
    if writer is not None:
        writer.release()
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]) if rows else ["frame"])
            table.writeheader()
            table.writerows(rows)
    print(f"{len({row['track_id'] for row in rows})} objects in {options.clip}")


if __name__ == "__main__":
    main()
