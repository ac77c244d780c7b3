"""ONNX's group `tensor`, with Constant of its `generator`: join, cut, scale, repeat, transpose, look up."""

from __future__ import annotations

import math

import numpy as np

from ...stages.letterbox import MAX_SIDE
from ..tensors import MAX_DIMENSIONS, Tensor
from .context import InferenceContext, Operator, Shape, broadcast, elementwise, normalize_axis, require, unary


def _concat(ctx: InferenceContext) -> list[Shape]:
    first = ctx.shape(0)
    axis = normalize_axis(ctx.integer("axis", 1), len(first))
    total = 0
    for i in range(len(ctx.shapes)):
        shape = ctx.shape(i)
        require(
            len(shape) == len(first)
            and all(a == b or i == axis for i, (a, b) in enumerate(zip(shape, first, strict=True))),
            "their dimensions differ",
        )
        total += shape[axis]
    return [(*first[:axis], total, *first[axis + 1 :])]


def _split(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    axis = normalize_axis(ctx.integer("axis", 0), len(x))
    count = len(ctx.node.outputs)
    parts = ctx.attribute_or_input("split", 1)
    if parts is None:
        size = -(-x[axis] // count)
        parts = [min(size, x[axis] - size * i) for i in range(count)]
    require(len(parts) == count and min(parts) >= 0 and sum(parts) == x[axis], "its parts are not the whole")
    return [(*x[:axis], part, *x[axis + 1 :]) for part in parts]


def _slice(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    starts, ends = ctx.attribute_or_input("starts", 1) or [], ctx.attribute_or_input("ends", 2) or []
    axes = ctx.attribute_or_input("axes", 3) or list(range(len(starts)))
    steps = ctx.attribute_or_input("steps", 4) or [1] * len(starts)
    require(
        len(starts) == len(ends) == len(axes) == len(steps) and 0 not in steps, "its lists differ in length"
    )
    made = list(x)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = normalize_axis(axis, len(x))
        made[axis] = len(range(*slice(start, end, step).indices(x[axis])))
        require(made[axis] > 0, "it leaves nothing")
    return [tuple(made)]


def _resize(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    upsample = ctx.node.op_type == "Upsample" or len(ctx.shapes) == 2
    if ctx.has(3) and ctx.shape(3) != (0,):
        sides = ctx.integer_constant(3)
    elif "scales" in ctx.node.attributes:
        sides = _scaled(x, ctx.floats("scales"))
    else:
        sides = _scaled(x, ctx.constant(1 if upsample else 2))
    require(
        len(sides) == len(x) and all(0 < s < 1 << 31 for s in sides),
        "its size does not have one number per dimension",
    )
    require(len(x) < 3 or tuple(sides[:2]) == x[:2], "it scales more than height and width")
    return [tuple(sides)]


def _scaled(x: Shape, scales: list[float]) -> list[int]:
    require(len(scales) == len(x), "it does not have one scale per dimension")
    for scale in scales:
        require(0 < scale <= MAX_SIDE, f"its scale is {scale}")
    return [math.floor(side * scale) for side, scale in zip(x, scales, strict=True)]


def _reshape(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    sides = ctx.attribute_or_input("shape", 1) or []
    require(len(sides) <= MAX_DIMENSIONS and all(-1 <= s < 1 << 31 for s in sides), "its shape is unusable")
    require(0 not in sides or ctx.integer("allowzero", 0) == 0, "its shape has a 0")
    made = [x[i] if s == 0 and i < len(x) else s for i, s in enumerate(sides)]
    if -1 in made:
        known = math.prod(s for s in made if s != -1)
        require(
            made.count(-1) == 1 and known > 0 and math.prod(x) % known == 0,
            "its shape leaves a dimension open",
        )
        made[made.index(-1)] = math.prod(x) // known
    require(math.prod(made) == math.prod(x), "its shape holds another number of values")
    return [tuple(made)]


def _transpose(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    order = ctx.integers("perm", range(len(x))[::-1])
    require(sorted(order) == list(range(len(x))), "its perm is not an order of the dimensions")
    return [tuple(x[i] for i in order)]


def _squeeze(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    axes = ctx.attribute_or_input("axes", 1)
    gone = (
        {i for i, s in enumerate(x) if s == 1} if axes is None else {normalize_axis(a, len(x)) for a in axes}
    )
    require(all(x[i] == 1 for i in gone), "a dimension that it leaves out is not 1")
    return [tuple(s for i, s in enumerate(x) if i not in gone)]


def _unsqueeze(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    axes = ctx.attribute_or_input("axes", 1) or []
    rank = len(x) + len(axes)
    new = {normalize_axis(a, rank) for a in axes}
    require(len(new) == len(axes) and rank <= MAX_DIMENSIONS, "its axes are unusable")
    rest = iter(x)
    return [tuple(1 if i in new else next(rest) for i in range(rank))]


def _constant(ctx: InferenceContext) -> list[Shape]:
    attributes = ctx.node.attributes
    name, value = next(iter(attributes.items())) if len(attributes) == 1 else ("", None)
    if name == "value" and isinstance(value, Tensor):
        tensor = value
    else:
        numbers = value if isinstance(value, list) else [value]
        require(
            name in ("value_int", "value_float", "value_ints", "value_floats")
            and all(isinstance(number, int | float) for number in numbers),
            "it holds no tensor",
        )
        tensor = Tensor((len(numbers),) if isinstance(value, list) else (), np.array(numbers, np.float64))
    ctx.set_constant(tensor)
    return [tensor.dims]


def _pad(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    pads = ctx.attribute_or_input("pads", 1) or []
    require(not ctx.has(3), "its axes are an input")
    require(
        len(pads) == 2 * len(x) and all(abs(p) <= MAX_SIDE for p in pads),
        "its pads are not two for each dimension",
    )
    made = tuple(s + pads[i] + pads[i + len(x)] for i, s in enumerate(x))
    require(all(s > 0 for s in made), "its pads leave nothing")
    if ctx.string("mode", b"constant") != b"constant":
        require(
            all(p < x[i % len(x)] for i, p in enumerate(pads)), "its pads are wider than what they repeat"
        )
    return [made]


def _expand(ctx: InferenceContext) -> list[Shape]:
    sides = ctx.integer_constant(1)
    require(len(sides) <= MAX_DIMENSIONS and all(0 < s < 1 << 31 for s in sides), "its shape is unusable")
    return [broadcast(ctx.shape(0), tuple(sides))]


def _tile(ctx: InferenceContext) -> list[Shape]:
    x, repeats = ctx.shape(0), ctx.integer_constant(1)
    require(
        len(repeats) == len(x) and all(0 < r < 1 << 31 for r in repeats),
        "it does not have one repeat per dimension",
    )
    return [tuple(s * r for s, r in zip(x, repeats, strict=True))]


def _space_to_depth(ctx: InferenceContext) -> list[Shape]:
    x, block = ctx.shape(0), ctx.integer("blocksize", 0)
    require(
        len(x) == 4 and 1 <= block <= MAX_SIDE and x[2] % block == x[3] % block == 0, "its blocks do not fit"
    )
    return [(x[0], x[1] * block * block, x[2] // block, x[3] // block)]


def _depth_to_space(ctx: InferenceContext) -> list[Shape]:
    x, block = ctx.shape(0), ctx.integer("blocksize", 0)
    require(len(x) == 4 and 1 <= block <= MAX_SIDE and x[1] % (block * block) == 0, "its blocks do not fit")
    return [(x[0], x[1] // (block * block), x[2] * block, x[3] * block)]


def _gather(ctx: InferenceContext) -> list[Shape]:
    """What it takes must be there: a network that reads beside a value is refused."""
    x, indices = ctx.shape(0), ctx.shape(1)
    axis = normalize_axis(ctx.integer("axis", 0), len(x))
    require(ctx.index_limit(1) <= x[axis], "its indices go beyond what is there")
    shape = x[:axis] + indices + x[axis + 1 :]
    require(len(shape) <= MAX_DIMENSIONS, "it makes too many dimensions")
    return [shape]


def _gather_elements(ctx: InferenceContext) -> list[Shape]:
    x, indices = ctx.shape(0), ctx.shape(1)
    axis = normalize_axis(ctx.integer("axis", 0), len(x))
    require(ctx.index_limit(1) <= x[axis] and len(indices) == len(x), "its indices go beyond what is there")
    require(
        all(p <= s for i, (p, s) in enumerate(zip(indices, x, strict=True)) if i != axis),
        "their dimensions differ",
    )
    return [indices]


def _cast(ctx: InferenceContext) -> list[Shape]:
    to = ctx.integer("to", 0)
    require(to in (1, 10, 11) or (ctx.is_index() and to in (6, 7)), "it casts to a type without fractions")
    ctx.copy_constant()
    return [ctx.shape(0)]


OPERATORS: dict[str, Operator] = {
    "Cast": Operator(_cast, ("to",), {"saturate": 1}, keeps_index=True),
    "Concat": Operator(_concat, ("axis",)),
    "Constant": Operator(_constant, ("value", "value_float", "value_floats", "value_int", "value_ints")),
    "DepthToSpace": Operator(_depth_to_space, ("blocksize", "mode")),
    "Expand": Operator(_expand, integers=(1,)),
    "Gather": Operator(_gather, ("axis",), integers=(0, 1)),
    "GatherElements": Operator(_gather_elements, ("axis",), integers=(0, 1)),
    "Identity": Operator(unary, keeps_index=True),
    "Pad": Operator(_pad, ("mode", "pads", "value"), integers=(1, 3)),
    "Reshape": Operator(_reshape, ("allowzero", "shape"), integers=(1,), keeps_index=True),
    "Resize": Operator(
        _resize,
        ("coordinate_transformation_mode", "cubic_coeff_a", "extrapolation_value", "mode", "nearest_mode"),
        {"antialias": 0, "exclude_outside": 0, "keep_aspect_ratio_policy": b"stretch"},
        integers=(3,),
    ),
    "Slice": Operator(_slice, ("axes", "ends", "starts"), integers=(1, 2, 3, 4)),
    "SpaceToDepth": Operator(_space_to_depth, ("blocksize",)),
    "Split": Operator(_split, ("axis", "num_outputs", "split"), integers=(1,)),
    "Squeeze": Operator(_squeeze, ("axes",), integers=(1,), keeps_index=True),
    "Tile": Operator(_tile, integers=(1,), keeps_index=True),
    "Transpose": Operator(_transpose, ("perm",), keeps_index=True),
    "Unsqueeze": Operator(_unsqueeze, ("axes",), integers=(1,), keeps_index=True),
    "Upsample": Operator(_resize, ("mode", "scales")),
    "Where": Operator(elementwise),
}
