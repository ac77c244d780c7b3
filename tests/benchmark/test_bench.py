from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx_models

from runtime import bench
from runtime.benchmark.backends import BACKENDS, AbsentError, enter


@pytest.fixture
def scene(tmp_path) -> Path:
    """A model and two pictures of different shape, with four and three boxes; see onnx_models."""
    onnx_models.write(tmp_path / "red.onnx")
    image = np.zeros((64, 64, 3), np.uint8)
    image[8:24, 16:32] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    cv2.imwrite(str(tmp_path / "b.png"), image[:32])
    return tmp_path


def read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    return image


def run(scene: Path, *more: str) -> int:
    images = [str(scene / "a.png"), str(scene / "b.png")]
    options = ["--weights", str(scene / "red.onnx"), "--threads", "1", "--rounds", "3"]
    return bench.main([*images, *options, *more])


def table(printed: str, title: str) -> dict[str, list[str]]:
    """Read a table that the command prints: by the first word of each line, the cells."""
    lines = printed[printed.index(title) :].split("\n\n")[0].splitlines()[1:]
    return {line.split()[0]: line.split()[1:] for line in lines}


def test_figures_are_printed_and_written(scene, capsys):
    assert run(scene, "--json", str(scene / "bench.json")) == 0
    printed = capsys.readouterr().out
    assert "red.onnx, 64x64 rectangular, 2 classes" in printed
    content = json.loads((scene / "bench.json").read_text())
    stages = content["stages_ms"]["cv2.dnn"]
    assert list(stages) == ["read", "letterbox", "forward", "decode", "nms", "draw"]
    assert all(len(values) == 3 * 2 and min(values) > 0 for values in stages.values())

    for title, choose in (("median, ms", np.median), ("minimum, ms", np.min)):
        cells = table(printed, title)["cv2.dnn"][1:]  # without the version
        assert [float(cell) for cell in cells[:6]] == pytest.approx(
            [choose(values) for values in stages.values()], abs=0.006
        )
        assert cells[8] == "1.000"

    forward = content["forward_s"]["cv2.dnn"]  # of processes of their own, the best one first
    cells = table(printed, "forward, each in processes of its own")["cv2.dnn"][1:]
    for key, place in (("forward_cpu", 0), ("forward", 3)):
        assert forward[key] == sorted(forward[key])
        assert 0 < float(cells[place]) == pytest.approx(forward[key][0] * 1000, abs=0.006)
        assert float(cells[place + 2]) == pytest.approx(forward[key][-1] * 1000, abs=0.006)
    assert re.search(r"^machine .*\((AVX-512|AVX2|NEON|no AVX2)\)", printed, re.M)

    process = content["processes"]["cv2.dnn"]
    assert os.name == "nt" or process["cpu"] > 0
    imports = content["processes"]['python -c "import cv2, numpy"']
    command = content["processes"]["cv2.dnn, runtime.detect"]
    assert imports["all"] > 0  # which of them is quicker is not for a test to say: the machine may be busy
    assert process["first"] > 0
    assert process["all"] > 0
    assert command["first"] > 0
    assert command["all"] > 0
    detector = enter("cv2.dnn", scene / "red.onnx")
    assert process["boxes"] == len(detector(read(scene / "a.png"))) + len(detector(read(scene / "b.png"))) > 0
    if os.name == "posix" and Path("/proc").is_dir():
        assert 1e7 < process["peak_memory"] < 1e9


def test_absent_backends_are_named(scene, capsys):
    assert run(scene, "--against", "torch,ncnn") == 0
    printed = capsys.readouterr().out
    assert re.search(r"^absent +torch: ", printed, re.M)
    assert re.search(r"^absent +ncnn: ", printed, re.M)


def test_another_model_takes_part(scene, capsys):
    other = onnx_models.write(
        scene / "folded.onnx", onnx_models.red_network(fold=2), onnx_models.metadata(fold=2)
    )
    assert run(scene, "--against", str(other), "--json", str(scene / "bench.json")) == 0
    content = json.loads((scene / "bench.json").read_text())
    assert list(content["stages_ms"]) == ["cv2.dnn", str(other)]
    assert content["processes"][str(other)]["boxes"] == content["processes"]["cv2.dnn"]["boxes"]


def test_chart(scene):
    pytest.importorskip("matplotlib")
    assert run(scene, "--chart", str(scene / "chart.png")) == 0
    assert cv2.imread(str(scene / "chart.png")) is not None


