"""Einsum in basic operators: OpenCV before 4.9 has none, nor has the runtime's walk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.onnx import register_custom_op_symbolic, symbolic_helper, unregister_custom_op_symbolic

OPSET = 12
_NAME = "aten::einsum"


@contextmanager
def basic_einsum() -> Iterator[None]:
    """Within this context PyTorch's exporter writes an einsum of two tensors in basic operators."""
    register_custom_op_symbolic(_NAME, _einsum, OPSET)
    try:
        yield
    finally:
        unregister_custom_op_symbolic(_NAME, OPSET)


def _einsum(g: Any, equation: Any, tensors: Any, path: Any = None) -> Any:
    """Write the einsum as a product of matrices, or of elements and a sum; others stay an Einsum."""
    text = symbolic_helper._get_const(equation, "s", "equation").replace(" ", "")
    operands = symbolic_helper._unpack_list(tensors)
    inputs, arrow, output = text.partition("->")
    letters = inputs.split(",")
    plain = (
        arrow and len(operands) == 2 and len(letters) == 2 and (inputs + output).replace(",", "").isalpha()
    )
    if not plain or any(len(set(each)) < len(each) for each in letters):
        return g.op("Einsum", *operands, equation_s=text)
    shared = [c for c in letters[0] if c in letters[1]]
    summed = [c for c in dict.fromkeys(inputs.replace(",", "")) if c not in output]
    batch = [c for c in shared if c in output]
    free = [[c for c in each if c not in shared] for each in letters]
    if len(free[0]) == len(free[1]) == 1 and len(summed) == 1 and summed[0] in shared:
        left = _transposed(g, operands[0], letters[0], [*batch, *free[0], *summed])
        right = _transposed(g, operands[1], letters[1], [*batch, *summed, *free[1]])
        return _transposed(
            g, g.op("MatMul", left, right), "".join([*batch, *free[0], *free[1]]), list(output)
        )
    order = [*output, *summed]
    spread = []
    for operand, each in zip(operands, letters, strict=True):
        moved = _transposed(g, operand, each, [c for c in order if c in each])
        absent = [i for i, c in enumerate(order) if c not in each]
        spread.append(g.op("Unsqueeze", moved, axes_i=absent) if absent else moved)
    product = g.op("Mul", *spread)
    if not summed:
        return product
    return g.op("ReduceSum", product, axes_i=list(range(len(output), len(order))), keepdims_i=0)


def _transposed(g: Any, tensor: Any, letters: str, order: list[str]) -> Any:
    """Bring a tensor's dimensions, called by these letters, into this order."""
    perm = [letters.index(c) for c in order]
    return tensor if perm == sorted(perm) else g.op("Transpose", tensor, perm_i=perm)
