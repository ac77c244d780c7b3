"""Many images on one processor: a network for each core, instead of one network on all cores.

Cores that share a network wait for each other after every layer, and longest when other work takes one of
them away for a moment. With a network each they don't (figures in `runtime/SPEED.md`). What it costs is
memory, and time until the first result: so it is for many images, and for models that are not large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import cv2

from ..engines.network import mallopt
from ..predictors.classifier import Classifier
from ..predictors.detector import Detector

IMAGES_EACH = 6  # with fewer, loading further networks takes what they save
MAX_BYTES = 256_000_000  # of a model file for each; a network takes about twice its file, and more
M_ARENA_MAX = -8  # malloc.h


Model = TypeVar("Model", bound=Detector | Classifier)


def share_heap() -> None:
    """Have glibc take memory for all threads that start from now on from one heap.

    Otherwise each thread has one of its own, and what it has freed waits there for this thread alone: 31 MB
    more for two networks like yolov5n. Their large buffers are few, so they hardly wait for each other.
    """
    mallopt(M_ARENA_MAX, 1)


@contextmanager
def detectors_for(first: Model, make: Callable[[], Model], images: float) -> Iterator[list[Model]]:
    """Give the models that so many images are divided among, each to be used by one thread at a time.

    There are as many as OpenCV may use threads: `first`, and others like it that `make` makes. Until this is
    left, OpenCV uses one thread for each. For few images, a large model or another device than the CPU it is
    `first` alone, with all threads.
    """
    threads = cv2.getNumThreads()
    many = threads > 1 and images >= IMAGES_EACH * threads
    if not many or first.device != "cpu" or threads * first.path.stat().st_size > MAX_BYTES:
        yield [first]
        return
    share_heap()
    models = [first, *(make() for _ in range(threads - 1))]
    cv2.setNumThreads(1)
    try:
        yield models
    finally:
        cv2.setNumThreads(threads)