def test_masks_are_a_stage_of_their_own(scene, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("onnxsim")
    import networks

    from convert import convert, save_checkpoint

    save_checkpoint(scene / "masks.pt", networks.build("segmentation"))
    convert(scene / "masks.pt", scene / "masks.onnx", imgsz=64)
    options = ["--weights", str(scene / "masks.onnx"), "--max-det", "3", "--json", str(scene / "bench.json")]
    assert run(scene, *options) == 0
    content = json.loads((scene / "bench.json").read_text())
    stages = content["stages_ms"]["cv2.dnn"]
    assert list(stages) == ["read", "letterbox", "forward", "decode", "nms", "masks", "draw"]
    assert content["processes"]["cv2.dnn"]["boxes"] <= 3 * 2
    printed = capsys.readouterr().out
    assert "images/s counts letterbox, forward, decode, nms and masks" in printed
    cells = table(printed, "minimum, ms")["cv2.dnn"][1:]
    least = {stage: min(values) for stage, values in stages.items()}
    around = sum(least[stage] for stage in ("letterbox", "decode", "nms", "masks"))
    assert float(cells[8]) == pytest.approx(around / least["forward"], abs=0.001)


def same(name: str, path: Path, images: list[Path], conf_thres: float) -> None:
    """Check that a backend finds what OpenCV finds; otherwise their times could not be compared."""
    try:
        backend = enter(name, path, conf_thres=conf_thres)
    except AbsentError as error:
        if "not installed" in str(error):
            pytest.skip(f"{name}: {error}")
        raise
    mine = enter("cv2.dnn", path, conf_thres=conf_thres)
    for image in images:
        expected, found = (each(read(image)) for each in (mine, backend))
        assert len(found) == len(expected) > 0
        np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=0.01)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


@pytest.mark.parametrize("name", ["onnxruntime", "onnxruntime-spinning"])
@pytest.mark.parametrize("fold", [1, 2])
def test_onnxruntime_runs_the_fast_graph(scene, name, fold):
    """A Swish of the model's own, and folded input or not."""
    path = onnx_models.write(
        scene / "swish.onnx", onnx_models.red_network(swish=True, fold=fold), onnx_models.metadata(fold=fold)
    )
    same(name, path, [scene / "a.png", scene / "b.png"], 0.01)


@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "cv2.dnn"])
def test_backends_find_the_same(scene, name):
    """On a converted network with its checkpoint, and what pnnx makes for ncnn, beside it."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxsim")
    import networks

    from convert import convert, save_checkpoint

    save_checkpoint(scene / "small.pt", networks.build("v7.0"))
    convert(scene / "small.pt", scene / "small.onnx", imgsz=64)
    if name == "ncnn":
        pnnx = shutil.which("pnnx", path=Path(sys.executable).parent)
        if not pnnx:
            pytest.skip("ncnn: pnnx is not installed")
        arguments = ["small.onnx", "inputshape=[1,3,64,64]f32", "fp16=0"]
        subprocess.run([pnnx, *arguments], cwd=scene, check=True, capture_output=True)
    same(name, scene / "small.onnx", [scene / "a.png", scene / "b.png"], 0.001)


def test_why_a_backend_is_absent_is_told(scene):
    path = onnx_models.write(scene / "swish.onnx", onnx_models.red_network(swish=True))
    with pytest.raises(AbsentError, match=r"not installed|checkpoint .* is not there"):
        enter("torch", path)
    with pytest.raises(AbsentError, match=r"not installed|swish\.ncnn\.param"):
        enter("ncnn", path)
    with pytest.raises(AbsentError, match=r"not installed|Swish"):
        enter("openvino", path)  # it knows no functions


def test_cpp(scene, capsys):
    build = os.environ.get("YOLOV5_DNN_BUILD")
    if not build:
        pytest.skip("needs the C++ program: set YOLOV5_DNN_BUILD to the folder where it was built")
    program = next(path for path in Path(build).glob("yolov5-detect*") if os.access(path, os.X_OK))
    assert run(scene, "--cpp", str(program), "--json", str(scene / "bench.json")) == 0
    content = json.loads((scene / "bench.json").read_text())
    assert list(content["stages_ms"]["C++"]) == ["letterbox", "forward", "decode", "nms"]
    assert all(len(values) == 3 * 2 for values in content["stages_ms"]["C++"].values())
    assert content["processes"]["C++"]["first"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against", "tensorflow"], "there is no 'tensorflow'"),
        (["--threads", "0"], "at least 1"),
        (["--rounds", "0"], "at least 1"),
        (["--rounds", "many"], "not a whole number"),
    ],
)
def test_wrong_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        bench.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_what_cannot_be_measured(scene, capsys):
    assert bench.main([str(scene / "absent.png"), "--weights", str(scene / "red.onnx")]) == 2
    assert "absent.png" in capsys.readouterr().err
    assert bench.main([str(scene / "a.png"), "--weights", str(scene / "absent.onnx")]) == 2
    assert "absent.onnx" in capsys.readouterr().err
    assert run(scene, "--cpp", str(scene / "absent")) == 2
    assert "absent" in capsys.readouterr().err
