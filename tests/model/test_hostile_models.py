"""Model files that would harm OpenCV: each is refused with the sentence that the golden list has for it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from runtime import ModelError
from runtime.model.file import read_model
from runtime.tasks.read_info import read_info

CASES = json.loads((Path(__file__).parents[1] / "cases" / "hostile_models.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_golden_list(case, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(base64.b64decode(case["file"]))

    def read() -> None:
        file = read_model(path)
        if "imgsz" in case:
            file.check_input(read_info(file.metadata, path).input_shape(tuple(case["imgsz"])))

    if case["refused"] is None:
        read()
        return
    with pytest.raises(ModelError) as refusal:
        read()
    text = str(refusal.value)
    assert case["refused"] in text
    assert text.isprintable()
    assert len(text) < 600 + len(str(path))
