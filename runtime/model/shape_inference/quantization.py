"""ONNX's group `quantization`: to integers of 8 bits and back."""

from __future__ import annotations

from .context import InferenceContext, Operator, Shape, normalize_axis, require


def _quantize(ctx: InferenceContext) -> list[Shape]:
    """With one scale, or one a channel."""
    x = ctx.shape(0)
    axis = normalize_axis(ctx.integer("axis", 1), len(x)) if len(x) > 1 else 0
    for shape in (ctx.shape(i) for i in range(1, max(2, len(ctx.shapes)))):
        require(
            shape in ((), (1,), x[axis : axis + 1]),
            "its scale is neither one number nor one for each channel",
        )
    return [x]


_DEFAULTS = {"block_size": 0, "output_dtype": 0, "precision": 0, "saturate": 1}

OPERATORS: dict[str, Operator] = {
    "DequantizeLinear": Operator(_quantize, ("axis",), _DEFAULTS, integers=(0, 2)),
    "QuantizeLinear": Operator(_quantize, ("axis",), _DEFAULTS, integers=(2,)),
}
