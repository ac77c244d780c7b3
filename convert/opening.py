"""Open a checkpoint for conversion: with its owner's layers where needed, and all of its parts used."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from .checkpoint import Checkpoint, load_checkpoint
from .checkpoint.own_layers import OwnLayers
from .errors import ConvertError
from .layers import Head
from .parts import changed, unused_parts
from .sizes import choose_size, runs_at, size_multiple, trial_size


def open_network(
    path: Path, own: OwnLayers | None, imgsz: int | tuple[int, int] | None
) -> tuple[Checkpoint, int, bool]:
    """Open a checkpoint; give it, its size multiple, and whether its input has one size only.

    A layer with parts that YOLOv5's own does not use is taken from `own`. Raises ConvertError, with the layer
    and the part, if there is none.
    """
    own_paths: set[str] = set()
    while True:
        checkpoint = load_checkpoint(path, own, own_paths)
        multiple, one_size = _multiple(checkpoint, imgsz)
        size = choose_size(imgsz, checkpoint, multiple) if one_size else trial_size(multiple)
        parts = unused_parts(checkpoint, size)
        if not parts:
            return checkpoint, multiple, one_size
        kinds = {type(part.layer) for part in parts if not isinstance(part.layer, Head)}
        paths = {checkpoint.class_paths[kind] for kind in kinds if kind in checkpoint.class_paths} - own_paths
        found = {each for each in paths if own is not None and own.find(each) is not None}
        if not found:
            raise ConvertError(f"{path}: {changed(checkpoint, parts[0])}")
        own_paths |= found


def _multiple(checkpoint: Checkpoint, imgsz: int | tuple[int, int] | None) -> tuple[int, bool]:
    """Give the size multiple, and whether the network runs at the size to convert for and at no other."""
    try:
        return size_multiple(checkpoint), False
    except ConvertError:
        largest = max(checkpoint.strides, default=1)
        with suppress(ConvertError):  # the first reason is the one to tell
            if runs_at(checkpoint, choose_size(imgsz, checkpoint, largest)):
                return largest, True
        raise
