"""Operators that compute: number by number, along axes, with matrices."""

from __future__ import annotations

import math

from .context import Operands, Rule, Shape, axis_of, need, wider


def _same(o: Operands) -> list[Shape]:
    """Every number by itself."""
    return [o.shape(0)]


def broadcast(o: Operands) -> list[Shape]:
    """Number by number, of values that spread to one shape."""
    shape = o.shape(0)
    for i in range(1, len(o.shapes)):
        shape = wider(shape, o.shape(i))
    return [shape]


def _matmul(o: Operands) -> list[Shape]:
    a, b = o.shape(0), o.shape(1)
    need(len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2], "rows and columns differ in length")
    made = (*wider(a[:-2], b[:-2]), a[-2], b[-1])
    o.work = math.prod(made) * a[-1]
    return [made]


def _gemm(o: Operands) -> list[Shape]:
    a, b = o.shape(0), o.shape(1)
    need(len(a) == len(b) == 2, "it needs two matrices")
    a = a[::-1] if o.whole("transA", 0) else a
    b = b[::-1] if o.whole("transB", 0) else b
    need(a[1] == b[0], "rows and columns differ in length")
    made = (a[0], b[1])
    need(not o.has(2) or wider(o.shape(2), made) == made, "its bias has another length")
    o.work = math.prod(made) * a[1]
    return [made]


def _reduce(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axes = o.listed("axes", 1)
    gone = set(range(len(x))) if not axes else {axis_of(a, len(x)) for a in axes}
    keep = o.whole("keepdims", 1)
    return [tuple(1 if i in gone else s for i, s in enumerate(x) if keep or i not in gone)]


def _along_axis(o: Operands) -> list[Shape]:
    x = o.shape(0)
    axis = axis_of(o.whole("axis", -1), len(x))
    need(all(o.shape(i) == x[axis:] for i in range(1, len(o.shapes))), "its numbers are not one a place")
    return [x]


def _by_channel(o: Operands) -> list[Shape]:
    """Normalisation with one number a channel."""
    x = o.shape(0)
    need(
        len(x) >= 2 and all(o.shape(i) == x[1:2] for i in range(1, len(o.shapes))),
        "its numbers are not one a channel",
    )
    return [x]


def _quantize(o: Operands) -> list[Shape]:
    """To whole numbers and back, with one scale or one a channel."""
    x = o.shape(0)
    axis = axis_of(o.whole("axis", 1), len(x)) if len(x) > 1 else 0
    for shape in (o.shape(i) for i in range(1, max(2, len(o.shapes)))):
        need(shape in ((), (1,), x[axis : axis + 1]), "its scale is neither one number nor one a channel")
    return [x]


def _cast(o: Operands) -> list[Shape]:
    places = o.counts_places() and o.whole("to", 0) in (6, 7)
    need(places or o.whole("to", 0) in (1, 10, 11), "it casts to a type without fractions")
    return [o.shape(0)]


def _all(rule: Rule, *operators: str) -> dict[str, Rule]:
    return dict.fromkeys(operators, rule)


RULES: dict[str, Rule] = {
    **_all(_same, "Abs", "Ceil", "Celu", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu"),
    **_all(_same, "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu"),
    **_all(_same, "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh"),
    **_all(_same, "ThresholdedRelu"),
    **_all(broadcast, "Add", "And", "Equal", "Greater", "Less", "Max", "Mean", "Min", "Mul", "Or"),
    **_all(broadcast, "PRelu", "Pow", "Sub", "Sum", "Where"),
    **_all(_along_axis, "LayerNormalization", "LogSoftmax", "Softmax"),
    **_all(_by_channel, "BatchNormalization", "InstanceNormalization"),
    **_all(_quantize, "DequantizeLinear", "QuantizeLinear"),
    **_all(_reduce, "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"),
    "Cast": _cast,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
