"""Input sizes: what a network's height and width must be multiples of, and which to convert for."""

from __future__ import annotations

import math

import torch
from torch.func import functional_call

from runtime.stages.letterbox import MAX_SIDE

from .budget import Budget, BudgetError
from .checkpoint import Checkpoint
from .errors import ConvertError, first_line
from .layers import BaseModel

# The largest input size, a side in pixels, that is taken from a checkpoint without being asked for.
MAX_TRAINED = 1536

MAX_FACTOR = 16  # how many multiples of the largest stride are tried for the size multiple


def size_multiple(checkpoint: Checkpoint) -> int:
    """Find the smallest number whose multiples all fit the network as height and width.

    It is what the network pools down to in its deepest layer, which may be more than its largest stride: one
    with heads at strides 8 and 16 and a backbone down to 32 cannot join its maps at 48 pixels. It is found by
    trying the multiples of the largest stride. Two neighbouring multiples of m fit only if m itself is one of
    the right number, so that one run tells. The runs are made with shapes alone, without numbers.

    Raises ConvertError if the network runs at none of them, or gives outputs of other shapes than its head
    describes.
    """
    largest = max(checkpoint.strides, default=1)
    reasons = []
    for multiple in range(largest, MAX_FACTOR * largest + 1, largest):
        reason = _misfit(checkpoint, trial_size(multiple))
        if reason is None:
            return multiple
        reasons.append(reason)
    raise ConvertError(f"{checkpoint.path}: {reasons[0]}")


def runs_at(checkpoint: Checkpoint, size: tuple[int, int]) -> bool:
    """Tell whether a network that fits no multiple runs at this size at least: some layers know one only."""
    return _misfit(checkpoint, size) is None


def trial_size(multiple: int) -> tuple[int, int]:
    """Give two neighbouring multiples, 64 or more, as (height, width): a small size for trying a network."""
    factor = max(2, -(-64 // multiple))
    return factor * multiple, (factor + 1) * multiple


def second_size(multiple: int, size: tuple[int, int]) -> tuple[int, int]:
    """Give a small size of another area than this one: numbers that depend on the size show there."""
    height, width = trial_size(multiple)
    if height * width == size[0] * size[1]:
        return height + multiple, width + multiple
    return height, width


def _misfit(checkpoint: Checkpoint, size: tuple[int, int]) -> str | None:
    """Tell what is wrong with the network at this size, if anything is."""
    try:
        shapes = run_once(checkpoint, size)
    except Exception as error:  # whatever a foreign network does wrong
        return f"its network does not run ({first_line(error)})"
    expected = list(checkpoint.model.head.output_shapes(*size).values())
    if shapes != expected:
        return (
            f"its head gives outputs of shapes {shapes[:8]}, where its strides, anchors and classes make "
            f"{expected[:8]}"
        )
    return None


def run_once(checkpoint: Checkpoint, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Run the network at this size, with shapes alone if it can be; give those of its outputs.

    Code of the owner's may make tensors of its own, with numbers in them: it is run with numbers, then.
    Raises what `network_shapes` raises.
    """
    try:
        return network_shapes(checkpoint.model, size)
    except BudgetError:
        raise
    except Exception:
        if not checkpoint.own:
            raise
    image = torch.zeros(1, checkpoint.model.channels(), *size)
    with torch.no_grad():
        return [tuple(output.shape) for output in checkpoint.model(image)]


def network_shapes(network: BaseModel, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Run the network at this size with shapes alone, without numbers; give those of its outputs.

    Raises BudgetError if it would take too much memory or time, and whatever a foreign network raises.
    """
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes_only = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    with torch.no_grad(), Budget():
        image = torch.empty(1, network.channels(), *size, device="meta")
        outputs = functional_call(network, shapes_only, (image,))
        return [tuple(output.shape) for output in outputs]


def check_budget(checkpoint: Checkpoint, size: tuple[int, int]) -> None:
    """Check, with shapes alone, what the network would take at its input size. Raises ConvertError."""
    try:
        run_once(checkpoint, size)
    except BudgetError as error:
        raise ConvertError(f"{checkpoint.path}: at {size[0]} × {size[1]} {error}") from error
    except Exception as error:  # whatever a foreign network does wrong
        raise ConvertError(f"{checkpoint.path}: its network does not run ({first_line(error)})") from error


def choose_size(
    imgsz: int | tuple[int, int] | None, checkpoint: Checkpoint, multiple: int
) -> tuple[int, int]:
    """Choose the input size (height, width). Raises ConvertError if the one asked for is impossible."""
    if imgsz is None and (checkpoint.imgsz or 0) > MAX_TRAINED:
        raise ConvertError(
            f"{checkpoint.path}: it says that it was trained on images of {checkpoint.imgsz} pixels; if the "
            f"model shall be that large, say it with --imgsz {checkpoint.imgsz}"
        )
    if imgsz is None:
        side = math.ceil((checkpoint.imgsz or checkpoint.model.head.default_size) / multiple) * multiple
        return side, side
    height, width = (imgsz, imgsz) if isinstance(imgsz, int) else imgsz
    for side in (height, width):
        if not 0 < side <= MAX_SIDE:
            raise ConvertError(
                f"an image size of {side} is out of range; it must be between {multiple} and {MAX_SIDE}"
            )
        if side % multiple:
            below, above = side // multiple * multiple, math.ceil(side / multiple) * multiple
            nearest = f"the nearest are {below} and {above}" if below else f"the nearest is {above}"
            what = (
                "the largest stride"
                if multiple == max(checkpoint.strides, default=0)
                else "the deepest downsampling"
            )
            raise ConvertError(f"an image size of {side} is not a multiple of {what}, {multiple}; {nearest}")
    return height, width
