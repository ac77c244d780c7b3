"""Make `hostile_models.json`: model files to be refused before OpenCV sees them, and some to be taken.

    python tests/cases/make_hostile_models.py

Each case has a `name`; the `file`, base64; `refused`, a part of the sentence that refuses it, or null where
the file must be taken; perhaps `imgsz`, [h, w], an input size asked for at run time; and `shapes`, true where
shape inference refuses it, which the browser does without. Python, C++ and JavaScript read the same list.
Needs the onnx package.
"""

# One case a line, which ruff's formatter is kept from, reads like a table.
# ruff: noqa: E501

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runtime import ModelError
from runtime.model import file

Change = Callable[[onnx.ModelProto], None]
CHANNELS = 7  # one anchor, two classes


def model() -> onnx.ModelProto:
    """One head of stride 2 for images of 4 × 4: a convolution of 2 × 2 pixels."""
    weight = np.arange(CHANNELS * 12, dtype=np.float32).reshape(CHANNELS, 3, 2, 2) / 64
    graph = helper.make_graph(
        [
            helper.make_node(
                "Conv", ["images", "w", "b"], ["out0"], "head", kernel_shape=[2, 2], strides=[2, 2]
            )
        ],
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("out0", TensorProto.FLOAT, [1, CHANNELS, 2, 2])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.zeros(CHANNELS, np.float32), "b")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    props = {"names": ["a", "b"], "strides": [2], "anchors": [[[10, 13]]], "imgsz": [4, 4], "task": "detect"}
    helper.set_model_props(
        made, {key: json.dumps(value) for key, value in {**props, "dynamic": True}.items()}
    )
    return made


def before(made: onnx.ModelProto, *nodes: onnx.NodeProto, constants: dict[str, Any] | None = None) -> None:
    """Put nodes, which lead from `images` to `x`, before the convolution."""
    made.graph.node[0].input[0] = "x"
    nodes = (*nodes, *made.graph.node)
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    for name, value in (constants or {}).items():
        made.graph.initializer.append(numpy_helper.from_array(np.array(value), name))


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def one(operator: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs or ["images"], ["x"], "it", **attributes)


def put(operator: str, *inputs: str, constants: dict[str, Any] | None = None, **attributes: Any) -> Change:
    """The change that puts one node before the convolution."""
    return lambda made: before(made, one(operator, *inputs, **attributes), constants=constants)


def conv(**attributes: Any) -> Change:
    """The change that gives the convolution other attributes."""

    def change(made: onnx.ModelProto) -> None:
        node = made.graph.node[0]
        kept = [a for a in node.attribute if a.name not in attributes]
        del node.attribute[:]
        node.attribute.extend(kept)
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())

    return change


def tensor(**fields: Any) -> Change:
    """The change that sets fields of the convolution's weight."""

    def change(made: onnx.ModelProto) -> None:
        for name, value in fields.items():
            if isinstance(value, list):
                made.graph.initializer[0].ClearField(name)
                getattr(made.graph.initializer[0], name).extend(value)
            else:
                setattr(made.graph.initializer[0], name, value)

    return change


def weights(value: float, dtype: str = "float32") -> Change:
    """The change that puts one number among the weights."""

    def change(made: onnx.ModelProto) -> None:
        numbers = numpy_helper.to_array(made.graph.initializer[0]).astype(dtype)
        numbers[3, 1, 1, 0] = value
        made.graph.initializer[0].CopyFrom(numpy_helper.from_array(numbers, "w"))

    return change


def external(location: str) -> Change:
    def change(made: onnx.ModelProto) -> None:
        weight = made.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)

    return change


def reading(name: str) -> Change:
    def change(made: onnx.ModelProto) -> None:
        made.graph.node[0].input[1] = name

    return change


def edit(statement: str) -> Change:
    """The change that a line of Python makes to `m`, the model."""
    return lambda made: exec(statement, {**globals(), "m": made, "g": made.graph})


def doubling(times: int, axis: int = 1) -> Change:
    """A chain of Concats, each of its value with itself."""

    def change(made: onnx.ModelProto) -> None:
        names = ["images", *(f"c{i}" for i in range(times))]
        nodes = [helper.make_node("Concat", [a, a], [b], b, axis=axis) for a, b in pairwise(names)]
        before(made, *nodes, helper.make_node("Slice", [names[-1], "s", "e"], ["x"]))
        made.graph.initializer.append(numpy_helper.from_array(np.array([0, 0, 0, 0]), "s"))
        made.graph.initializer.append(numpy_helper.from_array(np.array([1, 3, 4, 4]), "e"))

    return change


