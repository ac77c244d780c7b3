"""ONNX's group `logical`: comparisons and what they are joined by."""

from __future__ import annotations

from .context import Operator, elementwise, unary

_ELEMENTWISE = Operator(elementwise)

OPERATORS: dict[str, Operator] = {
    "And": _ELEMENTWISE,
    "Equal": _ELEMENTWISE,
    "Greater": _ELEMENTWISE,
    "Less": _ELEMENTWISE,
    "Not": Operator(unary),
    "Or": _ELEMENTWISE,
}
