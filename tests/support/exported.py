"""Model files as other exporters write them, made with the onnx package alone; they find red, too.

The head is `onnx_models.red_network`'s; behind it stands what the exporters put there: the grid arithmetic of
YOLOv5's `export.py`, or boxes and classes side by side as of `ultralytics`, or the best n alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
from onnx import TensorProto, helper, numpy_helper

SIZE = 64
CELLS = [(SIZE // stride) ** 2 for stride in onnx_models.STRIDES]
NAMES = "{0: 'plain', 1: 'bluish \\'\\u00e9\"'}"  # as str() writes a dict
YOLOV5 = {"stride": "32", "names": NAMES}
YOLOV8 = {
    "description": "Ultralytics YOLOv8n model trained on red.yaml",
    "author": "Ultralytics",
    "date": "2024-05-01T12:00:00.000000",
    "version": "8.2.0",
    "license": "AGPL-3.0 License (https://ultralytics.com/license)",
    "docs": "https://docs.ultralytics.com",
    "stride": "32",
    "task": "detect",
    "batch": "1",
    "imgsz": "[64, 64]",
    "names": NAMES,
}


class Graph:
    """Nodes behind the head of the red network, and the constants that they read."""

    def __init__(self, anchors: int = 1) -> None:
        self.pairs = [np.tile(np.array(pairs, np.float32), (anchors, 1)) for pairs in onnx_models.ANCHORS]
        model = onnx_models.red_network(anchors=[pairs.tolist() for pairs in self.pairs], imgsz=(SIZE, SIZE))
        self.nodes, self.weights = list(model.graph.node), list(model.graph.initializer)
        self.input = list(model.graph.input)

    def add(self, operator: str, inputs: list[Any], *, outputs: int = 1, **attributes: Any) -> str:
        """Append a node; arrays among its inputs become constants. Gives its output, or the first of them."""
        named = []
        for each in inputs:
            if not isinstance(each, str):
                self.weights.append(numpy_helper.from_array(np.asarray(each), f"constant{len(self.weights)}"))
                each = self.weights[-1].name
            named.append(each)
        made = [f"{operator}{len(self.nodes)}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, named, made, f"/model.24/{made[0]}", **attributes))
        return made[0]

    def write(self, path: Path, output: str, shape: tuple[int, ...], metadata: dict[str, str]) -> Path:
        """Write the file; `output` becomes its one output, "output0"."""
        self.nodes.append(helper.make_node("Identity", [output], ["output0"], "last"))
        outputs = [helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, "main_graph", self.input, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)
        model.producer_name, model.producer_version = "pytorch", "2.3.0"
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(path))
        return path


def grid(cells: int) -> np.ndarray:
    """Column and row of each cell of a square map, float32 (1, 1, ny, nx, 2)."""
    side = round(cells**0.5)
    y, x = np.mgrid[:side, :side]
    return np.stack((x, y), axis=-1).astype(np.float32)[None, None]


def yolov5(path: Path, metadata: dict[str, str] | None = None, classes: int = 2) -> Path:
    """Write what `export.py` of YOLOv5 writes: (1, 3 · cells, 5 + classes); those above 2 are never there."""
    graph, parts = Graph(anchors=3), []
    for i, (stride, cells, pairs) in enumerate(zip(onnx_models.STRIDES, CELLS, graph.pairs, strict=True)):
        side = SIZE // stride
        maps = graph.add("Reshape", [f"out{i}", np.array([1, 3, 7, side, side])])
        raw = graph.add("Sigmoid", [graph.add("Transpose", [maps], perm=[0, 1, 3, 4, 2])])
        xy = graph.add("Split", [raw], outputs=3, axis=4, split=[2, 2, 3])
        wh, rest = xy.replace(".0", ".1"), xy.replace(".0", ".2")
        doubled = graph.add("Mul", [xy, np.float32(2)])
        moved = graph.add(
            "Add", [doubled, np.broadcast_to(grid(cells) - np.float32(0.5), (1, 3, side, side, 2)).copy()]
        )
        centre = graph.add("Mul", [moved, np.float32(stride)])
        power = graph.add("Pow", [graph.add("Mul", [wh, np.float32(2)]), np.float32(2)])
        anchors = np.broadcast_to(pairs[None, :, None, None], (1, 3, side, side, 2)).copy()
        joined = graph.add("Concat", [centre, graph.add("Mul", [power, anchors]), rest], axis=4)
        parts.append(graph.add("Reshape", [joined, np.array([1, 3 * cells, 7])]))
    output = graph.add("Concat", parts, axis=1)
    if classes > 2:
        output = graph.add("Concat", [output, np.zeros((1, 3 * sum(CELLS), classes - 2), np.float32)], axis=2)
    return graph.write(
        path, output, (1, 3 * sum(CELLS), 5 + classes), YOLOV5 if metadata is None else metadata
    )


def _columns(graph: Graph) -> str:
    """Boxes and classes side by side, (1, 4 + 2, cells): σ(objectness) · σ(class) counts as the class."""
    parts = []
    for i, (stride, cells, pairs) in enumerate(zip(onnx_models.STRIDES, CELLS, graph.pairs, strict=True)):
        maps = graph.add("Sigmoid", [graph.add("Reshape", [f"out{i}", np.array([1, 7, cells])])])
        box = graph.add("Split", [maps], outputs=3, axis=1, split=[4, 1, 2])
        score = graph.add("Mul", [box.replace(".0", ".2"), box.replace(".0", ".1")])
        middle = (grid(cells).reshape(cells, 2).T + np.float32(0.5)) * np.float32(stride)
        sizes = np.broadcast_to(pairs[0][:, None], (2, cells))
        known = np.concatenate((middle, sizes))[None].astype(np.float32)
        still = graph.add("Mul", [box, np.float32(0)])  # the red network's box logits are 0 anyway
        parts.append(graph.add("Concat", [graph.add("Add", [still, known]), score], axis=1))
    return graph.add("Concat", parts, axis=2)


def yolov8(path: Path, metadata: dict[str, str] | None = None) -> Path:
    """Write what `ultralytics` writes of YOLOv8: (1, 6, cells)."""
    graph = Graph()
    return graph.write(path, _columns(graph), (1, 6, sum(CELLS)), YOLOV8 if metadata is None else metadata)


def end_to_end(path: Path, metadata: dict[str, str] | None = None, n: int = 10) -> Path:
    """Write an end-to-end network, (1, n, 6), choosing the n best as YOLOv10 does."""
    graph = Graph()
    rows = graph.add("Transpose", [_columns(graph)], perm=[0, 2, 1])
    box = graph.add("Split", [rows], outputs=2, axis=2, split=[4, 2])
    best = graph.add("ReduceMax", [box.replace(".0", ".1")], axes=[2], keepdims=0)
    top = graph.add("TopK", [best, np.array([n])], outputs=2, axis=1)
    cell = graph.add("Unsqueeze", [top.replace(".0", ".1")], axes=[2])
    boxes = graph.add("GatherElements", [box, graph.add("Tile", [cell, np.array([1, 1, 4])])], axis=1)
    scores = graph.add(
        "GatherElements", [box.replace(".0", ".1"), graph.add("Tile", [cell, np.array([1, 1, 2])])], axis=1
    )
    top = graph.add("TopK", [graph.add("Flatten", [scores], axis=1), np.array([n])], outputs=2, axis=1)
    place = top.replace(".0", ".1")
    row = graph.add("Unsqueeze", [graph.add("Div", [place, np.array(2)])], axes=[2])
    row = graph.add("Tile", [row, np.array([1, 1, 4])])
    box = graph.add(
        "Split", [graph.add("GatherElements", [boxes, row], axis=1)], outputs=2, axis=2, split=[2, 2]
    )
    half = graph.add("Mul", [box.replace(".0", ".1"), np.float32(0.5)])
    corners = [graph.add("Sub", [box, half]), graph.add("Add", [box, half])]
    score = graph.add("Unsqueeze", [top], axes=[2])
    classes = graph.add("Unsqueeze", [graph.add("Mod", [place, np.array(2)])], axes=[2])
    output = graph.add("Concat", [*corners, score, graph.add("Cast", [classes], to=1)], axis=2)
    return graph.write(path, output, (1, n, 6), YOLOV8 if metadata is None else metadata)


def final(path: Path, class_id: float, metadata: dict[str, str] | None = None) -> Path:
    """Write a network whose 40 boxes, (1, 40, 6), are of one class each."""
    graph = Graph()
    rows = graph.add("Transpose", [_columns(graph)], perm=[0, 2, 1])
    rows = graph.add("Slice", [rows, np.array([0]), np.array([40]), np.array([1])])
    box = graph.add("Split", [rows], outputs=3, axis=2, split=[4, 1, 1])
    score = box.replace(".0", ".1")
    classes = graph.add("Add", [graph.add("Mul", [score, np.float32(0)]), np.float32(class_id)])
    return graph.write(
        path,
        graph.add("Concat", [box, score, classes], axis=2),
        (1, 40, 6),
        YOLOV8 if metadata is None else metadata,
    )


def other(path: Path, shape: tuple[int, ...], metadata: dict[str, str] | None = None) -> Path:
    """Write a network whose one output has the shape, for an input of SIZE²."""
    graph = Graph()
    pooled = graph.add("GlobalAveragePool", ["out0"])
    flat = graph.add("Slice", [pooled, np.array([0]), np.array([1]), np.array([1])])
    one = graph.add("Reshape", [flat, np.ones(len(shape), np.int64)])
    output = graph.add("Add", [one, np.zeros(shape, np.float32)])
    return graph.write(path, output, shape, {} if metadata is None else metadata)
