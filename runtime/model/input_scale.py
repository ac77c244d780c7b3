"""Which pixels a network of another exporter takes: from 0 to 1, or from 0 to 255, which it scales itself."""

from __future__ import annotations

import numpy as np

from .graph import Graph, Node
from .tensors import Tensor

_PASSING = ("Cast", "Identity", "Transpose", "Reshape")  # they change no number


def input_scale(graph: Graph) -> int:
    """Tell by what the graph does to its input before anything else: 255 if it brings 0 … 255 to about 0 … 1.

    A division by 255, or a mean of 123, is one of pixels from 0 to 255; 0.485 is one of pixels from 0 to 1.
    """
    constants = {name: tensor for name, tensor in graph.tensors.items() if tensor.values.size}
    value = graph.input
    for node in graph.nodes:
        if node.op_type == "Constant":
            tensor = node.attributes.get("value")
            if isinstance(tensor, Tensor):
                constants[node.outputs[0]] = tensor
        elif value in node.inputs:
            if node.op_type in _PASSING:
                value = node.outputs[0]
                continue
            return _scale_of(node, value, constants)
    return 1


def _scale_of(node: Node, value: bytes, constants: dict[bytes, Tensor]) -> int:
    """What the first node that changes numbers says; its other input has to be a constant."""
    others = [constants.get(name) for name in node.inputs if name != value]
    if node.op_type not in ("Div", "Mul", "Sub", "Add") or len(others) != 1 or others[0] is None:
        return 1
    size = float(np.abs(others[0].values.astype(np.float64)).max(initial=0))
    large = 0 < size < 0.05 if node.op_type == "Mul" else size > 50
    return 255 if large and (node.op_type != "Div" or node.inputs[0] == value) else 1
