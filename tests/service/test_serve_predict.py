"""Pictures as curl sends them: in a form, and as they are."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("tritonclient", reason="needs the extra `serve`")
pytest.importorskip("fastapi", reason="needs the extra `serve`")
onnx_models = pytest.importorskip("onnx_models", reason="needs onnx")

from pictures import encode, red_picture  # noqa: E402
from serving import Server, serving  # noqa: E402

RED = encode(red_picture(), ".png")
PREDICT = "/v2/models/red/predict"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("predict")
    with serving(folder, onnx_models.write(folder / "red.onnx"), "--workers", "1") as running:
        yield running


def form(*files: bytes, name: str = "file") -> tuple[bytes, str]:
    parts = [
        f'--xyz\r\nContent-Disposition: form-data; name="{name}"; filename="{i}.png"\r\n'
        "Content-Type: image/png\r\n\r\n".encode()
        + file
        + b"\r\n"
        for i, file in enumerate(files)
    ]
    return b"".join(parts) + b"--xyz--\r\n", "multipart/form-data; boundary=xyz"


@pytest.mark.parametrize(
    "kind", ["image/png", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_a_picture_as_it_is(server: Server, kind: str) -> None:
    status, answer = server.ask(PREDICT, RED, Content_Type=kind)
    assert status == 200, answer
    assert answer["predictions"][0]["names"] == ["plain"]
    assert server.ask(f"{PREDICT}?conf_thres=1", RED, Content_Type=kind)[1]["predictions"][0]["names"] == []


def test_a_form(server: Server) -> None:
    for files in ((RED,), (RED, RED, RED)):
        body, kind = form(*files)
        status, answer = server.ask(PREDICT, body, Content_Type=kind)
        assert status == 200, answer
        assert [each["names"] for each in answer["predictions"]] == [["plain"]] * len(files)


def test_the_annotated_picture(server: Server) -> None:
    status, data = server.ask(f"{PREDICT}?annotated=1", RED, Content_Type="image/png")
    assert status == 200
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == red_picture().shape


@pytest.mark.parametrize(
    ("query", "body", "kind", "status", "reason"),
    [
        ("", b"{}", "application/json", 415, "JSON goes to"),
        ("", b"text", "image/jpeg", 400, "not a JPEG"),
        ("", b"", "image/jpeg", 400, "not a JPEG"),
        ("", b"--xyz--", "multipart/form-data; boundary=xyz", 400, "no file"),
        ("", RED, "multipart/form-data", 400, "no boundary"),
        ("", b"\r\n--xyz" * 1_000_000, "multipart/form-data; boundary=xyz", 400, "fields"),
        ("", form(*[RED] * 65)[0], form()[1], 400, "1 to 64 images"),
        ("?conf_thres=high", RED, "image/png", 400, "a number"),
        ("?conf_thres=2", RED, "image/png", 400, "from 0 to 1"),
        ("?max_det=1e3", RED, "image/png", 400, "whole number"),
        ("?annotated=perhaps", RED, "image/png", 400, "1 or 0"),
        ("?confidence=0.5", RED, "image/png", 400, "no parameter"),
    ],
)
def test_what_is_wrong_is_said(
    server: Server, query: str, body: bytes, kind: str, status: int, reason: str
) -> None:
    got, answer = server.ask(PREDICT + query, body, Content_Type=kind)
    assert (got, reason in answer["error"]) == (status, True), answer


@pytest.mark.parametrize("path", ["/v2/models/red/infer", "/v1/models/red:predict"])
def test_a_picture_where_json_belongs_is_told_the_way(server: Server, path: str) -> None:
    for body, kind in (form(RED), (RED, "image/png")):
        status, answer = server.ask(path, body, Content_Type=kind)
        assert status == 415
        assert "/predict" in answer["error"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(server: Server, tmp_path: Path) -> None:
    picture = tmp_path / "bus.png"
    picture.write_bytes(RED)

    def curl(*arguments: Any) -> bytes:
        return subprocess.run(["curl", "-sf", *arguments], check=True, capture_output=True).stdout

    for way in (("-F", f"file=@{picture}"), ("--data-binary", f"@{picture}")):
        assert json.loads(curl(*way, server.url + PREDICT))["predictions"][0]["names"] == ["plain"]
