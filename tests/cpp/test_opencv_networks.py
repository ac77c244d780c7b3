"""Small random networks through cv2.dnn against onnxruntime: what cpp/opencv computes, and its neighbours.

With OpenCV from PyPI this tests OpenCV; `.ci/run engines` runs it with the build of cpp/opencv, whose kernels
it is for.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

onnx = pytest.importorskip("onnx", exc_type=ImportError)
onnxruntime = pytest.importorskip("onnxruntime", exc_type=ImportError)

pytestmark = pytest.mark.skipif(
    int(cv2.__version__.split(".")[0]) < 5, reason="older OpenCVs have another engine"
)

ACTIVATIONS = ["none", "silu", "relu", "leaky", "clip", "sigmoid"]
TOLERANCE = 5e-5


class Network:
    """A convolution with random parts around it, and the shapes of pictures that fit it."""

    def __init__(self, rng: np.random.Generator) -> None:
        kind = int(rng.integers(0, 8))
        self.kernel, self.stride, self.pad, self.inputs, self.group, self.dilation = [
            (3, 1, int(rng.integers(0, 2)), int(rng.integers(9, 70)), 1, 1),
            (3, 2, int(rng.integers(0, 2)), int(rng.integers(9, 70)), 1, 1),
            (1, 1, 0, int(rng.integers(9, 70)), 1, 1),
            (6, 2, 2, 3, 1, 1),
            (3, 1, 1, 12, 1, 1),
            (3, 2, 1, 3, 1, 1),
            (3, 1, 1, 16, 4, 1),  # the last two are for OpenCV's own kernels
            (3, 1, 2, 16, 1, 2),
        ][kind]
        self.outputs = int(rng.integers(1, 80)) if self.group == 1 else 4 * int(rng.integers(1, 20))
        self.activation = ACTIVATIONS[int(rng.integers(0, len(ACTIVATIONS)))]
        same_size = self.stride == 1 and 2 * self.pad == (self.kernel - 1) * self.dilation
        self.residual = ["", "before", "after"][int(rng.integers(0, 3))] if same_size else ""
        self.pool = bool(rng.integers(0, 4) == 0)
        self.first = "input" if self.inputs in (3, 12) or rng.integers(0, 2) else "relu"
        self.model = self._model(rng)

    def _model(self, rng: np.random.Generator) -> Any:
        helper, numpy_helper = onnx.helper, onnx.numpy_helper
        size, per_group = self.kernel, self.inputs // self.group
        weights = rng.standard_normal((self.outputs, per_group, size, size)) / np.sqrt(
            per_group * size * size
        )
        constants = {
            "w": weights,
            "b": rng.standard_normal(self.outputs),
            "low": np.zeros(()),
            "high": np.full((), 1.5),
        }
        nodes = []
        x = "x"
        if self.first == "relu":
            nodes.append(helper.make_node("Relu", ["x"], ["x1"]))
            x = "x1"
        if self.residual:
            constants["w2"] = rng.standard_normal((self.outputs, self.inputs, 1, 1)) / np.sqrt(self.inputs)
            nodes.append(helper.make_node("Conv", [x, "w2"], ["r"], kernel_shape=[1, 1]))
        shape: dict[str, Any] = {
            "kernel_shape": [size] * 2,
            "strides": [self.stride] * 2,
            "pads": [self.pad] * 4,
        }
        shape |= {"group": self.group, "dilations": [self.dilation] * 2}
        nodes.append(helper.make_node("Conv", [x, "w", "b"], ["y0"], **shape))
        y = "y0"
        if self.residual == "before":
            nodes.append(helper.make_node("Add", [y, "r"], ["y1"]))
            y = "y1"
        if self.activation == "silu":
            nodes.append(helper.make_node("Sigmoid", [y], ["s"]))
            nodes.append(helper.make_node("Mul", [y, "s"], ["y2"]))
        elif self.activation == "clip":
            nodes.append(helper.make_node("Clip", [y, "low", "high"], ["y2"]))
        elif self.activation != "none":
            name = {"relu": "Relu", "leaky": "LeakyRelu", "sigmoid": "Sigmoid"}[self.activation]
            nodes.append(
                helper.make_node(name, [y], ["y2"], **({"alpha": 0.1} if name == "LeakyRelu" else {}))
            )
        y = y if self.activation == "none" else "y2"
        if self.residual == "after":
            nodes.append(helper.make_node("Add", ["r", y], ["y3"]))
            y = "y3"
        if self.pool:
            nodes.append(
                helper.make_node("MaxPool", [y], ["y4"], kernel_shape=[5, 5], strides=[1, 1], pads=[2] * 4)
            )
            y = "y4"
        nodes[-1].output[0] = "out"
        used = {name for node in nodes for name in node.input}
        initializers = [
            numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items() if k in used
        ]
        float32 = onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            nodes,
            "network",
            [helper.make_tensor_value_info("x", float32, ["n", self.inputs, "h", "w"])],
            [helper.make_tensor_value_info("out", float32, ["n", self.outputs, "h2", "w2"])],
            initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        return model

    def __repr__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in vars(self).items() if name != "model")


def largest_error(network: Network, rng: np.random.Generator) -> float:
    content = network.model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
    names = net.getUnconnectedOutLayersNames()
    worst = 0.0
    # Large and small, as the method depends on it, and the first size once more, which has its weights ready.
    sizes = [
        (int(rng.integers(16, 60)), int(rng.integers(16, 60))),
        (int(rng.integers(8, 13)), int(rng.integers(8, 13))),
    ]
    for threads, (height, width) in zip((1, 2, 4), [*sizes, sizes[0]], strict=True):
        cv2.setNumThreads(threads)
        pictures = rng.standard_normal((int(rng.integers(1, 3)), network.inputs, height, width)).astype(
            np.float32
        )
        expected = session.run(None, {"x": pictures})[0]
        given = pictures.copy()
        net.setInput(given)
        given[...] = np.nan  # what was set is the network's own
        outputs = net.forward(names)[0]
        kept = outputs.copy()
        net.setInput(np.zeros_like(pictures))
        net.forward(names)
        assert np.array_equal(kept, outputs), "a result changed when the network ran again"
        assert outputs.shape == expected.shape
        worst = max(worst, float(np.abs(outputs - expected).max()))
    return worst


@pytest.mark.parametrize("seed", range(8))
def test_networks(seed: int) -> None:
    threads = cv2.getNumThreads()
    try:
        for number in range(12):
            rng = np.random.default_rng(1000 * seed + number)
            network = Network(rng)
            error = largest_error(network, rng)
            assert error < TOLERANCE, f"{error}: {network}"
    finally:
        cv2.setNumThreads(threads)