def swish(
    body: list[onnx.NodeProto] | None = None, name: str = "Swish", domain: str = "yolov5_dnn"
) -> Change:
    def change(made: onnx.ModelProto) -> None:
        before(made, helper.make_node(name, ["images"], ["x"], "it", domain=domain))
        nodes = body or [
            helper.make_node("Sigmoid", ["x"], ["g"]),
            helper.make_node("Mul", ["x", "g"], ["y"]),
        ]
        made.functions.append(
            helper.make_function(domain, name, ["x"], ["y"], nodes, [helper.make_opsetid("", 12)])
        )
        made.opset_import.append(helper.make_opsetid(domain, 1))

    return change


INF, NAN = float("inf"), float("nan")

CASES: list[tuple[str, Change | None, str | None]] = [
    ("as it is", None, None),
    ("Swish as a function of the file", swish(), None),
    ("a function of another name", swish(name="Swash"), "it defines a function 'Swash'"),
    ("a function of another domain", swish(domain="evil"), "it defines a function 'Swish'"),
    (
        "a function Swish that does something else",
        swish([helper.make_node("Relu", ["x"], ["g"]), helper.make_node("Mul", ["x", "g"], ["y"])]),
        "it defines a function 'Swish'",
    ),
    ("an operator of another domain", edit("g.node[0].domain = 'evil'"), "of the unknown domain 'evil'"),
    # tensors
    ("external data, absolute", external("/etc/passwd"), "the tensor 'w' keeps its numbers in another file"),
    ("external data, relative", external("../../secret"), "the tensor 'w' keeps its numbers in another file"),
    ("external data beside raw data", edit("g.initializer[0].external_data.add(key='location', value='x')"), "the tensor 'w' keeps its numbers in another file"),
    ("data_location 7 as an unknown enum", edit("g.initializer[0].data_location = 1"), "the tensor 'w' keeps its numbers in another file"),
    ("external data within a Constant", put("Constant", "", value=TensorProto(name="t", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)), "the tensor 't' keeps its numbers in another file"),
    ("fewer bytes than its dims", tensor(dims=[10_000_000, 3, 2, 2]), "has 336 bytes, not the 120000000 numbers of type float32"),
    ("more bytes than its dims", tensor(dims=[1, 3, 2, 2]), "has 336 bytes, not the 12 numbers of type float32"),
    ("dims whose product is beyond 64 bits", tensor(dims=[1 << 30] * 8), "the tensor 'w' has"),
    ("dims whose product wraps round to the payload", tensor(dims=[1 << 30, 1 << 30, 1 << 4, 84]), "the tensor 'w' has"),
    ("a dim below 0", tensor(dims=[-7, 3, -2, 2]), "the tensor 'w' has unusable dimensions"),
    ("a dim of 2 to the power of 40", tensor(dims=[1 << 40, 0, 2, 2]), "the tensor 'w' has unusable dimensions"),
    ("nine dims", tensor(dims=[1] * 9), "the tensor 'w' has unusable dimensions"),
    ("no payload at all", edit("g.initializer[0].ClearField('raw_data')"), "the tensor 'w' does not keep its numbers where"),
    ("float_data too short", edit("g.initializer[0].ClearField('raw_data'); g.initializer[0].float_data.extend([1, 2])"), "has 8 bytes, not the 84 numbers of type float32"),
    ("float_data of the right length", edit("g.initializer[0].ClearField('raw_data'); g.initializer[0].float_data.extend([1] * 84)"), None),
    ("float_data beside raw_data", edit("g.initializer[0].float_data.extend([1] * 84)"), "the tensor 'w' does not keep its numbers where"),
    ("int32_data of a float tensor", edit("g.initializer[0].ClearField('raw_data'); g.initializer[0].int32_data.extend([1] * 84)"), "the tensor 'w' does not keep its numbers where"),
    ("a tensor of texts", tensor(data_type=8), "the tensor 'w' is of the type 8"),
    ("a tensor of type 0", tensor(data_type=0), "the tensor 'w' is of the type 0"),
    ("a tensor of type 99", tensor(data_type=99), "the tensor 'w' is of the type 99"),
    ("int8 weights", lambda m: m.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((CHANNELS, 3, 2, 2), np.int8), "w")), "reads integers, 'w', where it needs floating-point numbers"),
    ("float16 weights", weights(1, "float16"), None),
    ("a segment of a tensor", edit("g.initializer[0].segment.begin = 0; g.initializer[0].segment.end = 4"), "the tensor 'w' is of the type 1"),
    ("NaN among the weights", weights(NAN), "the tensor 'w' holds numbers that are not finite"),
    ("infinity among the weights", weights(INF), "the tensor 'w' holds numbers that are not finite"),
    ("minus infinity among float16 weights", weights(-INF, "float16"), "the tensor 'w' holds numbers that are not finite"),
    ("NaN among float64 weights", weights(NAN, "float64"), "the tensor 'w' holds numbers that are not finite"),
    ("NaN in float_data", edit("g.initializer[0].ClearField('raw_data'); g.initializer[0].float_data.extend([NAN] * 84)"), "the tensor 'w' holds numbers that are not finite"),
    ("NaN within a Constant", lambda m: before(m, helper.make_node("Constant", [], ["k"], "k", value=numpy_helper.from_array(floats(NAN), "t")), one("Add", "images", "k")), "the tensor 't' holds numbers that are not finite"),
    ("two tensors of one name", edit("g.initializer.append(g.initializer[0])"), "it has two tensors called 'w'"),
    ("a tensor without a name", edit("g.initializer[0].name = ''"), "a tensor has no name"),
    ("sparse tensors", edit("g.sparse_initializer.add()"), "it has sparse tensors"),
    # wiring
    ("reads what nobody writes", reading("missing"), "the node 'head' (Conv) reads 'missing', which nothing before it writes"),
    ("reads its own output", reading("out0"), "reads 'out0', which nothing before it writes"),
    ("nodes in the wrong order", edit("before(m, one('Relu')); g.node.append(g.node[0]); g.node.pop(0)"), "the node 'head' (Conv) reads 'x', which nothing before it writes"),
    ("writes a name twice", lambda m: before(m, one("Relu"), one("Relu")), "the node 'it' (Relu) writes 'x', which is there already"),
    ("writes over a weight", edit("g.node[0].output[0] = 'b'"), "writes 'b', which is there already"),
    ("an output that nobody writes", edit("g.output[0].name = 'elsewhere'"), "its output 'elsewhere' is written by nothing"),
    ("no outputs", edit("g.ClearField('output')"), "it has no outputs"),
    ("no inputs", edit("g.ClearField('input')"), "it does not have exactly one input of the shape (N, C, H, W)"),
    ("two inputs", edit("g.input.append(helper.make_tensor_value_info('more', 1, [1, 3, 4, 4]))"), "it does not have exactly one input of the shape (N, C, H, W)"),
    ("a weight listed as an input, too", edit("g.input.append(helper.make_tensor_value_info('w', 1, [7, 3, 2, 2]))"), None),
    ("an input of three sides", edit("g.input[0].type.tensor_type.shape.dim.pop()"), "it does not have exactly one input of the shape (N, C, H, W)"),
    ("an input of other channels", edit("g.input[0].type.tensor_type.shape.dim[1].dim_value = 4"), "1 groups do not fit the channels"),
    ("free N, H and W", edit("[setattr(g.input[0].type.tensor_type.shape.dim[i], 'dim_param', 'd%d' % i) for i in (0, 2, 3)]"), None),
    ("an input of a negative size", edit("g.input[0].type.tensor_type.shape.dim[2].dim_value = -4"), "has a dimension below 0 or too large"),
    ("a huge batch", edit("g.input[0].type.tensor_type.shape.dim[0].dim_value = 2000000000"), "needs more than 4 GiB of values"),
    ("a node without outputs", edit("g.node[0].ClearField('output')"), "the node 'head' (Conv) has 3 inputs and 0 outputs"),
    ("a graph within a node", edit("g.node[0].attribute.append(helper.make_attribute('body', g))"), "is of a kind that no network needs"),
    ("an attribute that refers to another", edit("g.node[0].attribute[0].ref_attr_name = 'x'"), "is of a kind that no network needs"),
    ("an attribute of two kinds", edit("g.node[0].attribute[0].floats.append(1)"), "is of a kind that no network needs"),
    ("an attribute twice", edit("g.node[0].attribute.append(g.node[0].attribute[0])"), "twice"),
    ("an attribute that ONNX has not", conv(num_output=1), "has the unknown attribute num_output"),
    ("an attribute that is not finite", put("LeakyRelu", alpha=NAN), "the attribute alpha of the node 'it' (LeakyRelu) is not finite"),
    ("a layer of OpenCV's own", put("Region"), "the node 'it' (Region) is of an operator that is unknown here"),
    ("an operator with a terminal's escape", put("Relu\x1b[31m"), r"the node 'it' (Relu\x1b[31m) is of an operator that is unknown here"),
    ("a name with a line break and an override", reading("a\r\n‮b"), r"reads 'a\r\n\u202eb', which nothing before it writes"),
    ("part of a training", edit("m.training_info.add()"), "it has a part for training"),
    ("a name of 2000 bytes", reading("x" * 2000), "is longer than 1024 bytes"),
    ("metadata twice", edit("m.metadata_props.append(m.metadata_props[0])"), "it has the metadata 'names' twice"),
    ("200 texts of metadata", edit("[m.metadata_props.add(key=str(i), value='1') for i in range(200)]"), "it has more than 100 texts of metadata"),
    # operators
    ("a stride of 0", conv(strides=[0, 2]), "strides is [0, 2]"),
    ("a stride below 0", conv(strides=[2, -2]), "strides is [2, -2]"),
    ("a stride of 2 to the power of 62", conv(strides=[1 << 62, 2]), "strides is [4611686018427387904, 2]"),
    ("one stride for two sides", conv(strides=[2]), "strides is [2]"),
    ("strides that are a text", conv(strides="22"), "strides is not a list"),
    ("a dilation of 0", conv(dilations=[1, 0]), "dilations is [1, 0]"),
    ("a kernel of 0", conv(kernel_shape=[0, 2]), "kernel_shape is [0, 2]"),
    ("a kernel that is not the weight's", conv(kernel_shape=[3, 2]), "its weight is not of its kernel's size"),
    ("a kernel larger than the image", conv(dilations=[8, 8]), "its kernel of 9 is larger than the 4 it slides along"),
    ("0 groups", conv(group=0), "0 groups do not fit the channels"),
    ("groups below 0", conv(group=-1), "-1 groups do not fit the channels"),
    ("groups that do not divide", conv(group=3), "3 groups do not fit the channels"),
    ("pads below 0", conv(pads=[-1, 0, 0, 0]), "pads is [-1, 0, 0, 0]"),
    ("pads by the million", conv(pads=[0, 0, 5_000_000, 0]), "pads is [0, 0, 5000000, 0]"),
    ("a bias of another length", lambda m: m.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.zeros(3, np.float32), "b")), "its bias has another length"),
    ("a MaxPool of 0", put("MaxPool", kernel_shape=[0, 0], strides=[0, 0]), "kernel_shape is [0, 0]"),
    ("a MaxPool without a kernel", put("MaxPool"), "kernel_shape is []"),
    ("a MaxPool whose pads are as wide as its kernel", put("MaxPool", kernel_shape=[2, 2], pads=[2, 0, 0, 0]), "its pads are as wide as its kernel"),
    ("an AveragePool that leaves nothing", put("AveragePool", kernel_shape=[5, 5]), "its kernel of 5 is larger than the 4 it slides along"),
    ("a MaxPool that is fine", put("MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), None),
    ("a Resize by 1e9", put("Resize", "images", "", "s", constants={"s": floats(1, 1, 1e9, 1e9)}), "its scale is"),
    ("a Resize to gigabytes", put("Resize", "images", "", "s", constants={"s": floats(1, 1, 8000, 8000)}), "needs more than 4 GiB of values"),
    ("a Resize by 0", put("Resize", "images", "", "s", constants={"s": floats(1, 1, 0, 2)}), "its scale is"),
    ("a Resize of channels", put("Resize", "images", "", "s", constants={"s": floats(1, 2, 1, 1)}), "it scales more than height and width"),
    ("an Upsample whose scales are texts", put("Upsample", scales=[b"1", b"1", b"2", b"2"]), "scales is not a list of numbers"),
    ("an Upsample whose scales are whole numbers", put("Upsample", scales=[1, 1, 2, 2]), "scales is not a list of numbers"),
    ("a Resize that is fine", put("Resize", "images", "", "s", constants={"s": floats(1, 1, 2, 2)}), None),
    ("a Resize to a size", put("Resize", "images", "", "", "s", constants={"s": ints(1, 3, 8, 8)}), None),
    ("40 doubling Concats", doubling(40), "needs more than 4 GiB of values"),
    ("three doubling Concats", doubling(3), None),
    ("a Concat of sides that differ", lambda m: before(m, helper.make_node("MaxPool", ["images"], ["p"], "p", kernel_shape=[2, 2]), one("Concat", "images", "p", axis=1)), "their dimensions differ"),
    ("a Concat along a side that is not there", put("Concat", "images", "images", axis=9), "there is no axis 9"),
    ("an Add of sides that differ", put("Add", "images", "k", constants={"k": np.zeros((1, 5, 1, 1), np.float32)}), "their shapes do not broadcast"),
    ("an Add that spreads", put("Add", "images", "k", constants={"k": np.zeros((1, 3, 1, 1), np.float32)}), None),
    ("a Reshape to more than there is", put("Reshape", "images", "s", constants={"s": ints(1, 3, 1000, 1000)}), "its shape holds another number of values"),
    ("a Reshape whose shape is computed", put("Reshape", "images", "images"), "input 1 is not a constant of few numbers"),
    ("a Reshape that is fine", put("Reshape", "images", "s", constants={"s": ints(1, 3, -1, 4)}), None),
    ("a Transpose that is no order", put("Transpose", perm=[0, 1, 1, 3]), "its perm is not an order of the dimensions"),
    ("a Slice that leaves nothing", put("Slice", "images", "s", "e", constants={"s": ints(0, 3), "e": ints(1, 3)}), "it leaves nothing"),
    ("a Slice with a step of 0", put("Slice", "images", "s", "s", "s", "s", constants={"s": ints(0)}), "its lists differ in length"),
    ("a Split into more than there is", put("Split", axis=1, split=[5]), "its parts are not the whole"),
    ("a Split below 0", lambda m: before(m, helper.make_node("Split", ["images"], ["x", "y"], "it", axis=1, split=[5, -2])), "its parts are not the whole"),
    ("a Pad of a million", put("Pad", "images", "p", constants={"p": ints(0, 0, 0, 0, 0, 0, 1_000_000, 0)}), "its pads are not two for each dimension"),
    ("an Expand to gigabytes", put("Expand", "images", "s", constants={"s": ints(1 << 30, 3, 4, 4)}), "needs more than 4 GiB of values"),
    ("a Tile to gigabytes", put("Tile", "images", "s", constants={"s": ints(1, 1, 30000, 30000)}), "needs more than 4 GiB of values"),
    ("a Cast to whole numbers", put("Cast", to=7), "it casts to a type without fractions"),
    ("a Gemm of four sides", put("Gemm", "images", "w"), "it needs two matrices"),
    ("a BatchNormalization of other channels", put("BatchNormalization", "images", "k", "k", "k", "k", constants={"k": np.ones(2, np.float32)}), "it does not have one number per channel"),
    ("a Constant without a value", lambda m: before(m, helper.make_node("Constant", [], ["x"], "it")), "it holds no tensor"),
    ("a Constant of texts", lambda m: before(m, helper.make_node("Constant", [], ["x"], "it", value_ints=[b"1", b"a"])), "it holds no tensor"),
    ("a Constant whose number is a tensor", lambda m: before(m, helper.make_node("Constant", [], ["x"], "it", value_int=numpy_helper.from_array(np.zeros(2, np.float32), "t"))), "it holds no tensor"),
    ("an attribute of another operator", conv(alpha=1.0), "has the unknown attribute alpha"),
    ("a Resize with antialias", put("Resize", "images", "", "s", constants={"s": floats(1, 1, 2, 2)}, antialias=1), "has another antialias than OpenCV takes, 0"),
    ("a Resize that keeps the aspect ratio", put("Resize", "images", "", "s", constants={"s": floats(1, 1, 2, 2)}, keep_aspect_ratio_policy="not_larger"), "has another keep_aspect_ratio_policy than OpenCV takes, 'stretch'"),
    ("a Resize with the defaults of opset 18", put("Resize", "images", "", "s", constants={"s": floats(1, 1, 2, 2)}, antialias=0, exclude_outside=0, keep_aspect_ratio_policy="stretch"), None),
    ("a default of another type", put("Resize", "images", "", "s", constants={"s": floats(1, 1, 2, 2)}, antialias=0.0), "has another antialias than OpenCV takes, 0"),
    ("a BatchNormalization in training", put("BatchNormalization", "images", "k", "k", "k", "k", constants={"k": np.ones(3, np.float32)}, training_mode=1), "has another training_mode than OpenCV takes, 0"),
    ("a ReduceMean of nothing", put("ReduceMean", "images", keepdims=1, noop_with_empty_axes=1), "has another noop_with_empty_axes than OpenCV takes, 0"),
    ("a GroupNormalization", put("GroupNormalization", "images", "k", "k", constants={"k": np.ones(3, np.float32)}, num_groups=3, stash_type=1), None),
    ("a GroupNormalization of 2 groups", put("GroupNormalization", "images", "k", "k", constants={"k": np.ones(3, np.float32)}, num_groups=2), "2 groups do not fit the channels"),
    ("a GroupNormalization of 0 groups", put("GroupNormalization", "images", "k", "k", constants={"k": np.ones(3, np.float32)}), "0 groups do not fit the channels"),
    ("a Gather that is fine", put("Gather", "images", "i", constants={"i": ints(2, 0, 1)}, axis=1), None),
    ("a Gather beyond what is there", put("Gather", "images", "i", constants={"i": ints(2, 0, 3)}, axis=1), "its indices go beyond what is there"),
    ("a Gather from below 0", put("Gather", "images", "i", constants={"i": ints(2, 0, -1)}, axis=1), "it has an index below 0"),
    ("a Gather whose indices are computed", put("Gather", "images", "images", axis=1), "its indices are computed in an unknown way"),
    ("a Gather of 9 dimensions", put("Gather", "images", "i", constants={"i": np.zeros([1] * 6, np.int64)}, axis=1), "it makes too many dimensions"),
    ("a GatherElements beyond what is there", put("GatherElements", "images", "i", constants={"i": np.full((1, 3, 4, 4), 4)}, axis=2), "its indices go beyond what is there"),
    ("a GatherElements of other sides", put("GatherElements", "images", "i", constants={"i": np.zeros((1, 4, 4, 4), np.int64)}, axis=2), "their dimensions differ"),
    ("a TopK of more than there is", lambda m: before(m, helper.make_node("TopK", ["images", "k"], ["x", "i"], "it", axis=1), constants={"k": ints(4)}), "there are fewer numbers than it takes"),
    ("a TopK and what it takes", lambda m: before(m, helper.make_node("TopK", ["images", "k"], ["v", "i"], "top", axis=1), helper.make_node("Div", ["i", "k"], ["h"], "half"), one("GatherElements", "images", "h", axis=1), constants={"k": ints(3)}), None),
    ("what a TopK takes, from a smaller side", lambda m: before(m, helper.make_node("TopK", ["images", "k"], ["v", "i"], "top", axis=2), one("GatherElements", "images", "i", axis=1), constants={"k": ints(3)}), "its indices go beyond what is there"),
    ("a Mod of 0", lambda m: before(m, helper.make_node("TopK", ["images", "k"], ["v", "i"], "top", axis=1), helper.make_node("Mod", ["i", "z"], ["h"], "it"), one("GatherElements", "images", "h", axis=1), constants={"k": ints(3), "z": ints(0)}), "its divisor is not one positive integer"),
    ("a Mod of other numbers", put("Mod", "images", "k", constants={"k": floats(1)}), "it is of other numbers than indices"),
    ("a Pad of axes", put("Pad", "images", "p", "", "a", constants={"p": ints(0, 0, 1, 1), "a": ints(2, 3)}), "its axes are an input"),
    ("a Conv without a weight", edit("del g.node[0].input[1:]"), "an input or output is missing"),
    ("a Conv whose weight is left out", reading(""), "input 1 is left out"),
]  # fmt: skip


def field(number: int, payload: bytes) -> bytes:
    """A field of bytes in protobuf's wire format."""
    length, out = len(payload), bytearray([*varint(number << 3 | 2)])
    out += varint(length)
    return bytes(out) + payload


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def raw_cases() -> Iterator[tuple[str, bytes, str | None]]:
    """Files that no ONNX library would write."""
    good = model().SerializeToString()
    graph = model().graph
    yield "two graphs", good + field(7, graph.SerializeToString()), "the field graph occurs twice"
    yield "unknown fields", good + field(500, b"anything") + b"\x98\x3f\x05", None
    yield "a group", good + b"\x0b\x0c", "the wire type 3"
    yield "the field number 0", good + b"\x02\x00", "a field number is 0"
    yield "a graph that is a number", b"\x38\x05", "the field graph at byte 0 has the wire type 0"
    yield "cut short", good[:-3], "it ends in the midst"
    yield "a number that never ends", b"\xff" * 20, "a number is longer than ten bytes"
    yield "a length beyond the end", good + b"\x72\xff\xff\xff\xff\x07", "it ends in the midst of the field"
    yield "no graph", b"\x08\x08", "it holds no graph"
    yield "no bytes at all", b"", "it holds no graph"
    yield "more fields than a file may have", good + b"\x08\x08" * 10, None
    wire = graph.initializer[0].SerializeToString()
    other = model()
    del other.graph.initializer[0]
    for name, extra, message in (
        ("raw_data twice", field(9, b"\0" * 336), "the field raw_data occurs twice"),
        ("data_type twice", b"\x10\x01", "the field data_type occurs twice"),
        ("float_data in two pieces", field(4, b"\0" * 8) * 2, "the field float_data occurs twice"),
        ("float_data number by number", b"\x25\0\0\0\0", "the field float_data at byte"),
    ):
        cut = other.graph.SerializeToString() + field(5, wire + extra)
        rest = onnx.ModelProto()
        rest.CopyFrom(other)
        rest.ClearField("graph")
        yield name, rest.SerializeToString() + field(7, cut), message
    hidden = "the node 'it' (Swish) has a field 15, which ONNX does not know"
    longer = "the node 'it' (Swish) writes the field of its domain longer than it is"
    short = field(7, b"yolov5_dnn")
    for name, domain, message in (
        ("a domain that is hidden already", short + field(15, b"yolov5_dnn"), hidden),
        ("a domain whose number takes two bytes", b"\xba\x00" + short[1:], longer),
        ("a domain whose length takes two bytes", short[:1] + b"\x8a\x00" + short[2:], longer),
    ):
        made = model()
        swish()(made)
        made.graph.node[0].ClearField("domain")
        nodes = [made.graph.node[0].SerializeToString() + domain, made.graph.node[1].SerializeToString()]
        del made.graph.node[:]
        cut = b"".join(field(1, node) for node in nodes) + made.graph.SerializeToString()
        made.ClearField("graph")
        yield name, made.SerializeToString() + field(7, cut), message


def sized_cases() -> Iterator[tuple[str, onnx.ModelProto, list[int], str | None]]:
    """Files that are fine as they stand, and the sizes that they are asked to run at."""
    yield "larger, but fine", model(), [640, 640], None
    wide = model()
    before(
        wide,
        helper.make_node("Conv", ["images", "k"], ["x"], "wide", kernel_shape=[1, 1]),
        constants={"k": np.ones((64, 3, 1, 1), np.float32)},
    )
    wide.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.ones((CHANNELS, 64, 2, 2), np.float32), "w")
    )
    yield (
        "64 channels of 8192 × 8192",
        wide,
        [8192, 8192],
        "for an input of 8192 × 8192 it needs more than 4 GiB",
    )
    yield "64 channels of 2048 × 2048", wide, [2048, 2048], None
    fixed = model()
    before(fixed, one("Reshape", "images", "s"), constants={"s": ints(1, 3, 4, 4)})
    yield "a fixed size within", fixed, [8, 8], "its shape holds another number of values"


def read_alone(content: bytes) -> bool:
    """Whether the file would be read if shapes were not inferred, as in the browser."""
    check_size, file.check_size = file.check_size, lambda graph, shape: [(1, 1, 1, 1)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "case.onnx"
            path.write_bytes(content)
            file.read_model(path)
    except ModelError:
        return False
    finally:
        file.check_size = check_size
    return True


def main() -> None:
    cases: list[dict[str, Any]] = []

    def add(name: str, content: bytes, refused: str | None, **more: Any) -> None:
        if refused and read_alone(content):
            more["shapes"] = True
        cases.append({"name": name, "file": base64.b64encode(content).decode(), "refused": refused, **more})

    for name, change, refused in CASES:
        made = model()
        if change:
            change(made)
        add(name, made.SerializeToString(), refused)
    for name, content, refused in raw_cases():
        add(name, content, refused)
    for name, made, imgsz, refused in sized_cases():
        add(name, made.SerializeToString(), refused, imgsz=imgsz)
    path = Path(__file__).with_name("hostile_models.json")
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
