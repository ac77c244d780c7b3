"""`python -m runtime.serve export-triton`: the models as a repository for NVIDIA's Triton server."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..escape import escape
from ..outputs.atomic import write_atomic
from . import v2
from .admission import admit
from .repository import MODEL_FILE, search
from .served_model import ServedModel

MODEL_PY = Path(__file__).with_name("triton_model.py")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m runtime.serve export-triton",
        description="Write a repository for Triton's Python backend. Triton's Python needs this package: "
        "pip install yolov5-dnn. Inputs and outputs are those of `python -m runtime.serve`, except "
        "that pixels come as the input `pixels`, because Triton fixes an input's type.",
    )
    parser.add_argument("models", type=Path, metavar="MODELS", help="a model file or a repository")
    parser.add_argument("output", type=Path, metavar="OUT", help="the folder to write; made if it is missing")
    return parser.parse_args(argv)


def export(options: argparse.Namespace) -> int:
    """Write the repository; returns 0. Raises DetectorError, OSError if it cannot be written."""
    found = search(options.models)
    if not found:
        raise InputError(f"{options.models} holds no NAME/VERSION/{MODEL_FILE}")
    for name in found:
        if (options.output / name).exists():
            raise InputError(f"{options.output / name} is there already and will not be overwritten")
    for name, paths in found.items():
        folder = options.output / name
        for number, path in sorted(paths.items()):
            admit(path, {}, 1)
            model = ServedModel(name, number, path, 1, {})
            write_atomic(folder / str(number) / MODEL_FILE, path.read_bytes())
            write_atomic(folder / str(number) / "model.py", MODEL_PY.read_bytes())
        write_atomic(folder / "config.pbtxt", config(model).encode())
        print(f"{escape(str(folder))}: version {', '.join(map(str, sorted(paths)))}")
    return 0


def config(model: ServedModel) -> str:
    """Give a model's configuration in Triton's text format; outputs are those of this version."""
    configuration = v2.model_config(model, 1)
    inputs = [
        {"name": "image", "data_type": "TYPE_STRING", "dims": [-1], "optional": True},
        {"name": "pixels", "data_type": "TYPE_UINT8", "dims": [-1, -1, 3], "optional": True},
    ]
    lines = [f"name: {json.dumps(model.name)}", 'backend: "python"', "max_batch_size: 0"]
    for kind, tensors in (("input", inputs), ("output", configuration["output"])):
        for tensor in tensors:
            optional = " optional: true" if tensor.get("optional") else ""
            lines.append(
                f"{kind} {{ name: {json.dumps(tensor['name'])} data_type: {tensor['data_type']} "
                f"dims: {tensor['dims']}{optional} }}"
            )
    lines.append("instance_group { kind: KIND_CPU count: 1 }")
    return "\n".join(lines) + "\n"
