"""What strangers give to the C++ program, and what it writes to: as in Python."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from bombs import BOMBS, png_with_chunk
from onnx_models import write
from pictures import red_picture, write_video

from runtime.outputs.image_file import write_image

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("YOLOV5_DNN_BUILD", ROOT / "cpp" / "build")) / "yolov5-detect"
pytestmark = pytest.mark.skipif(
    os.name == "nt" or not PROGRAM.is_file(), reason="needs the C++ program, on Unix"
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "red.onnx")
    write_image(tmp_path / "red.png", red_picture())
    return tmp_path


def detect(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAM), *arguments, "--weights", "red.onnx"]
    return subprocess.run(
        command,
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("kind", BOMBS)
def test_a_picture_beyond_the_budget_is_refused(place: Path, kind: str) -> None:
    (place / "bomb").write_bytes(BOMBS[kind]())
    done = detect(place, "bomb", "--no-save")
    assert done.returncode == 1
    assert "12000x12000 pixels are more than the 100000000" in done.stderr


@pytest.mark.skipif(not Path("/proc/self/exe").exists(), reason="Linux's way to start anew")
def test_the_process_that_decodes_has_opencv_s_limit(place: Path) -> None:
    os.mkfifo(place / "wait")
    command = [str(PROGRAM), "red.png", "--max-pixels", "12345", "--weights", "red.onnx", "--no-save"]
    process = subprocess.Popen([*command, "--json", "wait"], cwd=place, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while b"OPENCV_IO_MAX_IMAGE_PIXELS=12345\0" not in Path(f"/proc/{process.pid}/environ").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()


def test_a_png_chunk_longer_than_the_file_is_a_refusal(place: Path) -> None:
    (place / "bomb.png").write_bytes(png_with_chunk(b"IDAT", 0xFFFFFFEA))
    done = detect(place, "bomb.png", "--no-save")
    assert "size cannot be read" in done.stderr


def test_results_go_to_standard_output_pipes_devices_and_through_links(place: Path) -> None:
    done = detect(place, "red.png", "--no-save", "--json", "-")
    assert json.loads(done.stdout)[0]["file"] == "red.png"
    assert "1 plain" in done.stderr
    assert detect(place, "red.png", "--no-save", "--json", "-", "--csv", "-").returncode == 2

    null = Path(os.devnull).stat()
    assert detect(place, "red.png", "--no-save", "--json", os.devnull, "--csv", os.devnull).returncode == 0
    assert os.path.samestat(null, Path(os.devnull).stat())

    (place / "link.json").symlink_to("there.json")
    assert detect(place, "red.png", "--no-save", "--json", "link.json").returncode == 0
    assert (place / "link.json").is_symlink()
    assert json.loads((place / "there.json").read_text())

    os.mkfifo(place / "pipe")
    reader = os.open(place / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert detect(place, "red.png", "--no-save", "--csv", "pipe").returncode == 0
    assert b"plain" in os.read(reader, 1000)
    os.close(reader)
    assert (place / "pipe").is_fifo()


def test_a_link_in_the_folder_of_a_run_is_an_error(place: Path) -> None:
    (place / "out").mkdir()
    (place / "kept").write_text("kept")
    (place / "out" / "red.png").symlink_to(place / "kept")
    done = detect(place, "red.png", "--output", "out")
    assert done.returncode == 2
    assert "symbolic link" in done.stderr
    assert (place / "kept").read_text() == "kept"


@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_a_file_that_is_called_like_an_address(place: Path, protocol: str) -> None:
    clip = write_video(place / "clip.avi", 3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        name = f"{protocol}:127.0.0.1:{server.getsockname()[1]}?.avi"
        shutil.move(clip, place / name)
        done = detect(place, name, "--no-save")
        assert done.returncode == 0, done.stderr
        assert "3 frames" in done.stdout
        with pytest.raises(TimeoutError):
            server.accept()
