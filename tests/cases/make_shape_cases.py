"""Make `shape_inference.json`: what ONNX itself says of the shapes that single operators give.

    python tests/cases/make_shape_cases.py

Each case has a `name`; the `file`, base64, a network of one operator; and `outputs`, the shapes of its
outputs for the input that it states, as `onnx.shape_inference` infers them: an oracle that is none of ours.
Python and C++ read the same list; the browser has no shape rules. Needs the onnx package.
"""

# One case a line, which ruff's formatter is kept from, reads like a table.
# ruff: noqa: E501

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

INPUT = (1, 4, 8, 6)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


class Chain:
    """A network: `add` appends an operator that reads what the one before it gave; arrays are constants."""

    def __init__(self, opset: int = 13) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.last = ["images"]

    def add(self, operator: str, *inputs: Any, outputs: int = 1, read: int = 0, **attributes: Any) -> Chain:
        named = [self.last[read]] if operator != "Constant" else []
        for each in inputs:
            if not isinstance(each, str):
                self.weights.append(numpy_helper.from_array(np.asarray(each), f"k{len(self.weights)}"))
                each = self.weights[-1].name
            named.append(each)
        self.last = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, named, self.last, f"it{len(self.nodes)}", **attributes))
        return self

    def model(self) -> onnx.ModelProto:
        """The file, whose outputs' shapes are ONNX's own."""
        image = helper.make_tensor_value_info("images", TensorProto.FLOAT, INPUT)
        graph = helper.make_graph(self.nodes, "one", [image], [], self.weights)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in self.last)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        del model.graph.value_info[:]
        helper.set_model_props(model, {"anchors": "[]"})  # so that it counts as one of this house
        onnx.checker.check_model(model, full_check=True)
        return model


def one(operator: str, *inputs: Any, opset: int = 13, **rest: Any) -> Chain:
    return Chain(opset).add(operator, *inputs, **rest)


UNARY = "Abs Ceil Celu Clip Cos Elu Erf Exp Floor HardSigmoid HardSwish LeakyRelu Log Neg Reciprocal Relu Round Selu Sigmoid Sign Sin Softplus Softsign Sqrt Tanh ThresholdedRelu"
BINARY = "Add Div Max Mean Min Mul Pow PRelu Sub Sum"
REDUCING = "ReduceL2 ReduceMax ReduceMean ReduceMin"

