"""How close head maps are to PyTorch's in 64 bits: `python head_maps.py MODEL.onnx… --images IMAGE…`.

Run it in an environment with OpenCV from PyPI and in one with the own build. The graph is computed by PyTorch
node by node, in 64 and in 32 bits, so it needs PyTorch and onnx; models are those that `python -m convert`
writes, of the portable kind. Prints a line for each model: the largest difference and the root of the mean
square, of cv2.dnn and of PyTorch's own 32 bits. Exit code 1 if cv2.dnn is 1e-4 off anywhere.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from torch.nn import functional

LIMIT = 1e-4


def compute(model: Any, picture: np.ndarray, dtype: torch.dtype) -> list[np.ndarray]:
    """Run a graph in PyTorch; gives its outputs. picture: (1, C, H, W). Raises NotImplementedError."""
    values: dict[str, Any] = {model.graph.input[0].name: torch.from_numpy(picture)}
    for tensor in model.graph.initializer:
        values[tensor.name] = torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
    values = {name: v.to(dtype) if v.is_floating_point() else v for name, v in values.items()}
    for node in model.graph.node:
        given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        x = [values.get(name) for name in node.input]
        values[node.output[0]] = apply(node.op_type, x, given)
    return [values[output.name].numpy() for output in model.graph.output]


def apply(operator: str, x: list[Any], given: dict[str, Any]) -> Any:
    """Compute one operator of the graphs that `convert` writes."""
    pads = given.get("pads", [0] * 4)
    if operator in ("Conv", "MaxPool") and pads[:2] != pads[2:]:
        raise NotImplementedError("pads that differ from side to side")
    if operator == "Conv":
        bias = x[2] if len(x) > 2 else None
        return functional.conv2d(
            x[0], x[1], bias, given["strides"], pads[:2], given["dilations"], given["group"]
        )
    if operator == "MaxPool":
        return functional.max_pool2d(x[0], given["kernel_shape"], given["strides"], pads[:2])
    if operator == "Sigmoid":
        return torch.sigmoid(x[0])
    if operator == "Mul":
        return x[0] * x[1]
    if operator == "Add":
        return x[0] + x[1]
    if operator == "Concat":
        return torch.cat(x, given["axis"])
    if operator == "Resize":
        return functional.interpolate(x[0], scale_factor=2, mode="nearest")
    if operator == "Constant":
        return torch.from_numpy(onnx.numpy_helper.to_array(given["value"]).copy())
    raise NotImplementedError(f"the operator {operator}")


def picture(path: str) -> np.ndarray:
    """Read an image as a network's input, scaled to 640 pixels and padded to multiples of 64."""
    image = cv2.imread(path)
    if image is None:
        sys.exit(f"error: {path} is no image that OpenCV reads")
    scale = 640 / max(image.shape[:2])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    bottom, right = (-side % 64 for side in image.shape[:2])
    image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(114, 114, 114))
    planes = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)[None])
    return planes.astype(np.float32) / np.float32(255)


def main() -> int:
    """Compare the models that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--images", nargs="+", required=True)
    options = parser.parse_args()
    worst = 0.0
    print(f"cv2 {cv2.__version__}, {Path(cv2.__file__).parent}")
    print(f"{'':32s} {'cv2.dnn max':>12s} {'rms':>9s} {'PyTorch max':>12s} {'rms':>9s}")
    for path in options.models:
        model, net = onnx.load(path), cv2.dnn.readNetFromONNX(str(path))
        outputs = [output.name for output in model.graph.output]
        differences: dict[str, list[np.ndarray]] = {"cv2": [], "torch": []}
        for name in options.images:
            given = picture(name)
            exact = compute(model, given, torch.float64)
            rounded = compute(model, given, torch.float32)
            net.setInput(given)
            for a, b, c in zip(exact, rounded, net.forward(outputs), strict=True):
                differences["torch"].append((b - a).ravel())
                differences["cv2"].append((c.reshape(a.shape) - a).ravel())
        row = []
        for kind in ("cv2", "torch"):
            errors = np.concatenate(differences[kind])
            row += [np.abs(errors).max(), np.sqrt(np.mean(errors**2))]
        worst = max(worst, row[0])
        print(f"{path.stem:32s} {row[0]:12.1e} {row[1]:9.1e} {row[2]:12.1e} {row[3]:9.1e}", flush=True)
    return int(not worst < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
