"""The conversion from end to end: open, rewrite, export, check, and only then put the file in its place."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx

from runtime.errors import InputError
from runtime.outputs.atomic import new_file

from .blame import blame
from .check import Difference, check_model
from .checkpoint import Checkpoint
from .checkpoint.own_layers import OwnLayers
from .errors import CheckError, ConvertError, first_line
from .export import check_onnx, export_network, free_batch, write_metadata
from .opening import open_network
from .rewrite import fold_batchnorm, replace_layers
from .sizes import check_budget, choose_size, second_size
from .stem import Stem, rewrite_stem
from .swish import use_swish

Target = Literal["portable", "fast"]
"""portable: for any program that reads ONNX, on any device. fast: for OpenCV's CPU code, through this
project's runtimes: SiLU as OpenCV's own layer, and an input of 2×2 squares that the caller has folded."""

Crop = Literal["square", "shorter-side"]
"""How a classifier wants its picture cut: the middle square, scaled (v7.0), or the middle of the picture
scaled by its shorter side (v6.2)."""


@dataclass(frozen=True)
class Report:
    """What was converted, and what came out.

    imgsz: (height, width) of the input; size_multiple: what another size must be a multiple of, if the model
    is dynamic.
    size: of the file, in bytes.
    """

    checkpoint: Checkpoint
    target: Target
    output: Path
    imgsz: tuple[int, int]
    size_multiple: int
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
    crop: Crop | None = None,
    progress: Callable[[str], None] = lambda step: None,
    layers: str | Path | None = None,
) -> Report:
    """Convert a YOLOv5 checkpoint to an ONNX file for `cv2.dnn`, and check that it gives what PyTorch gives.

    `output` defaults to weights/NAME.onnx in the working folder. `imgsz`, a side or (height, width), must be
    a multiple of what the network pools down to, usually its largest stride; it defaults to the size that the
    checkpoint says it was trained for, else 640. `focus` chooses how the portable graph writes the Focus
    layer of releases up to v5.0: as "permute", the default, which fixes the input size, or as "conv", one
    equal convolution. `crop`, for a classifier, is how its pictures are cut: as v7.0 does it unless told
    otherwise; no checkpoint says it. `progress` is called with a few words before each step. `layers`, a
    Python file or the source tree that the network was trained with, has the code of layers that no release
    has; it is imported and run.

    Raises CheckpointError, CheckError or another ConvertError, with one sentence, and then leaves no file.
    """
    with nullcontext() if layers is None else OwnLayers(layers) as own:
        return _convert(Path(path), output, imgsz, focus, target, crop, progress, own)


def _convert(
    path: Path,
    output: str | Path | None,
    imgsz: int | tuple[int, int] | None,
    focus: Literal["permute", "conv"] | None,
    target: Target,
    crop: Crop | None,
    progress: Callable[[str], None],
    own: OwnLayers | None,
) -> Report:
    """Do what `convert` says."""
    start = time.perf_counter()
    if focus is not None and target == "fast":
        raise ConvertError(
            "focus is for the portable graph; the fast one has its own way to write that layer"
        )
    output = Path("weights") / f"{path.stem}.onnx" if output is None else Path(output)
    progress("reading the checkpoint")
    checkpoint, multiple, one_size = open_network(path, own, imgsz)
    if crop is not None and checkpoint.model.head.task != "classify":
        raise ConvertError(f"crop is for classifiers, and {path} is none")
    stem: Stem = focus or "permute"
    if target == "fast" and checkpoint.strides:  # pictures for a classifier are not folded
        stem, multiple = "fold", math.lcm(multiple, 2)
    size = choose_size(imgsz, checkpoint, multiple)
    check_budget(checkpoint, size)
    if output.exists() and output.samefile(path):
        raise ConvertError(f"{output}: the output would overwrite the checkpoint")
    try:
        with new_file(output) as temporary:
            while True:
                model, dynamic = _make_model(
                    checkpoint, size, multiple, one_size, stem, target, crop, progress
                )
                written = temporary.write_bytes(model.SerializeToString())
                progress("comparing OpenCV with PyTorch")
                sizes = [size, second_size(multiple, size)] if dynamic else [size]
                try:
                    difference = check_model(temporary, checkpoint.model, sizes)
                    break
                except CheckError as error:
                    if not (dynamic and checkpoint.own):
                        raise CheckError(f"{error}{blame(checkpoint, size)}") from error
                one_size = (
                    True  # code of the owner's may compute with the size, which the export made constant
                )
    except InputError as error:
        raise ConvertError(str(error)) from error
    except OSError as error:
        raise ConvertError(f"cannot write {output}: {error.strerror or error}") from error
    return Report(
        checkpoint=checkpoint,
        target=target,
        output=output,
        imgsz=size,
        size_multiple=multiple,
        dynamic=dynamic,
        difference=difference,
        size=written,
        seconds=time.perf_counter() - start,
    )


def _make_model(
    checkpoint: Checkpoint,
    size: tuple[int, int],
    multiple: int,
    one_size: bool,
    stem: Stem,
    target: Target,
    crop: Crop | None,
    progress: Callable[[str], None],
) -> tuple[onnx.ModelProto, bool]:
    """Make the ONNX model; tell, too, whether its input size is free."""
    progress("rewriting its layers")
    try:
        network = copy.deepcopy(checkpoint.model)
        fold_batchnorm(network, checkpoint.own)
        replace_layers(network)
        fold = rewrite_stem(network, stem)
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        reason = f"its layers are not built like YOLOv5's ({first_line(error)})"
        raise ConvertError(f"{checkpoint.path}: {reason}") from error
    progress("exporting to ONNX")
    shape = (checkpoint.model.channels() * fold * fold, size[0] // fold, size[1] // fold)
    outputs = list(checkpoint.model.head.output_shapes(*size))
    try:
        model = export_network(network, shape, outputs)
    except ConvertError as error:
        raise ConvertError(f"{checkpoint.path}: {error}{blame(checkpoint, size)}") from error
    if target == "fast":
        use_swish(model)
    dynamic = not one_size and free_batch(model)
    write_metadata(model, checkpoint, size, multiple, dynamic, fold, crop)
    check_onnx(model)
    return model, dynamic
