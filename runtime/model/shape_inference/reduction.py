"""ONNX's group `reduction`: many numbers become one."""

from __future__ import annotations

from .context import InferenceContext, Operator, Shape, normalize_axis


def _reduce(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    axes = ctx.attribute_or_input("axes", 1)
    reduced = set(range(len(x))) if not axes else {normalize_axis(a, len(x)) for a in axes}
    keep = ctx.integer("keepdims", 1)
    return [tuple(1 if i in reduced else s for i, s in enumerate(x) if keep or i not in reduced)]


_REDUCE = Operator(_reduce, ("axes", "keepdims"), {"noop_with_empty_axes": 0}, integers=(1,))

OPERATORS: dict[str, Operator] = dict.fromkeys(
    ("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), _REDUCE
)
