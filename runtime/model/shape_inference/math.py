"""ONNX's group `math`: arithmetic, functions of single numbers, matrices."""

from __future__ import annotations

import math

from .context import (
    InferenceContext,
    Operator,
    Shape,
    broadcast,
    elementwise,
    normalize_axis,
    require,
    unary,
)


def _matmul(ctx: InferenceContext) -> list[Shape]:
    a, b = ctx.shape(0), ctx.shape(1)
    require(len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2], "rows and columns differ in length")
    shape = (*broadcast(a[:-2], b[:-2]), a[-2], b[-1])
    ctx.multiplications = math.prod(shape) * a[-1]
    return [shape]


def _gemm(ctx: InferenceContext) -> list[Shape]:
    a, b = ctx.shape(0), ctx.shape(1)
    require(len(a) == len(b) == 2, "it needs two matrices")
    a = a[::-1] if ctx.integer("transA", 0) else a
    b = b[::-1] if ctx.integer("transB", 0) else b
    require(a[1] == b[0], "rows and columns differ in length")
    shape = (a[0], b[1])
    require(not ctx.has(2) or broadcast(ctx.shape(2), shape) == shape, "its bias has another length")
    ctx.multiplications = math.prod(shape) * a[1]
    return [shape]


def _softmax(ctx: InferenceContext) -> list[Shape]:
    x = ctx.shape(0)
    normalize_axis(ctx.integer("axis", -1), len(x))
    return [x]


def _div(ctx: InferenceContext) -> list[Shape]:
    """Of indices, the integer part stays."""
    if ctx.is_index():
        ctx.set_index_limit(0, (ctx.index_limit(0) - 1) // ctx.divisor() + 1)
    return elementwise(ctx)


def _mod(ctx: InferenceContext) -> list[Shape]:
    require(ctx.is_index(), "it is of other numbers than indices")
    ctx.set_index_limit(0, min(ctx.index_limit(0), ctx.divisor()))
    return elementwise(ctx)


def _top_k(ctx: InferenceContext) -> list[Shape]:
    x, k = ctx.shape(0), ctx.integer_constant(1)
    axis = normalize_axis(ctx.integer("axis", -1), len(x))
    require(len(k) == 1 and 1 <= k[0] <= x[axis], "there are fewer numbers than it takes")
    shape = (*x[:axis], k[0], *x[axis + 1 :])
    ctx.set_index_limit(1, x[axis])
    return [shape, shape]


_UNARY = Operator(unary)
_ELEMENTWISE = Operator(elementwise)

OPERATORS: dict[str, Operator] = {
    "Abs": _UNARY,
    "Add": _ELEMENTWISE,
    "Ceil": _UNARY,
    "Celu": Operator(unary, ("alpha",)),
    "Clip": Operator(unary, ("max", "min")),
    "Cos": _UNARY,
    "Div": Operator(_div),
    "Elu": Operator(unary, ("alpha",)),
    "Erf": _UNARY,
    "Exp": _UNARY,
    "Floor": _UNARY,
    "Gelu": Operator(unary, ("approximate",)),
    "Gemm": Operator(_gemm, ("alpha", "beta", "transA", "transB")),
    "HardSigmoid": Operator(unary, ("alpha", "beta")),
    "HardSwish": _UNARY,
    "LeakyRelu": Operator(unary, ("alpha",)),
    "Log": _UNARY,
    "LogSoftmax": Operator(_softmax, ("axis",)),
    "MatMul": Operator(_matmul),
    "Max": _ELEMENTWISE,
    "Mean": _ELEMENTWISE,
    "Min": _ELEMENTWISE,
    "Mish": _UNARY,
    "Mod": Operator(_mod, ("fmod",)),
    "Mul": _ELEMENTWISE,
    "Neg": _UNARY,
    "PRelu": _ELEMENTWISE,
    "Pow": _ELEMENTWISE,
    "Reciprocal": _UNARY,
    "Relu": _UNARY,
    "Round": _UNARY,
    "Selu": Operator(unary, ("alpha", "gamma")),
    "Sigmoid": _UNARY,
    "Sign": _UNARY,
    "Sin": _UNARY,
    "Softmax": Operator(_softmax, ("axis",)),
    "Softplus": _UNARY,
    "Softsign": _UNARY,
    "Sqrt": _UNARY,
    "Sub": _ELEMENTWISE,
    "Sum": _ELEMENTWISE,
    "Swish": _UNARY,
    "Tanh": _UNARY,
    "ThresholdedRelu": Operator(unary, ("alpha",)),
    "TopK": Operator(_top_k, ("axis", "largest", "sorted"), integers=(1,)),
}
