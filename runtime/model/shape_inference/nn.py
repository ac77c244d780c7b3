"""ONNX's group `nn`: convolutions, pooling, normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...stages.letterbox import MAX_SIDE
from .context import InferenceContext, InferenceError, Operator, Shape, normalize_axis, require


class Window:
    """Kernel, strides, dilations and pads of a convolution or pooling, each checked."""

    def __init__(self, ctx: InferenceContext, kernel: Sequence[int], rank: int) -> None:
        require(1 <= rank <= 3, "its input does not have one to three spatial dimensions")
        self.kernel = ctx.integers("kernel_shape", kernel)
        self.strides = ctx.integers("strides", [1] * rank)
        self.dilations = ctx.integers("dilations", [1] * rank)
        self.pads = ctx.integers("pads", [0] * 2 * rank)
        for name, values in (
            ("kernel_shape", self.kernel),
            ("strides", self.strides),
            ("dilations", self.dilations),
        ):
            if len(values) != rank or not all(1 <= v <= MAX_SIDE for v in values):
                raise InferenceError(f"{name} is {values[:8]}")
        if len(self.pads) != 2 * rank or not all(0 <= v <= MAX_SIDE for v in self.pads):
            raise InferenceError(f"pads is {self.pads[:8]}")
        self.reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        self.area = math.prod(self.kernel)
        self.auto_pad = ctx.string("auto_pad", b"NOTSET")
        require(
            self.auto_pad in (b"NOTSET", b"VALID", b"SAME_UPPER", b"SAME_LOWER"), "its auto_pad is unknown"
        )
        self.ceil_mode = ctx.integer("ceil_mode", 0)

    def output(self, sides: Sequence[int]) -> Shape:
        """Give the spatial dimensions of the output, from those of the input."""
        found = []
        for i, side in enumerate(sides):
            if self.auto_pad.startswith(b"SAME"):
                found.append(-(-side // self.strides[i]))
                continue
            pads = 0 if self.auto_pad == b"VALID" else self.pads[i] + self.pads[i + len(sides)]
            room = side + pads - self.reach[i]
            if room < 0:
                raise InferenceError(
                    f"its kernel of {self.reach[i]} is larger than the {side + pads} it slides along"
                )
            found.append((-(-room // self.strides[i]) if self.ceil_mode else room // self.strides[i]) + 1)
        return tuple(found)


def _conv(ctx: InferenceContext) -> list[Shape]:
    x, weight = ctx.shape(0), ctx.shape(1)
    require(
        len(x) >= 3 and len(weight) == len(x) and 0 not in weight,
        "its weight has another number of dimensions",
    )
    group = ctx.integer("group", 1)
    if group < 1 or x[1] != weight[1] * group or weight[0] % group:
        raise InferenceError(f"{group} groups do not fit the channels")
    require(not ctx.has(2) or ctx.shape(2) == (weight[0],), "its bias has another length")
    window = Window(ctx, weight[2:], len(x) - 2)
    require(tuple(window.kernel) == weight[2:], "its weight is not of its kernel's size")
    shape = (x[0], weight[0], *window.output(x[2:]))
    ctx.multiplications = math.prod(shape) * weight[1] * window.area
    return [shape]


def _conv_transpose(ctx: InferenceContext) -> list[Shape]:
    x, weight = ctx.shape(0), ctx.shape(1)
    require(
        len(x) >= 3 and len(weight) == len(x) and 0 not in weight,
        "its weight has another number of dimensions",
    )
    group = ctx.integer("group", 1)
    require(
        group >= 1 and x[1] == weight[0] and weight[0] % group == 0, f"{group} groups do not fit the channels"
    )
    require(not ctx.has(2) or ctx.shape(2) == (weight[1] * group,), "its bias has another length")
    rank = len(x) - 2
    window = Window(ctx, weight[2:], rank)
    require(tuple(window.kernel) == weight[2:], "its weight is not of its kernel's size")
    require(window.auto_pad == b"NOTSET", "its size is not stated by pads")
    extra = ctx.integers("output_padding", [0] * rank)
    if len(extra) != rank or not all(0 <= e < s for e, s in zip(extra, window.strides, strict=True)):
        raise InferenceError(f"output_padding is {extra[:8]}")
    sides = [
        (x[2 + i] - 1) * window.strides[i]
        + window.reach[i]
        + extra[i]
        - window.pads[i]
        - window.pads[i + rank]
        for i in range(rank)
    ]
    require(all(side > 0 for side in sides), "its pads leave nothing")
    ctx.multiplications = math.prod(x) * weight[1] * window.area
    return [(x[0], weight[1] * group, *sides)]


def _pool(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    window = Window(ctx, (), len(x) - 2)
    require(
        all(p < r for p, r in zip(window.pads, window.reach * 2, strict=True)),
        "its pads are as wide as its kernel",
    )
    shape = (*x[:2], *window.output(x[2:]))
    ctx.multiplications = math.prod(shape) * window.area
    return [shape]


def _global_pool(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    require(len(x) >= 3, "its input has no spatial dimensions")
    return [(*x[:2], *[1] * (len(x) - 2))]


def _normalize_channels(ctx: InferenceContext) -> list[Shape]:
    """With one number for each channel."""
    x = ctx.shape(0)
    require(
        len(x) >= 2 and all(ctx.shape(i) == x[1:2] for i in range(1, len(ctx.shapes))),
        "it does not have one number per channel",
    )
    return [x]


def _normalize_groups(ctx: InferenceContext) -> list[Shape]:
    """Of channels; with one number for each channel."""
    groups, (x,) = ctx.integer("num_groups", 0), _normalize_channels(ctx)
    require(groups >= 1 and x[1] % groups == 0, f"{groups} groups do not fit the channels")
    return [x]


def _normalize_layer(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    axis = normalize_axis(ctx.integer("axis", -1), len(x))
    require(
        all(ctx.shape(i) == x[axis:] for i in range(1, len(ctx.shapes))),
        "it does not have one number per element",
    )
    return [x]


def _flatten(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    axis = ctx.integer("axis", 1)
    require(-len(x) <= axis <= len(x), f"there is no axis {axis}")
    return [(math.prod(x[:axis]), math.prod(x[axis:]))]


def _dropout(ctx: InferenceContext) -> list[Shape]:
    return [ctx.shape(0)] * len(ctx.node.outputs)  # the mask has the same shape


_WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")

OPERATORS: dict[str, Operator] = {
    "AveragePool": Operator(_pool, (*_WINDOW, "ceil_mode", "count_include_pad")),
    "BatchNormalization": Operator(
        _normalize_channels, ("epsilon", "momentum"), {"spatial": 1, "training_mode": 0}
    ),
    "Conv": Operator(_conv, (*_WINDOW, "group")),
    "ConvTranspose": Operator(_conv_transpose, (*_WINDOW, "group", "output_padding")),
    "Dropout": Operator(_dropout, ("ratio", "seed")),
    "Flatten": Operator(_flatten, ("axis",), keeps_index=True),
    "GlobalAveragePool": Operator(_global_pool),
    "GlobalMaxPool": Operator(_global_pool),
    "GroupNormalization": Operator(_normalize_groups, ("epsilon", "num_groups"), {"stash_type": 1}),
    "InstanceNormalization": Operator(_normalize_channels, ("epsilon",)),
    "LayerNormalization": Operator(_normalize_layer, ("axis", "epsilon"), {"stash_type": 1}),
    "MaxPool": Operator(_pool, (*_WINDOW, "ceil_mode", "storage_order")),
}
