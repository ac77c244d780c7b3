"""How much a network computes and holds at an input size: the shapes of all its values, from its graph alone.

One record for each operator, from the groups beside this file. They cover what YOLOv5 networks consist of
once they are exported, and the usual operators of other convolutional networks. A graph with any other
operator or attribute is refused: OpenCV would take it for any layer or option of its own, from whatever
framework.
Operators: https://github.com/onnx/onnx/blob/v1.16.0/docs/Operators.md
"""

from __future__ import annotations

import math

from ...escape import escape_value
from ..foreign import UNSUPPORTED
from ..graph import Graph, GraphError, Node
from ..tensors import Tensor, show
from . import logical, nn, quantization, reduction, tensor
from . import math as arithmetic
from .context import InferenceContext, InferenceError, Operator, Shape

MAX_ALIVE = 1 << 30  # numbers that a forward pass may hold at one time: 4 GiB of float32
MAX_WORK = 10**13  # multiplications of one forward pass; the largest YOLOv5 at 1280 × 1280 has 4 · 10¹¹

OPERATORS: dict[str, Operator] = {
    **arithmetic.OPERATORS,
    **logical.OPERATORS,
    **nn.OPERATORS,
    **quantization.OPERATORS,
    **reduction.OPERATORS,
    **tensor.OPERATORS,
}


def check_size(graph: Graph, shape: Shape) -> list[Shape]:
    """Check what the network computes for an input of this shape (N, C, H, W) (6 and 7 in `graph`).

    Returns the shapes of the outputs. Raises GraphError, which names the operator that does not fit, or the
    budget.
    """
    if graph.input_dims[1] not in (None, shape[1]):
        raise GraphError(f"its input has {graph.input_dims[1]} channels, not {shape[1]}")
    shapes: dict[bytes, Shape] = {name: tensor.dims for name, tensor in graph.tensors.items()}
    shapes[graph.input] = shape
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    last_use.update(dict.fromkeys(graph.outputs, len(graph.nodes)))
    constants = dict(graph.tensors)
    index_limits: dict[bytes, int] = {}
    alive, work = math.prod(shape), 0
    for i, node in enumerate(graph.nodes):
        operator = _operator(node)
        _check_integers(node, operator, constants, index_limits)
        context = InferenceContext(node, shapes, constants, index_limits)
        try:
            made = operator.rule(context)
        except (InferenceError, IndexError) as error:
            met = ", ".join("×".join(map(str, shapes[name])) or "1" for name in node.inputs[:8] if name)
            reason = str(error) if isinstance(error, InferenceError) else "an input or output is missing"
            raise GraphError(f"{node.title} does not fit its inputs of {met}: {reason}") from error
        if len(made) < len(node.outputs):
            raise GraphError(f"{node.title} has {len(node.outputs)} outputs")
        work += context.multiplications
        for output, result in zip(node.outputs, made, strict=False):
            if output:
                if operator.keeps_index and node.inputs[0] in index_limits:
                    index_limits[output] = index_limits[node.inputs[0]]
                if 0 in result and node.op_type != "Constant":
                    raise GraphError(f"{node.title} leaves nothing of its input")
                shapes[output] = result
                alive += math.prod(result)
        if alive > MAX_ALIVE or work > MAX_WORK:
            raise GraphError(
                f"for an input of {shape[2]} × {shape[3]} it needs more than {MAX_ALIVE * 4 >> 30} GiB of "
                f"values or {MAX_WORK:.0e} multiplications, from {node.title} on"
            )
        for name in {*node.inputs, *node.outputs}:
            if name and name not in graph.tensors and last_use.get(name, i) == i:
                alive -= math.prod(shapes[name])
    return [shapes[name] for name in graph.outputs]


def _operator(node: Node) -> Operator:
    """Look the node's operator up. Raises GraphError for an unknown one, or one with other attributes."""
    operator = OPERATORS.get(node.op_type)
    if operator is None:
        reason = f"; {UNSUPPORTED[node.op_type]}" if node.op_type in UNSUPPORTED else ""
        raise GraphError(f"{node.title} is of an operator that is unknown here{reason}")
    for name, value in node.attributes.items():
        if name not in operator.attributes:
            if name not in operator.defaults:
                raise GraphError(f"{node.title} has the unknown attribute {name}")
            default = operator.defaults[name]
            if type(value) is not type(default) or value != default:
                raise GraphError(f"{node.title} has another {name} than OpenCV takes, {_show(default)}")
    return operator


def _show(default: int | bytes) -> str:
    return escape_value(default.decode()) if isinstance(default, bytes) else str(default)


def _check_integers(
    node: Node, operator: Operator, constants: dict[bytes, Tensor], index_limits: dict[bytes, int]
) -> None:
    """Check that constants of integers stand only where the operator takes such. Raises GraphError."""
    for i, name in enumerate(node.inputs):
        if name not in constants or constants[name].values.dtype.kind == "f":
            continue
        if i not in operator.integers and node.inputs[0] not in index_limits:
            raise GraphError(
                f"{node.title} reads integers, {show(name)}, where it needs floating-point numbers"
            )
