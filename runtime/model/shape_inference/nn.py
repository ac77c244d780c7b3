"""Operators that slide a window along the sides of a value: convolutions and pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...stages.letterbox import MAX_SIDE
from .context import MisfitError, Operands, Rule, Shape, need


class Window:
    """Kernel, strides, dilations and pads of a convolution or pooling, each checked."""

    def __init__(self, o: Operands, kernel: Sequence[int], rank: int) -> None:
        need(1 <= rank <= 3, "it has not one to three sides to slide along")
        self.kernel = o.ints("kernel_shape", kernel)
        self.strides = o.ints("strides", [1] * rank)
        self.dilations = o.ints("dilations", [1] * rank)
        self.pads = o.ints("pads", [0] * 2 * rank)
        for name, values in (
            ("kernel_shape", self.kernel),
            ("strides", self.strides),
            ("dilations", self.dilations),
        ):
            if len(values) != rank or not all(1 <= v <= MAX_SIDE for v in values):
                raise MisfitError(f"{name} is {values[:8]}")
        if len(self.pads) != 2 * rank or not all(0 <= v <= MAX_SIDE for v in self.pads):
            raise MisfitError(f"pads is {self.pads[:8]}")
        self.reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        self.area = math.prod(self.kernel)
        self.auto = o.text("auto_pad", b"NOTSET")
        need(self.auto in (b"NOTSET", b"VALID", b"SAME_UPPER", b"SAME_LOWER"), "its auto_pad is unknown")
        self.ceil = o.whole("ceil_mode", 0)

    def slid(self, sides: Sequence[int]) -> Shape:
        """Give what the window makes of these sides."""
        made = []
        for i, side in enumerate(sides):
            if self.auto.startswith(b"SAME"):
                made.append(-(-side // self.strides[i]))
                continue
            pads = 0 if self.auto == b"VALID" else self.pads[i] + self.pads[i + len(sides)]
            room = side + pads - self.reach[i]
            if room < 0:
                reason = f"its window of {self.reach[i]} is larger than the {side + pads} it slides along"
                raise MisfitError(reason)
            made.append((-(-room // self.strides[i]) if self.ceil else room // self.strides[i]) + 1)
        return tuple(made)


def _conv(o: Operands) -> list[Shape]:
    x, weight = o.shape(0), o.shape(1)
    need(len(x) >= 3 and len(weight) == len(x) and 0 not in weight, "its weight has another number of sides")
    group = o.whole("group", 1)
    if group < 1 or x[1] != weight[1] * group or weight[0] % group:
        raise MisfitError(f"{group} groups do not fit the channels")
    need(not o.has(2) or o.shape(2) == (weight[0],), "its bias has another length")
    window = Window(o, weight[2:], len(x) - 2)
    need(tuple(window.kernel) == weight[2:], "its weight is not of its kernel's size")
    made = (x[0], weight[0], *window.slid(x[2:]))
    o.work = math.prod(made) * weight[1] * window.area
    return [made]


def _conv_transpose(o: Operands) -> list[Shape]:
    x, weight = o.shape(0), o.shape(1)
    need(len(x) >= 3 and len(weight) == len(x) and 0 not in weight, "its weight has another number of sides")
    group = o.whole("group", 1)
    need(
        group >= 1 and x[1] == weight[0] and weight[0] % group == 0, f"{group} groups do not fit the channels"
    )
    need(not o.has(2) or o.shape(2) == (weight[1] * group,), "its bias has another length")
    rank = len(x) - 2
    window = Window(o, weight[2:], rank)
    need(tuple(window.kernel) == weight[2:], "its weight is not of its kernel's size")
    need(window.auto == b"NOTSET", "its size is not stated by pads")
    extra = o.ints("output_padding", [0] * rank)
    need(
        len(extra) == rank and all(0 <= e < s for e, s in zip(extra, window.strides, strict=True)),
        "output_padding",
    )
    sides = [
        (x[2 + i] - 1) * window.strides[i]
        + window.reach[i]
        + extra[i]
        - window.pads[i]
        - window.pads[i + rank]
        for i in range(rank)
    ]
    need(all(side > 0 for side in sides), "its pads leave nothing")
    o.work = math.prod(x) * weight[1] * window.area
    return [(x[0], weight[1] * group, *sides)]


def _pool(o: Operands) -> list[Shape]:
    x = o.shape(0)
    window = Window(o, (), len(x) - 2)
    need(
        all(p < r for p, r in zip(window.pads, window.reach * 2, strict=True)),
        "its pads are as wide as its kernel",
    )
    made = (*x[:2], *window.slid(x[2:]))
    o.work = math.prod(made) * window.area
    return [made]


def _global_pool(o: Operands) -> list[Shape]:
    x = o.shape(0)
    need(len(x) >= 3, "it has no sides to pool")
    return [(*x[:2], *[1] * (len(x) - 2))]


RULES: dict[str, Rule] = {
    "AveragePool": _pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "MaxPool": _pool,
}
