"""The conversion from end to end: open, rewrite, export, check, and only then put the file in its place."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
import torch

from runtime.errors import InputError
from runtime.outputs.atomic import AtomicFile

from .check import Difference, check_model
from .checkpoint import Checkpoint, load_checkpoint
from .errors import ConvertError, first_line
from .export import check_onnx, describe, export_network, free_batch
from .rewrite import fold_batchnorm, replace_layers
from .stem import Stem, rewrite_stem
from .swish import use_swish

Target = Literal["portable", "fast"]
"""portable: for any program that reads ONNX, on any device. fast: for OpenCV's CPU code, through this
project's runtimes: SiLU as OpenCV's own layer, and an input of 2×2 squares that the caller has folded."""

DEFAULT_SIZE = 640
MAX_SIZE = 8192


@dataclass(frozen=True)
class Report:
    """What was converted, and what came out. `imgsz` is (height, width); `size` is the file's, in bytes."""

    checkpoint: Checkpoint
    target: Target
    output: Path
    imgsz: tuple[int, int]
    dynamic: bool
    difference: Difference
    size: int
    seconds: float


def convert(
    path: str | Path,
    output: str | Path | None = None,
    imgsz: int | tuple[int, int] | None = None,
    focus: Literal["permute", "conv"] | None = None,
    target: Target = "portable",
    progress: Callable[[str], None] = lambda step: None,
) -> Report:
    """Convert a YOLOv5 checkpoint to an ONNX file for `cv2.dnn`, and check that it gives the same head maps.

    `output` defaults to weights/NAME.onnx in the working folder. `imgsz`, a side or (height, width), must be
    a multiple of the largest stride; it defaults to the size that the checkpoint says it was trained for,
    else 640. `focus` chooses how the portable graph writes the Focus layer of releases up to v5.0: as
    "permute", the default, which fixes the input size, or as "conv", one equal convolution. `progress` is
    called with a few words before each step.

    Raises CheckpointError, CheckError or another ConvertError, with one sentence, and then leaves no file.
    """
    start = time.perf_counter()
    if focus is not None and target == "fast":
        raise ConvertError(
            "focus is for the portable graph; the fast one has its own way to write that layer"
        )
    stem: Stem = "fold" if target == "fast" else focus or "permute"
    path = Path(path)
    output = Path("weights") / f"{path.stem}.onnx" if output is None else Path(output)
    progress("reading the checkpoint")
    checkpoint = load_checkpoint(path)
    size = choose_size(imgsz, checkpoint)
    if output.exists() and output.samefile(path):
        raise ConvertError(f"{output}: the output would overwrite the checkpoint")
    try:
        file = AtomicFile(output)
        try:
            model, dynamic = _make_model(checkpoint, size, stem, target, progress)
            file.temporary.write_bytes(model.SerializeToString())
            progress("comparing OpenCV with PyTorch")
            stride = max(checkpoint.strides)
            sizes = [size, (2 * stride, 3 * stride)] if dynamic else [size]
            difference = check_model(file.temporary, checkpoint.model, sizes)
            file.commit()
        finally:
            file.discard()
    except InputError as error:
        raise ConvertError(str(error)) from error
    except OSError as error:
        raise ConvertError(f"cannot write {output}: {error.strerror or error}") from error
    return Report(
        checkpoint=checkpoint,
        target=target,
        output=output,
        imgsz=size,
        dynamic=dynamic,
        difference=difference,
        size=output.stat().st_size,
        seconds=time.perf_counter() - start,
    )


def _make_model(
    checkpoint: Checkpoint,
    size: tuple[int, int],
    stem: Stem,
    target: Target,
    progress: Callable[[str], None],
) -> tuple[onnx.ModelProto, bool]:
    """The finished ONNX model, and whether its input size is free."""
    _check_heads(checkpoint)
    progress("rewriting its layers")
    network = copy.deepcopy(checkpoint.model)
    try:
        fold_batchnorm(network)
        replace_layers(network)
        fold = rewrite_stem(network, stem)
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        reason = f"its layers are not built like YOLOv5's ({first_line(error)})"
        raise ConvertError(f"{checkpoint.path}: {reason}") from error
    progress("exporting to ONNX")
    shape = (3 * fold * fold, size[0] // fold, size[1] // fold)
    model = export_network(network, shape, len(checkpoint.strides))
    if target == "fast":
        use_swish(model)
    dynamic = free_batch(model)
    describe(model, checkpoint, size, dynamic, fold)
    check_onnx(model)
    return model, dynamic


def choose_size(imgsz: int | tuple[int, int] | None, checkpoint: Checkpoint) -> tuple[int, int]:
    """The input size (height, width). Raises ConvertError if the one asked for is impossible."""
    stride = max(checkpoint.strides)
    if imgsz is None:
        side = -(-(checkpoint.imgsz or DEFAULT_SIZE) // stride) * stride
        return side, side
    height, width = (imgsz, imgsz) if isinstance(imgsz, int) else imgsz
    for side in (height, width):
        if not 0 < side <= MAX_SIZE:
            raise ConvertError(
                f"an image size of {side} is out of range; it must be between {stride} and {MAX_SIZE}"
            )
        if side % stride:
            below, above = side // stride * stride, -(-side // stride) * stride
            nearest = f"the nearest are {below} and {above}" if below else f"the nearest is {above}"
            raise ConvertError(
                f"an image size of {side} is not a multiple of the largest stride, {stride}; {nearest}"
            )
    return height, width


def _check_heads(checkpoint: Checkpoint) -> None:
    """Run the network once, small. Raises ConvertError if it fails, or its maps do not fit its strides."""
    stride = max(checkpoint.strides)
    size = (2 * stride, 3 * stride)
    try:
        with torch.no_grad():
            shapes = [tuple(head.shape) for head in checkpoint.model(torch.zeros(1, 3, *size))]
    except Exception as error:  # whatever a foreign network does wrong
        raise ConvertError(f"{checkpoint.path}: its network does not run ({first_line(error)})") from error
    detect = checkpoint.model.detect
    expected = [(1, detect.na * (detect.nc + 5), size[0] // s, size[1] // s) for s in checkpoint.strides]
    if shapes != expected:
        raise ConvertError(
            f"{checkpoint.path}: its heads give maps of shapes {shapes}, where its strides, anchors and "
            f"classes make {expected}"
        )
