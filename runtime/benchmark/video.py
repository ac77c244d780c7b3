"""The command `python -m runtime.benchmark.video`: how much of the network's speed does a video get?

It makes a 1080p clip that moves over a picture and measures in turns, several rounds in one run: the forward
pass alone; the whole `runtime.detect` command, from the start of its process to its end; and that with
`--no-save`. Then it says what processor time each stage takes per frame. The best of the rounds counts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ..inputs.image_file import read_image
from ..predictors.detector import Detector
from ..program import child_command

WIDTH, HEIGHT, FPS = 1920, 1080, 30
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m runtime.benchmark.video", description=(__doc__ or "").partition("\n")[2]
    )
    parser.add_argument("image", type=Path, help="picture to make the clip from")
    parser.add_argument("--weights", metavar="FILE", help="model file (default: the embedded one)")
    parser.add_argument(
        "--frames", type=int, default=300, metavar="N", help="length of the clip (default: 300)"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="best of so many (default: 3)")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        frames = make_clip(read_image(options.image), clip, options.frames)
        detector = Detector(options.weights)
        detector(frames[0])
        command = child_command("runtime.detect", str(clip), "--output", str(Path(folder) / "out"))
        command += ["--weights", str(detector.path.resolve())]
        rows = {"forward alone": 0.0, "runtime.detect --no-save": 0.0, "runtime.detect": 0.0}
        for round_number in range(1, options.rounds + 1):
            print(f"round {round_number} of {options.rounds}", file=sys.stderr)
            rates = (
                forward_rate(detector, frames, options.frames),
                options.frames / seconds_of([*command, "--no-save"]),
                options.frames / seconds_of(command),
            )
            rows = {name: max(best, rate) for (name, best), rate in zip(rows.items(), rates, strict=True)}

        print(f"OpenCV {cv2.__version__}, {cv2.getNumThreads()} threads, {os.cpu_count()} processors")
        print(f"{WIDTH}x{HEIGHT}, {options.frames} frames, network input {detector.imgsz}, rectangular")
        for name, rate in rows.items():
            print(f"{name:26}{rate:6.1f} frames/s  {rate / rows['forward alone']:5.2f} of forward alone")
        print("processor ms per frame, each stage alone: " + ", ".join(stages(detector, frames, clip)))
    return 0


def make_clip(image: np.ndarray, path: Path, count: int) -> list[np.ndarray]:
    """Write a clip that moves over the picture; returns its first 30 frames, as written."""
    large = cv2.resize(image, (WIDTH + 240, HEIGHT + 240), interpolation=cv2.INTER_CUBIC)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    frames = []
    for i in range(count):
        step = abs(240 - i % 480)  # back and forth
        frame = np.ascontiguousarray(large[step : step + HEIGHT, step : step + WIDTH])
        writer.write(frame)
        if i < 30:
            frames.append(frame)
    writer.release()
    return frames


def forward_rate(detector: Detector, frames: list[np.ndarray], count: int) -> float:
    """Run frames through the network and nothing beside it; returns passes per second of the pass alone."""
    total = 0.0
    for i in range(count):
        total += detector(frames[i % len(frames)]).timings["forward"]
    return 1000 * count / total


def seconds_of(command: list[str]) -> float:
    """Run a command; returns its seconds, from the start of its process to its end."""
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def stages(detector: Detector, frames: list[np.ndarray], clip: Path) -> list[str]:
    """Measure the processor time, of all threads, that each stage takes when nothing else runs."""
    capture = cv2.VideoCapture(str(clip))
    writer = cv2.VideoWriter(
        str(clip.with_name("written.mp4")), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT)
    )
    detections = detector(frames[0])
    drawn = [detections.draw(frame) for frame in frames]
    steps: dict[str, Callable[[int], object]] = {
        "read": lambda i: capture.read(),
        "detect": lambda i: detector(frames[i]),
        "draw": lambda i: detections.draw(frames[i]),
        "write": lambda i: writer.write(drawn[i]),
    }
    texts = []
    for name, step in steps.items():
        start = time.process_time()
        for i in range(len(frames)):
            step(i)
        texts.append(f"{name} {(time.process_time() - start) / len(frames) * 1000:.1f}")
    capture.release()
    writer.release()
    return texts


if __name__ == "__main__":
    sys.exit(main())
