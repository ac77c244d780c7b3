"""The exported repository in NVIDIA's Triton itself, whose server the wheel `nvidia-pytriton` bundles.

It wants NumPy 1 and an OpenCV of that time, so it lives in an environment of its own, which the variable
YOLOV5_DNN_TRITON names: python3.11 -m venv triton; triton/bin/pip install nvidia-pytriton "numpy<2"
opencv-python-headless==4.10.0.84; and Debian's libpython3.11.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

th = pytest.importorskip("tritonclient.http", reason="needs the extra `serve`")
tg = pytest.importorskip("tritonclient.grpc", reason="needs the extra `serve`")

from google.protobuf import text_format  # noqa: E402
from paths import ROOT  # noqa: E402
from tritonclient.grpc import model_config_pb2  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

from runtime import Detector  # noqa: E402
from runtime.inputs.image_file import read_image  # noqa: E402

PICTURE = ROOT / "samples" / "cluttered.jpg"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton")
    (folder / "models" / "codes" / "3").mkdir(parents=True)
    shutil.copy(ROOT / "weights" / "codes.onnx", folder / "models" / "codes" / "3" / "model.onnx")
    done = export(folder / "models", folder / "repository")
    assert done.returncode == 0, done.stderr
    return folder / "repository"


def export(models: Path, output: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runtime.serve", "export-triton", str(models), str(output)],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def ports(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    environment = os.environ.get("YOLOV5_DNN_TRITON")
    if not environment:
        pytest.skip("needs an environment with Triton, which CI leaves out")
    folder = tmp_path_factory.mktemp("server")
    (packages,) = Path(environment).glob("lib/python3.11/site-packages")
    triton = packages / "pytriton" / "tritonserver"
    shutil.copytree(triton / "backends", folder / "backends")
    shutil.copy(
        triton / "python_backend_stubs/3.11/triton_python_backend_stub", folder / "backends" / "python"
    )
    # Triton's Python looks at no PYTHONPATH, but at its backend's folder.
    for package in [*packages.glob("numpy*"), *packages.glob("*cv*"), ROOT / "runtime"]:
        (folder / "backends" / "python" / package.name).symlink_to(package)
    http, grpc = free_port(), free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                str(triton / "bin" / "tritonserver"), f"--model-repository={repository}",
                f"--backend-directory={folder / 'backends'}",
                "--http-address=127.0.0.1", "--grpc-address=127.0.0.1",
                f"--http-port={http}", f"--grpc-port={grpc}", "--allow-metrics=false",
                "--exit-timeout-secs=2",
            ],
            env={**os.environ, "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs")},
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        client = tg.InferenceServerClient(f"127.0.0.1:{grpc}")
        end = time.monotonic() + 90
        while True:
            try:
                if client.is_model_ready("codes"):
                    break
            except InferenceServerException:
                pass
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()  # noqa: PT018
            time.sleep(0.5)
        yield http, grpc
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:  # it waits for clients that sleep
            process.kill()
            process.wait()


def test_the_configuration_is_triton_s(repository: Path) -> None:
    config = model_config_pb2.ModelConfig()
    text_format.Parse((repository / "codes" / "config.pbtxt").read_text(), config)
    assert [each.name for each in config.input] == ["image", "pixels"]
    assert [each.name for each in config.output][:4] == ["boxes", "scores", "class_ids", "names"]
    assert (repository / "codes" / "3" / "model.onnx").read_bytes() == (
        ROOT / "weights/codes.onnx"
    ).read_bytes()


def test_nothing_is_overwritten(repository: Path) -> None:
    done = export(ROOT / "weights" / "codes.onnx", repository)
    assert done.returncode == 2
    assert "will not be overwritten" in done.stderr


@pytest.mark.parametrize("module", [th, tg], ids=["http", "grpc"])
def test_triton_gives_what_detector_gives(ports: tuple[int, int], module: Any) -> None:
    client = module.InferenceServerClient(f"127.0.0.1:{ports[module is tg]}")
    image = read_image(PICTURE)
    wanted = [module.InferRequestedOutput(name) for name in ("boxes", "scores", "class_ids", "names")]
    encoded = module.InferInput("image", [1], "BYTES")
    encoded.set_data_from_numpy(np.array([PICTURE.read_bytes()], object))
    pixels = module.InferInput("pixels", list(image.shape), "UINT8")
    pixels.set_data_from_numpy(np.ascontiguousarray(image[..., ::-1]))
    each_settings: list[dict[str, Any]] = [{}, {"conf_thres": 0.6, "classes": "qr_code,aztec"}]
    for given in (encoded, pixels):
        for settings in each_settings:
            found = client.infer("codes", [given], outputs=wanted, parameters=settings)
            classes = settings.get("classes")
            detector = Detector(
                conf_thres=settings.get("conf_thres", 0.25),
                classes=str(classes).split(",") if classes else None,
            )
            expected = detector(image)
            assert len(expected) >= 2
            # Triton's OpenCV is 4.10, this one may be 5: the same boxes, if not to the last bit.
            assert np.abs(found.as_numpy("boxes") - expected.xyxy).max() < 0.05
            assert found.as_numpy("class_ids").tolist() == expected.class_ids.tolist()
            assert found.as_numpy("names")[0].decode() == expected[0].name
    with pytest.raises(InferenceServerException, match="no parameter"):
        client.infer("codes", [encoded], outputs=wanted, parameters={"threshold": 1})
    empty = module.InferInput("image", [1], "BYTES")
    empty.set_data_from_numpy(np.array([b"no picture"], object))
    with pytest.raises(InferenceServerException, match="not a JPEG"):
        client.infer("codes", [empty], outputs=wanted)
