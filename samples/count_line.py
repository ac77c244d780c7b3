"""Count the objects that cross a line in a video, in each direction.

python samples/count_line.py clip.avi --line 320 0 320 480     # pip install trackers
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # a checkout that is not installed

from runtime import Detector
from samples.track import track


def main() -> None:
    """Print how many crossed."""
    import supervision

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--line", type=int, nargs=4, required=True, metavar=("X1", "Y1", "X2", "Y2"))
    parser.add_argument("--weights", help="model file (default: one that finds printed codes)")
    options = parser.parse_args()
    x1, y1, x2, y2 = options.line
    line = supervision.LineZone(
        supervision.Point(x1, y1),
        supervision.Point(x2, y2),
        triggering_anchors=[supervision.Position.CENTER],
    )
    for _, found in track(options.clip, Detector(options.weights)):
        line.trigger(supervision.Detections(**found.to_supervision()))
    print(f"{line.in_count} in, {line.out_count} out")


if __name__ == "__main__":
    main()
