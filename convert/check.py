"""Compare a finished model file, run by OpenCV, with the network it was made from, run by PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from runtime.engines.network import Network
from runtime.errors import DetectorError
from runtime.model.file import read_model
from runtime.stages.letterbox import to_blob
from runtime.tasks.read_info import read_info

from .errors import CheckError, ConvertError
from .layers import BaseModel

TOLERANCE = 3e-4  # the largest difference that passes, by the largest number; trained networks are at 1e-5


class Difference(NamedTuple):
    """How far OpenCV's outputs are from PyTorch's at most: as a number, and by the output's largest one."""

    absolute: float
    relative: float


def check_model(path: Path, network: BaseModel, sizes: list[tuple[int, int]]) -> Difference:
    """Run the model file with the runtime's code, and the network with PyTorch, on a picture of each (h, w).

    Returns the largest difference. Raises CheckError if it is past TOLERANCE, or if OpenCV cannot run the
    file; another ConvertError if PyTorch's numbers are none, which is the checkpoint's fault.
    """
    found = []
    try:
        file = read_model(path)
        info = read_info(file.metadata, path)
        opencv = Network(file.buffer, info, "cpu", path)
        for size in sizes:
            image = picture(*size, info.channels)
            blob, folded = (network.head.normalise(to_blob(image, fold)) for fold in (1, info.fold))
            with torch.no_grad():
                expected = [output[0].numpy() for output in network(torch.from_numpy(blob))]
            if not all(np.isfinite(output).all() for output in expected):
                raise ConvertError("PyTorch's own outputs of this network are not all finite numbers")
            found.append(compare(opencv(folded), expected, len(info.strides)))
    except ConvertError:
        raise
    except DetectorError as error:
        text = str(error).replace(str(path), "it")
        raise CheckError(f"OpenCV cannot run the finished model: {text}") from error
    worst = max(found, key=lambda difference: difference.relative)
    if not worst.relative <= TOLERANCE:
        raise CheckError(
            f"OpenCV's outputs differ from PyTorch's by up to {worst.absolute:.3g}, "
            f"that is {worst.relative:.3g} of the largest, where {TOLERANCE:g} would pass"
        )
    return worst


def compare(got: list[np.ndarray], expected: list[np.ndarray], maps: int = 0) -> Difference:
    """Find the largest difference; infinite if an output is not all finite numbers.

    The first `maps` outputs are the head maps, which count as one; prototypes or logits count for themselves.
    """
    groups = [slice(0, maps)] if maps else []
    groups += [slice(i, i + 1) for i in range(maps, len(expected))]
    return max((_compare(got[g], expected[g]) for g in groups), key=lambda difference: difference.relative)


def _compare(got: list[np.ndarray], expected: list[np.ndarray]) -> Difference:
    if not all(np.isfinite(output).all() for output in (*got, *expected)):
        return Difference(float("inf"), float("inf"))
    absolute = max(float(np.abs(a - b).max()) for a, b in zip(got, expected, strict=True))
    largest = max(float(np.abs(b).max()) for b in expected)
    return Difference(absolute, absolute / max(largest, 1e-12))


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Draw a picture like a photograph, always the same: uint8 (height, width, channels).

    Clouds whose spectrum falls with frequency, as nature's does, with shaded ellipses and boxes before them.
    A network answers noise or a flat grey very differently from what it was trained on.
    """
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / max(height, width))
    image = np.empty((height, width, channels), np.float32)
    shared = random.standard_normal((height, width))
    for channel in range(channels):
        noise = np.fft.rfft2(shared + 0.3 * random.standard_normal((height, width)))
        clouds = np.fft.irfft2(noise * amplitude, s=(height, width))
        image[..., channel] = 0.5 + 0.18 * clouds / clouds.std()
    for i in range(12):
        cy, cx = random.uniform(0, height), random.uniform(0, width)
        ry, rx = random.uniform(0.04, 0.3, 2) * (height, width)
        dy, dx = (y - cy) / ry, (x - cx) / rx
        inside = (dy**2 + dx**2 < 1) if i % 2 else (np.maximum(abs(dy), abs(dx)) < 1)
        shade = 1 - 0.25 * (dx + dy)[inside, None]
        image[inside] = 0.3 * image[inside] + 0.7 * random.uniform(0, 1, channels) * shade
    return (255 * np.clip(image, 0, 1)).astype(np.uint8)
