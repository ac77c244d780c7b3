"""The clients that people copy: samples/client.py, and every block of samples/clients.md as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("tritonclient.http", reason="needs the extra `serve`")
pytest.importorskip("tritonclient.grpc", reason="needs the extra `serve`")
pytest.importorskip("fastapi", reason="needs the extra `serve`")

from paths import ROOT
from serving import Server, serving

from runtime import Detector
from runtime.inputs.image_file import read_image

PICTURE = ROOT / "samples" / "parcel.jpg"
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```", (ROOT / "samples" / "clients.md").read_text("utf-8"), re.M | re.S
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("clients"), "--workers", "1") as running:
        yield running


def run(*command: str | Path, code: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def has_curl() -> bool:
    check = ["g++", "-fsyntax-only", "-x", "c++", "-include", "curl/curl.h", os.devnull]
    has_compiler = bool(shutil.which("g++"))
    return has_compiler and subprocess.run(check, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("language", "text"), BLOCKS, ids=[f"{i}-{block[0]}" for i, block in enumerate(BLOCKS)]
)
def test_lines_to_copy(server: Server, tmp_path: Path, language: str, text: str) -> None:
    text = text.replace(":8000", f":{server.http_port}").replace(", 8000", f", {server.http_port}")
    if language == "python":
        printed = run(sys.executable, "-c", text)
    elif language == "sh":
        printed = run("sh", "-c", text)
    elif language == "js":
        if not shutil.which("node"):
            pytest.skip("needs node")
        printed = run("node", "--input-type=module", "-e", text)
    else:
        assert language == "cpp"
        if not has_curl():
            pytest.skip("needs g++ and libcurl4-openssl-dev")
        (tmp_path / "client.cpp").write_text(text)
        run(
            "g++",
            "-std=c++17",
            tmp_path / "client.cpp",
            "-o",
            tmp_path / "client",
            "-lcurl",
            "-pthread",
        )
        printed = run(tmp_path / "client")
    found = Detector()(read_image(PICTURE))
    assert len(found) >= 1
    assert found.names[found.class_ids[0]] in printed
    assert f"{found.xyxy[0, 0]:.2f}"[:4] in printed


def test_all_five_languages_are_there() -> None:
    assert [language for language, _ in BLOCKS] == ["sh", "python", "python", "js", "cpp"]


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_a_folder_of_pictures(server: Server, tmp_path: Path, way: str) -> None:
    for name in ("parcel.jpg", "page.jpg"):
        shutil.copy(ROOT / "samples" / name, tmp_path)
    port = server.grpc_port if way == "grpc" else server.http_port
    command: list[str | Path] = [
        sys.executable,
        ROOT / "samples" / "client.py",
        tmp_path,
        "--url",
        f"127.0.0.1:{port}",
    ]
    command += ["--grpc"] if way == "grpc" else []
    lines = run(*command).splitlines()
    found = Detector()(read_image(PICTURE))
    assert [line.split()[0] for line in lines] == ["page.jpg", "parcel.jpg"]
    assert f"1 {found.names[found.class_ids[0]]}" in lines[1]
    (tmp_path / "notes.jpg").write_text("no picture")
    assert "notes.jpg   failed: the image is not a JPEG" in run(*command, code=1)
    assert "there is no model" in run(*command, "--model", "none", code=1)
