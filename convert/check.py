"""Compare a finished model file, run by OpenCV, with the network it was made from, run by PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from runtime.errors import DetectorError
from runtime.letterbox import to_blob
from runtime.model_file import read_info, read_model
from runtime.network import Network

from .errors import CheckError

TOLERANCE = 3e-4
"""The largest difference that passes, as a share of the largest logit. Trained networks were seen at 1e-5."""


class Difference(NamedTuple):
    """How far OpenCV's head maps are from PyTorch's at most: as a logit, and by the largest logit."""

    absolute: float
    relative: float


def check_model(path: Path, network: nn.Module, sizes: list[tuple[int, int]]) -> Difference:
    """Run the model file with the runtime's code, and the network with PyTorch, on a picture of each (h, w).

    Returns the largest difference. Raises CheckError if it is past TOLERANCE, or if OpenCV cannot run the
    file.
    """
    found = []
    try:
        buffer, metadata = read_model(path)
        info = read_info(metadata, path)
        opencv = Network(buffer, info, "cpu", path)
        for size in sizes:
            image = picture(*size)
            with torch.no_grad():
                expected = [head[0].numpy() for head in network(torch.from_numpy(to_blob(image)))]
            found.append(compare(opencv(to_blob(image, info.fold)), expected))
    except DetectorError as error:
        raise CheckError(f"OpenCV cannot run the finished model: {error}") from error
    worst = max(found, key=lambda difference: difference.relative)
    if worst.relative > TOLERANCE:
        raise CheckError(
            f"OpenCV's head maps differ from PyTorch's by up to {worst.absolute:.3g}, "
            f"that is {worst.relative:.3g} of the largest logit, where {TOLERANCE:g} would pass"
        )
    return worst


def compare(got: list[np.ndarray], expected: list[np.ndarray]) -> Difference:
    """The largest difference over all heads; infinite if a head is not all finite numbers."""
    if not all(np.isfinite(head).all() for head in (*got, *expected)):
        return Difference(float("inf"), float("inf"))
    absolute = max(float(np.abs(a - b).max()) for a, b in zip(got, expected, strict=True))
    largest = max(float(np.abs(b).max()) for b in expected)
    return Difference(absolute, absolute / max(largest, 1e-12))


def picture(height: int, width: int) -> np.ndarray:
    """A picture like a photograph, always the same: BGR, uint8 (height, width, 3).

    Clouds whose spectrum falls with frequency, as nature's does, with shaded ellipses and boxes before them.
    A network answers noise or a flat grey very differently from what it was trained on.
    """
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / max(height, width))
    image = np.empty((height, width, 3), np.float32)
    shared = random.standard_normal((height, width))
    for channel in range(3):
        noise = np.fft.rfft2(shared + 0.3 * random.standard_normal((height, width)))
        clouds = np.fft.irfft2(noise * amplitude, s=(height, width))
        image[..., channel] = 0.5 + 0.18 * clouds / clouds.std()
    for i in range(12):
        cy, cx = random.uniform(0, height), random.uniform(0, width)
        ry, rx = random.uniform(0.04, 0.3, 2) * (height, width)
        dy, dx = (y - cy) / ry, (x - cx) / rx
        inside = (dy**2 + dx**2 < 1) if i % 2 else (np.maximum(abs(dy), abs(dx)) < 1)
        shade = 1 - 0.25 * (dx + dy)[inside, None]
        image[inside] = 0.3 * image[inside] + 0.7 * random.uniform(0, 1, 3) * shade
    return (255 * np.clip(image, 0, 1)).astype(np.uint8)
