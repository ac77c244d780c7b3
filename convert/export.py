"""Turn a rewritten network into an ONNX model that describes itself."""

from __future__ import annotations

import io
import json
import logging
import warnings
from typing import Any, cast

import numpy as np
import onnx
import onnxsim
import torch
from torch import nn

from runtime import __version__

from .checkpoint import Checkpoint
from .checkpoint.facts import readable
from .einsum import basic_einsum
from .errors import ConvertError, first_line

OPSET = 12
IR_VERSION = 7  # what opset 12 goes with; higher ones are refused by old readers

# Operators whose constants the exporter computes from the size of the example input.
FIXED_SIZE_OPERATORS = {"Reshape", "Expand", "Slice", "Flatten", "Gemm"}


def export_network(model: nn.Module, shape: tuple[int, int, int], outputs: list[str]) -> onnx.ModelProto:
    """Export to ONNX at opset 12 and simplify.

    `shape` is the input's, (channels, height, width); `outputs` the names of its outputs, in order.
    Raises ConvertError if the network cannot be exported, or comes out at another opset.
    """
    simplified = export_graph(model, (torch.zeros(1, *shape),), ["images"], outputs)
    simplified.ir_version = IR_VERSION
    _free_shuffles(simplified)
    _order_outputs(simplified.graph)
    del simplified.graph.value_info[:]
    return simplified


def export_graph(
    model: nn.Module, examples: tuple[torch.Tensor, ...], inputs: list[str], outputs: list[str]
) -> onnx.ModelProto:
    """Export any module to ONNX at opset 12 and simplify. The only place that calls PyTorch's exporter.

    Raises ConvertError as `export_network` does.
    """
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad(), basic_einsum():
            # it warns that sizes become constants, and that it is the old exporter: both are meant to be
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            torch.onnx.export(
                model,
                examples,
                cast(Any, buffer),
                dynamo=False,  # the new exporter writes opset 18, whatever is asked for
                opset_version=OPSET,
                input_names=inputs,
                output_names=outputs,
            )
    except Exception as error:  # the exporter raises all sorts, and none of them is the user's doing
        raise ConvertError(
            f"PyTorch {torch.__version__} cannot export this network: {first_line(error)}"
        ) from error
    exported = onnx.load_model_from_string(buffer.getvalue())
    opset = {entry.domain: entry.version for entry in exported.opset_import}.get("")
    if opset != OPSET:
        raise ConvertError(
            f"PyTorch {torch.__version__} has exported opset {opset}, although {OPSET} was asked for"
        )
    try:
        # OpenCV 4.8, 4.12 and 5.0 compute a convolution wrongly that pads more on one side than on the other
        simplified, _ = onnxsim.simplify(exported, skipped_optimizers=["fuse_pad_into_conv"])
    except Exception as error:
        raise ConvertError(f"onnxsim cannot simplify this network: {first_line(error)}") from error
    return simplified


def _order_outputs(graph: onnx.GraphProto) -> None:
    """Compute the outputs last, and in their own order: OpenCV 4.5 lists them in the order of computation."""
    order = {value.name: i for i, value in enumerate(graph.output)}
    read = {name for node in graph.node for name in node.input}
    last = [node for node in graph.node if node.output[0] in order and not read.intersection(node.output)]
    rest = [node for node in graph.node if not any(node is other for other in last)]
    last.sort(key=lambda node: order[node.output[0]])
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in rest + last]
    del graph.node[:]
    graph.node.extend(nodes)


def free_batch(model: onnx.ModelProto) -> bool:
    """Say of the graph that N, H and W are free, if they are. Returns whether they are.

    Only N becomes a symbol: with symbols for H and W, OpenCV 4.6 to 4.12 fail at the first Concat when they
    read the file, while they run a graph of stated H and W at any other size as well.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    pooled: set[str] = set()  # what has one size, whatever the input's
    free = True
    for node in model.graph.node:
        inputs = [name for name in node.input if name and name not in constants]
        if node.op_type == "GlobalAveragePool" or (inputs and pooled.issuperset(inputs)):
            pooled.update(node.output)
        if node.op_type in FIXED_SIZE_OPERATORS and not (
            node.op_type in ("Flatten", "Gemm") and pooled.issuperset(inputs)
        ):
            free &= node.op_type == "Reshape" and _copies_dims(constants.get(node.input[1]))
        elif _resizes_to_size(node):
            free = False
    if free:
        for value in [*model.graph.input, *model.graph.output]:
            value.type.tensor_type.shape.dim[0].dim_param = "N"
    return free


def _copies_dims(shape: onnx.TensorProto | None) -> bool:
    """Tell whether a Reshape to this shape takes N and W as they come, and whatever is left as H."""
    sizes = [] if shape is None else onnx.numpy_helper.to_array(shape).tolist()
    return len(sizes) == 4 and [sizes[0], *sizes[2:]] == [0, -1, 0]


def _free_shuffles(model: onnx.ModelProto) -> None:
    """Write the shapes of channel shuffles (`convert.layers.ShuffleV2Block`) so that they hold for any size.

    They are the only Reshapes of two maps joined by their rows, to (N, twice the channels, H, W).
    """
    graph = model.graph
    rows = {
        node.output[0]
        for node in graph.node
        if node.op_type == "Concat" and any(a.name == "axis" and a.i == 2 for a in node.attribute)
    }
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for i, node in enumerate(graph.node):
        shape = constants.get(node.input[1]) if node.op_type == "Reshape" and node.input[0] in rows else None
        sizes = [] if shape is None else onnx.numpy_helper.to_array(shape).tolist()
        if len(sizes) == 4:
            node.input[1] = f"shuffle{i}"
            graph.initializer.append(
                onnx.numpy_helper.from_array(np.array([0, sizes[1], -1, 0], np.int64), node.input[1])
            )
            read = {name for other in graph.node for name in other.input}
            if shape is not None and shape.name not in read:
                graph.initializer.remove(shape)


def _resizes_to_size(node: onnx.NodeProto) -> bool:
    """Tell whether this is a Resize to a size instead of by a factor."""
    return node.op_type == "Resize" and len(node.input) > 3 and bool(node.input[3])


def write_metadata(
    model: onnx.ModelProto,
    checkpoint: Checkpoint,
    imgsz: tuple[int, int],
    size_multiple: int,
    dynamic: bool,
    fold: int = 1,
    crop: str | None = None,
) -> None:
    """Write into the model what the runtime needs to know: task, names, size, and what its outputs mean.

    `crop` replaces a classifier's own.
    """
    values = {
        "task": checkpoint.model.head.task,
        "names": checkpoint.names,
        **checkpoint.metadata,
        "imgsz": list(imgsz),
        "dynamic": dynamic,
        "source": {"file": readable(checkpoint.path.name), "sha256": checkpoint.sha256},
    }
    if size_multiple != max(checkpoint.strides, default=1):
        values["size_multiple"] = size_multiple
    if crop is not None:
        values["crop"] = crop
    if checkpoint.model.channels() != 3:
        values["channels"] = checkpoint.model.channels()
    if fold > 1:
        values["fold"] = fold
    model.producer_name = "yolov5-dnn"
    model.producer_version = __version__
    model.graph.name = "yolov5"
    del model.metadata_props[:]
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    onnx.helper.set_model_props(model, texts)


def check_onnx(model: onnx.ModelProto) -> None:
    """Have the model judged by onnx.checker. Raises ConvertError if it is not valid."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConvertError(f"the finished model is not valid ONNX: {first_line(error)}") from error