CASES: dict[str, Chain] = {
    **{operator: one(operator, opset=14) for operator in UNARY.split()},
    **{f"{operator} of one a channel": one(operator, floats(4, 1, 1)) for operator in BINARY.split()},
    **{f"{operator} along H and W": one(operator, axes=[2, 3]) for operator in REDUCING.split()},
    **{f"{operator} without its side": one(operator, axes=[1], keepdims=0) for operator in REDUCING.split()},
    **{f"{operator} of all": one(operator) for operator in REDUCING.split()},
    "Add that makes larger": one("Add", floats(5, 1, 1, 8, 6)),
    "BatchNormalization": one("BatchNormalization", *[floats(4)] * 4),
    "Cast to float64": one("Cast", to=11),
    "Concat along the channels": one("Concat", floats(1, 3, 8, 6), "images", axis=1),
    "Concat along the last side": one("Concat", floats(1, 4, 8, 1), axis=-1),
    "Constant": one("Constant", value=numpy_helper.from_array(floats(2, 3), "t")),
    "Constant, a list": one("Constant", value_floats=[1.0, 2.0]),
    "Constant, a number": one("Constant", value_float=1.0),
    "Conv": one("Conv", floats(5, 4, 3, 3), floats(5)),
    "Conv with pads and strides": one("Conv", floats(5, 4, 3, 3), pads=[0, 1, 2, 3], strides=[2, 1]),
    "Conv with dilations and groups": one("Conv", floats(6, 2, 3, 2), group=2, dilations=[2, 3], pads=[1] * 4),
    "Conv, SAME_UPPER": one("Conv", floats(5, 4, 3, 3), auto_pad="SAME_UPPER", strides=[3, 2]),
    "Conv, VALID": one("Conv", floats(5, 4, 3, 3), auto_pad="VALID"),
    "ConvTranspose": one("ConvTranspose", floats(4, 3, 2, 2), strides=[2, 2]),
    "ConvTranspose with all": one("ConvTranspose", floats(4, 3, 3, 3), group=2, strides=[2, 3], pads=[1, 0, 1, 2], dilations=[2, 1], output_padding=[1, 2]),
    "DepthToSpace": one("DepthToSpace", blocksize=2),
    "Dropout": one("Dropout"),
    "Expand": one("Expand", ints(3, 1, 1, 1, 6)),
    "Flatten": one("Flatten"),
    "Flatten from axis 0": one("Flatten", axis=0),
    "Flatten from axis -1": one("Flatten", axis=-1),
    "Gather of a list": one("Gather", ints(3, 0, 1), axis=1),
    "Gather of one": one("Gather", np.array(2), axis=3),
    "Gather of two dimensions": one("Gather", np.array([[0, 1], [1, 0]]), axis=1),
    "GatherElements": one("GatherElements", np.zeros((1, 4, 2, 6), np.int64), axis=2),
    "Gelu": one("Gelu", opset=20),
    "Gemm": one("Flatten").add("Gemm", floats(192, 7), floats(7)),
    "Gemm, transposed": one("Flatten").add("Gemm", floats(7, 192), transB=1),
    "GlobalAveragePool": one("GlobalAveragePool"),
    "GlobalMaxPool": one("GlobalMaxPool"),
    "Identity": one("Identity"),
    "InstanceNormalization": one("InstanceNormalization", floats(4), floats(4)),
    "LayerNormalization": one("LayerNormalization", floats(6), floats(6), opset=17, stash_type=1),
    "LogSoftmax": one("LogSoftmax", axis=1),
    "MatMul": one("MatMul", floats(6, 9)),
    "MatMul that broadcasts": one("MatMul", floats(3, 1, 6, 2)),
    "MaxPool": one("MaxPool", kernel_shape=[3, 3], pads=[1] * 4),
    "MaxPool with ceil_mode": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "AveragePool": one("AveragePool", kernel_shape=[2, 3], strides=[2, 1], count_include_pad=1),
    "Mish": one("Mish", opset=18),
    "Pad": one("Pad", ints(0, 0, 1, 2, 0, 0, 3, 4)),
    "Pad that cuts": one("Pad", ints(0, 0, -1, 0, 0, 0, -2, 0)),
    "Pad by an attribute": one("Pad", pads=[0, 0, 1, 0, 0, 0, 0, 2], mode="reflect", opset=10),
    "QuantizeLinear and back": one("QuantizeLinear", np.float32(0.1), np.uint8(3)).add("DequantizeLinear", np.float32(0.1), np.uint8(3)),
    "ReduceSum": one("ReduceSum", ints(1)),
    "ReduceMean with axes as an input": one("ReduceMean", ints(2, 3), keepdims=0, opset=18),
    "Reshape": one("Reshape", ints(0, -1, 3, 2)),
    "Resize by scales": one("Resize", "", np.array([1, 1, 2, 1.5], np.float32), mode="nearest"),
    "Resize to a size": one("Resize", "", "", ints(1, 4, 5, 17), mode="linear"),
    "Resize of opset 18 with its defaults": one("Resize", "", np.array([1, 1, 2, 2], np.float32), mode="nearest", antialias=0, keep_aspect_ratio_policy="stretch", exclude_outside=0, opset=18),
    "Resize of opset 10": one("Resize", np.array([1, 1, 2, 2], np.float32), opset=10),
    "Slice": one("Slice", ints(1, -3), ints(3, 1 << 40), ints(1, 2)),
    "Slice with steps": one("Slice", ints(0, 5), ints(8, -100), ints(2, 3), ints(3, -2)),
    "Slice by attributes": one("Slice", starts=[1], ends=[-1], axes=[2], opset=9),
    "Softmax": one("Softmax", axis=1),
    "SpaceToDepth": one("SpaceToDepth", blocksize=2),
    "Split in halves": one("Split", axis=2, outputs=2),
    "Split as told": one("Split", ints(1, 3), axis=1, outputs=2),
    "Split by an attribute": one("Split", axis=3, split=[1, 2, 3], outputs=3, opset=11),
    "Split of opset 18": one("Split", axis=2, num_outputs=3, outputs=3, opset=18),
    "Squeeze": one("Squeeze", ints(0)),
    "Squeeze by an attribute": one("Squeeze", axes=[0], opset=11),
    "Tile": one("Tile", ints(2, 1, 3, 1)),
    "TopK": one("TopK", ints(3), axis=1, outputs=2),
    "Transpose": one("Transpose", perm=[0, 2, 3, 1]),
    "Transpose without perm": one("Transpose"),
    "Unsqueeze": one("Unsqueeze", ints(0, -1)),
    "Unsqueeze by an attribute": one("Unsqueeze", axes=[2], opset=11),
    "Upsample": one("Upsample", np.array([1, 1, 2, 3], np.float32), opset=9),
    "Upsample by an attribute": one("Upsample", scales=[1.0, 1.0, 2.0, 2.0], opset=7),
}  # fmt: skip


def main() -> None:
    cases = []
    for name, chain in CASES.items():
        model = chain.model()
        shapes = [[dim.dim_value for dim in out.type.tensor_type.shape.dim] for out in model.graph.output]
        file = base64.b64encode(model.SerializeToString()).decode()
        cases.append({"name": name, "file": file, "outputs": shapes})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    path = Path(__file__).with_name("shape_inference.json")
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
