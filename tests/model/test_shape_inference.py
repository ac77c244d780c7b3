"""The shapes of values, by ONNX's own word for them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from runtime.model.file import read_model

CASES = json.loads((Path(__file__).parents[1] / "cases" / "shape_inference.json").read_text(encoding="utf-8"))
INPUT = (1, 4, 8, 6)  # of all of them


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_shapes_are_those_of_onnx(case, tmp_path):
    path = tmp_path / "one.onnx"
    path.write_bytes(base64.b64decode(case["file"]))
    assert [list(shape) for shape in read_model(path).check_input(INPUT)] == case["outputs"]
