"""Operators that arrange a value anew: join, cut, scale, repeat, turn its sides. They multiply nothing."""

from __future__ import annotations

import math

import numpy as np

from ...stages.letterbox import MAX_SIDE
from ..tensors import MAX_DIMENSIONS, Tensor
from .context import Operands, Rule, Shape, axis_of, need, wider


def _concat(o: Operands) -> list[Shape]:
    first = o.shape(0)
    axis = axis_of(o.whole("axis", 1), len(first))
    total = 0
    for i in range(len(o.shapes)):
        shape = o.shape(i)
        need(
            len(shape) == len(first)
            and all(a == b or i == axis for i, (a, b) in enumerate(zip(shape, first, strict=True))),
            "their sides differ",
        )
        total += shape[axis]
    return [(*first[:axis], total, *first[axis + 1 :])]


def _split(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axis = axis_of(o.whole("axis", 0), len(x))
    count = len(o.node.outputs)
    parts = o.listed("split", 1)
    if parts is None:
        size = -(-x[axis] // count)
        parts = [min(size, x[axis] - size * i) for i in range(count)]
    need(len(parts) == count and min(parts) >= 0 and sum(parts) == x[axis], "its parts are not the whole")
    return [(*x[:axis], part, *x[axis + 1 :]) for part in parts]


def _slice(o: Operands) -> list[Shape]:
    x = o.shape(0)
    starts, ends = o.listed("starts", 1) or [], o.listed("ends", 2) or []
    axes = o.listed("axes", 3) or list(range(len(starts)))
    steps = o.listed("steps", 4) or [1] * len(starts)
    need(len(starts) == len(ends) == len(axes) == len(steps) and 0 not in steps, "its lists differ in length")
    made = list(x)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis_of(axis, len(x))
        made[axis] = len(range(*slice(start, end, step).indices(x[axis])))
        need(made[axis] > 0, "it leaves nothing")
    return [tuple(made)]


def _resize(o: Operands) -> list[Shape]:
    x = o.shape(0)
    upsample = o.node.op_type == "Upsample" or len(o.shapes) == 2
    if o.has(3) and o.shape(3) != (0,):
        sides = o.whole_constant(3)
    elif "scales" in o.node.attributes:
        sides = _scaled(x, o.floats("scales"))
    else:
        sides = _scaled(x, o.constant(1 if upsample else 2))
    need(len(sides) == len(x) and all(0 < s < 1 << 31 for s in sides), "its size is not one number a side")
    need(len(x) < 3 or tuple(sides[:2]) == x[:2], "it scales more than height and width")
    return [tuple(sides)]


def _scaled(x: Shape, scales: list[float]) -> list[int]:
    need(len(scales) == len(x), "its scales are not one a side")
    for scale in scales:
        need(0 < scale <= MAX_SIDE, f"its scale is {scale}")
    return [math.floor(side * scale) for side, scale in zip(x, scales, strict=True)]


def _reshape(o: Operands) -> list[Shape]:
    x = o.shape(0)
    sides = o.listed("shape", 1) or []
    need(len(sides) <= MAX_DIMENSIONS and all(-1 <= s < 1 << 31 for s in sides), "its shape is unusable")
    need(0 not in sides or o.whole("allowzero", 0) == 0, "its shape has a 0")
    made = [x[i] if s == 0 and i < len(x) else s for i, s in enumerate(sides)]
    if -1 in made:
        known = math.prod(s for s in made if s != -1)
        need(made.count(-1) == 1 and known > 0 and math.prod(x) % known == 0, "its shape leaves a side open")
        made[made.index(-1)] = math.prod(x) // known
    need(math.prod(made) == math.prod(x), "its shape holds another number of values")
    return [tuple(made)]


def _flatten(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axis = o.whole("axis", 1)
    need(-len(x) <= axis <= len(x), f"there is no axis {axis}")
    return [(math.prod(x[:axis]), math.prod(x[axis:]))]


def _transpose(o: Operands) -> list[Shape]:
    x = o.shape(0)
    order = o.ints("perm", range(len(x))[::-1])
    need(sorted(order) == list(range(len(x))), "its perm is not an order of the sides")
    return [tuple(x[i] for i in order)]


def _squeeze(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axes = o.listed("axes", 1)
    gone = {i for i, s in enumerate(x) if s == 1} if axes is None else {axis_of(a, len(x)) for a in axes}
    need(all(x[i] == 1 for i in gone), "a side it leaves out is not 1")
    return [tuple(s for i, s in enumerate(x) if i not in gone)]


def _unsqueeze(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axes = o.listed("axes", 1) or []
    rank = len(x) + len(axes)
    new = {axis_of(a, rank) for a in axes}
    need(len(new) == len(axes) and rank <= MAX_DIMENSIONS, "its axes are unusable")
    rest = iter(x)
    return [tuple(1 if i in new else next(rest) for i in range(rank))]


def _constant(o: Operands) -> list[Shape]:
    attributes = o.node.attributes
    name, value = next(iter(attributes.items())) if len(attributes) == 1 else ("", None)
    if name == "value" and isinstance(value, Tensor):
        tensor = value
    else:
        numbers = value if isinstance(value, list) else [value]
        need(
            name in ("value_int", "value_float", "value_ints", "value_floats")
            and all(isinstance(number, int | float) for number in numbers),
            "it holds no tensor",
        )
        tensor = Tensor((len(numbers),) if isinstance(value, list) else (), np.array(numbers, np.float64))
    o.remember(tensor)
    return [tensor.dims]


def _identity(o: Operands) -> list[Shape]:
    return [o.shape(0)] * len(o.node.outputs)  # Dropout's mask has the same shape


def _pad(o: Operands) -> list[Shape]:
    x = o.shape(0)
    pads = o.listed("pads", 1) or []
    need(len(pads) == 2 * len(x) and all(abs(p) <= MAX_SIDE for p in pads), "its pads are not two a side")
    made = tuple(s + pads[i] + pads[i + len(x)] for i, s in enumerate(x))
    need(all(s > 0 for s in made), "its pads leave nothing")
    if o.text("mode", b"constant") != b"constant":
        need(all(p < x[i % len(x)] for i, p in enumerate(pads)), "its pads are wider than what they repeat")
    return [made]


def _expand(o: Operands) -> list[Shape]:
    sides = o.whole_constant(1)
    need(len(sides) <= MAX_DIMENSIONS and all(0 < s < 1 << 31 for s in sides), "its shape is unusable")
    return [wider(o.shape(0), tuple(sides))]


def _tile(o: Operands) -> list[Shape]:
    x, repeats = o.shape(0), o.whole_constant(1)
    need(len(repeats) == len(x) and all(0 < r < 1 << 31 for r in repeats), "its repeats are not one a side")
    return [tuple(s * r for s, r in zip(x, repeats, strict=True))]


def _space_to_depth(o: Operands) -> list[Shape]:
    x, block = o.shape(0), o.whole("blocksize", 0)
    need(
        len(x) == 4 and 1 <= block <= MAX_SIDE and x[2] % block == x[3] % block == 0, "its blocks do not fit"
    )
    return [(x[0], x[1] * block * block, x[2] // block, x[3] // block)]


def _depth_to_space(o: Operands) -> list[Shape]:
    x, block = o.shape(0), o.whole("blocksize", 0)
    need(len(x) == 4 and 1 <= block <= MAX_SIDE and x[1] % (block * block) == 0, "its blocks do not fit")
    return [(x[0], x[1] // (block * block), x[2] * block, x[3] * block)]


RULES: dict[str, Rule] = {
    "Concat": _concat,
    "Constant": _constant,
    "DepthToSpace": _depth_to_space,
    "Dropout": _identity,
    "Expand": _expand,
    "Flatten": _flatten,
    "Identity": _identity,
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}
