"""What the camera does to a scene: light, shadows, glare, blur, low resolution, noise, JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from .codes import Image, Rng
from .printing import Array


def lighting(h: int, w: int, rng: Rng) -> Array:
    """A gain per pixel: gradients, vignetting and shadows, (h, w, 1) around 1."""
    coarse = rng.uniform(-1, 1, (3, 3)).astype(np.float32) * rng.uniform(0, 0.45)
    gain = 1 + cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.2:  # a shadow with a more or less sharp edge
        a, b, c = rng.uniform(-1, 1, 3)
        y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j].astype(np.float32)
        edge = np.clip((a * x + b * y + c * 0.6) * rng.uniform(3, 40), 0, 1)
        gain *= 1 - rng.uniform(0.2, 0.6) * edge
    return np.asarray(gain, np.float32)[..., None]


def glare(image: Array, rng: Rng) -> None:
    """Add a bright blob, in place."""
    h, w = image.shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    cx, cy = rng.uniform(0, 1, 2) * (w, h)
    sx, sy = rng.uniform(0.05, 0.3, 2) * max(h, w)
    angle = rng.uniform(0, np.pi)
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    image += (rng.uniform(40, 230) * np.exp(-(u * u) / (2 * sx * sx) - v * v / (2 * sy * sy)))[..., None]


def blur(image: Array, strongest: float, rng: Rng) -> Array:
    """Defocus or motion, up to about `strongest` pixels."""
    radius = rng.uniform(0.3, max(0.4, strongest))
    kind = rng.random()
    if kind < 0.45:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), radius), np.float32)
    k = 2 * int(np.ceil(radius * 1.5)) + 1
    if kind < 0.7:  # defocus: a disc
        y, x = np.mgrid[:k, :k] - k // 2
        kernel = np.clip(radius * 1.4 + 0.5 - np.hypot(x, y), 0, 1)
    else:  # motion: a line
        kernel = np.zeros((k, k))
        angle = rng.uniform(0, np.pi)
        for t in np.linspace(-1, 1, 4 * k):
            dx, dy = t * radius * 1.5 * np.cos(angle), t * radius * 1.5 * np.sin(angle)
            kernel[round(k // 2 + dy), round(k // 2 + dx)] += 1
    return np.asarray(cv2.filter2D(image, -1, (kernel / kernel.sum()).astype(np.float32)), np.float32)


def photograph_scene(scene: Image, smallest: float, rng: Rng) -> Image:
    """The scene as a camera records it; blur spares its smallest code, whose shorter side is `smallest`."""
    h, w = scene.shape[:2]
    image = scene.astype(np.float32) * lighting(h, w, rng)
    if rng.random() < 0.5:  # contrast and brightness
        middle = rng.uniform(60, 190)
        image = middle + (image - 128) * rng.uniform(0.35, 1.1)
    if rng.random() < 0.15:
        glare(image, rng)
    spare = float(np.clip(smallest / (45 if rng.random() < 0.7 else 25), 0.4, 5.0))
    if rng.random() < 0.6:
        image = blur(image, spare, rng)
    if rng.random() < 0.3:  # recorded at a lower resolution and enlarged
        factor = rng.uniform(1, np.clip(smallest / 30, 1.05, 3.0))
        small = cv2.resize(image, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (w, h), interpolation=int(rng.integers(1, 3))), np.float32)
    if rng.random() < 0.25:  # sharpening halos
        image += rng.uniform(0.3, 1.2) * (image - cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 2.5)))
    if rng.random() < 0.5:
        grain = rng.normal(0, rng.uniform(1, 12), (h, w, 1 if rng.random() < 0.5 else 3))
        image = image + grain.astype(np.float32)
    if rng.random() < 0.35:
        image = np.repeat(image.mean(2, keepdims=True), 3, 2)
    elif rng.random() < 0.4:
        image = image * rng.uniform(0.75, 1.2, 3).astype(np.float32)
    result = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(25, 95))
        result = np.asarray(
            cv2.imdecode(cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1), np.uint8
        )
    return result
