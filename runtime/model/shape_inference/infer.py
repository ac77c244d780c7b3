"""How much a network computes and holds at an input size: the shapes of all its values, from its graph alone.

One rule for each operator (in `operators`), from the shapes of its inputs to those of its outputs. They cover
what YOLOv5 networks consist of once they are exported, and the usual operators of other convolutional
networks. A graph with any other operator or attribute is refused: OpenCV would take it for any layer or
option of its own, from whatever framework.
Operators: https://github.com/onnx/onnx/blob/v1.16.0/docs/Operators.md
"""

from __future__ import annotations

import math

from ..graph import Graph, GraphError
from ..tensors import show
from . import index as places
from . import math as arithmetic
from . import nn as sliding
from . import tensor as arranging
from .context import MisfitError, Operands, Rule, Shape

MAX_ALIVE = 1 << 30  # numbers that a forward pass may hold at one time: 4 GiB of float32
MAX_WORK = 10**13  # multiplications of one forward pass; the largest YOLOv5 at 1280 × 1280 has 4 · 10¹¹

RULES: dict[str, Rule] = {**sliding.RULES, **arranging.RULES, **arithmetic.RULES, **places.RULES}

WHOLE = {
    *("DequantizeLinear", "Expand", "Gather", "GatherElements", "Pad", "QuantizeLinear"),
    *("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Reshape", "Resize"),
    *("Slice", "Split", "Squeeze", "Tile", "TopK", "Unsqueeze", "Upsample"),
}
"""Operators that read constants of whole numbers: sizes, axes, quantized weights."""

KEEPS = {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
"""Operators whose results count the places that their first input counts."""

ATTRIBUTES = {
    *("allowzero", "alpha", "antialias", "approximate", "auto_pad", "axes", "axis", "beta", "blocksize"),
    *("ceil_mode", "coordinate_transformation_mode", "count_include_pad", "cubic_coeff_a"),
    *("dilations", "ends", "epsilon", "exclude_outside", "extrapolation_value"),
    *("fmod", "gamma", "group", "keepdims", "kernel_shape", "largest"),
    *("max", "min", "mode", "momentum", "nearest_mode", "noop_with_empty_axes", "num_outputs"),
    *("output_padding", "pads", "perm", "ratio"),
    *("scales", "seed", "shape", "sorted", "spatial", "split", "starts", "steps", "storage_order", "strides"),
    *("to", "training_mode", "transA", "transB"),
    *("value", "value_float", "value_floats", "value_int", "value_ints"),
}
"""ONNX's own attributes of the operators here."""


def check_size(graph: Graph, shape: Shape) -> list[Shape]:
    """Check what the network computes for an input of this shape (N, C, H, W) (6 and 7 in `model_graph`).

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
    limits: dict[bytes, int] = {}
    alive, work = math.prod(shape), 0
    for i, node in enumerate(graph.nodes):
        rule = RULES.get(node.op_type)
        if rule is None:
            free = "; export it again with simplify and without dynamic" if node.op_type == "Shape" else ""
            raise GraphError(f"{node.title} is of an operator that is unknown here{free}")
        for attribute in node.attributes:
            if attribute not in ATTRIBUTES:
                raise GraphError(f"{node.title} has the unknown attribute {attribute}")
        operands = Operands(node, shapes, constants, limits)
        for name in node.inputs:
            whole = node.op_type in WHOLE or node.inputs[0] in limits
            if name in constants and constants[name].values.dtype.kind != "f" and not whole:
                raise GraphError(f"{node.title} reads whole numbers, {show(name)}, where it needs others")
        try:
            made = rule(operands)
        except (MisfitError, IndexError) as error:
            met = ", ".join("×".join(map(str, shapes[name])) or "1" for name in node.inputs[:8] if name)
            reason = str(error) if isinstance(error, MisfitError) else "an input or output is missing"
            raise GraphError(f"{node.title} does not fit its inputs of {met}: {reason}") from error
        if len(made) < len(node.outputs):
            raise GraphError(f"{node.title} has {len(node.outputs)} outputs")
        work += operands.work
        for output, result in zip(node.outputs, made, strict=False):
            if output:
                if node.op_type in KEEPS and node.inputs[0] in limits:
                    limits[output] = limits[node.inputs[0]]
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
