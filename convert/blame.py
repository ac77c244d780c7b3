"""Find the layer of the owner's that cannot be exported or run, once a whole network could not be."""

from __future__ import annotations

import copy
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from .checkpoint import Checkpoint
from .checkpoint.pickle_names import escaped
from .errors import ConvertError, first_line
from .export import export_graph
from .rewrite import replace_layers

TOLERANCE = 1e-3


def blame(checkpoint: Checkpoint, size: tuple[int, int]) -> str:
    """Name the owner's layer that fails by itself, and the operator; an empty text if none does."""
    for path, layer, inputs in _own_layers(checkpoint, size):
        reason = _fails(layer, inputs)
        if reason is not None:
            return f" (layer {path}, {escaped(checkpoint.class_paths[type(layer)])}: {reason})"
    return ""


def _own_layers(
    checkpoint: Checkpoint, size: tuple[int, int]
) -> list[tuple[str, nn.Module, tuple[Any, ...]]]:
    """Give the owner's layers, the innermost first, and what each gets when the network is run."""
    found: list[tuple[str, nn.Module, tuple[Any, ...]]] = []
    handles = []
    for path, module in checkpoint.model.named_modules():
        if type(module) in checkpoint.own:

            def note(layer: nn.Module, inputs: tuple[Any, ...], path: str = path) -> None:
                found.append((path, layer, inputs))

            handles.append(module.register_forward_pre_hook(note))
    try:
        with torch.no_grad():
            checkpoint.model(torch.rand(1, checkpoint.model.channels(), *size))
    except Exception:  # what it has reached by then is what there is
        pass
    finally:
        for handle in handles:
            handle.remove()
    return found[::-1]


class _Alone(nn.Module):
    """A layer whose inputs, one tensor or a list of them, are all the network's."""

    def __init__(self, layer: nn.Module, listed: bool):
        super().__init__()
        self.layer, self.listed = layer, listed

    def forward(self, *tensors: Tensor) -> Any:
        return self.layer(list(tensors)) if self.listed else self.layer(*tensors)


def _fails(layer: nn.Module, inputs: tuple[Any, ...]) -> str | None:
    """Tell what is wrong with a layer by itself."""
    listed = len(inputs) == 1 and isinstance(inputs[0], list)
    tensors = tuple(inputs[0]) if listed else inputs
    if not all(isinstance(tensor, Tensor) for tensor in tensors):
        return None
    alone = _Alone(copy.deepcopy(layer), listed).eval()
    replace_layers(alone)
    names = [f"in{i}" for i in range(len(tensors))]
    try:
        model = export_graph(alone, tensors, names, ["out"])
    except ConvertError as error:
        return str(error)
    operators = ", ".join(sorted({node.op_type for node in model.graph.node}))
    try:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
        for name, tensor in zip(names, tensors, strict=True):
            net.setInput(tensor.numpy(), name)
        got = net.forward()
    except cv2.error as error:
        return f"OpenCV {cv2.__version__} does not run its operators, {operators} ({first_line(error)})"
    with torch.no_grad():
        expected = alone(*tensors)
    if isinstance(expected, Tensor) and got.shape == tuple(expected.shape):
        difference = np.abs(got - expected.numpy()).max() / max(float(expected.abs().max()), 1e-12)
        if difference <= TOLERANCE:
            return None
        return f"OpenCV {cv2.__version__} computes it differently ({difference:.2g}): {operators}"
    return None
