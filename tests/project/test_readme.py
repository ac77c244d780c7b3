"""The pages tell the truth: their commands run, print what is shown, and their links lead somewhere.

Without more, what is quick and needs no network is run. With YOLOV5_DNN_README=all, as `.ci/run readme` does,
everything is, packages are installed into an environment of its own, and no test may be skipped but for
the reasons in NOT_HERE and where `../shared` is absent.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import cv2
import pytest
import readmes
from readmes import ROOT, Command

SHARED = ROOT.parent / "shared"
ALL = os.environ.get("YOLOV5_DNN_README") == "all"

if shutil.which("git") is None or not (ROOT / ".git").exists():
    pytest.skip("needs a git checkout, to list the pages", allow_module_level=True)

NOT_HERE = {
    "pnnx weights/": "needs pnnx on the path; tests/benchmark/test_bench.py runs it",
    "-m pytest": ".ci/run first does it; this test in this test would not end",
    "download.pytorch.org": "another index; CI installs PyTorch from where its machine has it",
    "ctest": ".ci/run cpp does it",
    "tests/fuzz/run": ".ci/run fuzz does it",
    "soak": "runs for an hour",
    "--layers": "needs its owner's source tree; tests/convert/test_own_layers.py does it",
    ".ci/run engines": "downloads a gigabyte; runs when it is asked for",
    "/v2/models/codes/predict": "needs a server; tests/service/test_serve_predict.py does it",
    "dnn serve": "serves until it is stopped; tests/service/test_serve.py talks to it",
    "http.server": "serves until it is stopped; tests/web/test_web.py opens the page",
    "build-opencv": "compiles OpenCV for half an hour; a release does it",
    "cpp/opencv/build.sh": "compiles OpenCV for half an hour",
    "opencv-own": "needs the build of cpp/opencv/build.sh",
    "race.py": "needs the build of cpp/opencv/build.sh",
    "head_maps.py": "needs the build of cpp/opencv/build.sh",
    "--device onnxruntime": "needs the build of cpp/opencv/build.sh",
    "node bench": "needs the builds of build-opencv.sh",
    "WITH_CUDA": "needs the CUDA toolkit and OpenCV's sources",
    "opencv-build": "needs the CUDA toolkit and OpenCV's sources",
    "opencv-cuda": "needs a CUDA card",
    "--device cuda": "needs a CUDA card",
    "cross-aarch64": "downloads 243 MB of arm64 packages",
    "openvino,ncnn": "needs the files that pnnx makes; tests/benchmark/test_bench.py runs both",
    "git show 3e36fd3": "needs the project's history",
    "first.onnx": "needs a file out of the project's history",
    "recipe.train": "trains for an hour; tests/weights/test_recipe.py trains for seconds",
    "recipe.calibrate": "needs the model that was trained for an hour",
}
ELSEWHERE = {"samples/clients.md": "tests/service/test_serve_clients.py runs it, against a server"}
NETWORK = r"\b(pip|npm) (install|ci)\b|git clone"
LONG = r"dnn bench|runtime\.benchmark|recipe\.|cmake|ctest|g\+\+|cpp/bench|build/|cpp\.json"
EXTRAS = {  # what a command needs beside the runtime's own packages
    r"dnn convert|weights/(best|masks|classes|large)\.onnx|shapes\.widen": ("torch", "onnx", "onnxsim"),
    r"dnn evaluate": ("pycocotools", "matplotlib"),
    r"dnn bench|runtime\.benchmark": ("onnxruntime", "psutil"),
    r"read_codes": ("zxingcpp",),
    r"track\.py|count_line\.py": ("supervision", "trackers"),
}
COMMANDS = [command for page in readmes.pages() for command in readmes.commands(page)]


def shorter(text: str) -> str:
    """A command that takes minutes takes seconds here: figures that are measured are not compared anyway."""
    if "-m runtime.benchmark.service" in text:
        return f"{text} --requests 10 --rounds 1"
    if "-m runtime.benchmark.video" in text:
        return f"{text} --frames 40 --rounds 1"
    if "-m runtime.benchmark.reading" in text:
        return f"{text} --rounds 3"
    build = "cmake --build cpp/build"
    if build in text:  # what the pages go on to use, and not the tests: .ci/run cpp builds those
        bench = " yolov5_dnn_bench" if "BUILD_TESTING=ON" in text else ""
        return text.replace(build, f"{build} -t yolov5-detect{bench}")
    if "yolov5-dnn bench " in text:
        text = text.replace("coco80/images/*.jpg", "coco80/images/0000000[0-2]*.jpg")
        return text if "--rounds" in text else f"{text} --rounds 2"
    return text


def why_not(command: Command) -> str | None:
    """The reason why a command cannot be run here."""
    if command.page in ELSEWHERE:
        return ELSEWHERE[command.page]
    for fragment, reason in NOT_HERE.items():
        if fragment in command.text:
            return reason
    if not SHARED.is_dir() and re.search(r"\.\./shared|yolov5n", command.text):
        return "needs ../shared, the reference data beside the checkout, which is not there"
    if ALL:
        return None
    if re.search(NETWORK, command.text):
        return "installs packages; .ci/run readme does it"
    if command.language == "cpp" or re.search(LONG, command.text):
        return "takes long; .ci/run readme runs it"
    for pattern, modules in EXTRAS.items():
        for module in modules:
            if re.search(pattern, command.text) and importlib.util.find_spec(module) is None:
                return f"needs {module}, which is not installed"
    if "clang-format" in command.text and not (Path(sys.executable).parent / "clang-format").exists():
        return "needs clang-format, which is not installed"
    return None


class Reader:
    """Somebody who has a copy of the project and types what the pages say."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "yolov5-dnn"
        self.where = self.home
        self._done: dict[Command, tuple[int, str]] = {}
        self._next = 0  # the first of COMMANDS that has not had its turn
        for name in readmes.tracked():
            (self.home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.home / name)
        subprocess.run(["git", "init", "--quiet"], cwd=self.home, check=True)
        subprocess.run(["git", "add", "--all"], cwd=self.home, check=True)
        if SHARED.is_dir():
            (folder / "shared").symlink_to(SHARED)
        self._bring_own_files()
        programs = self._environment(folder / "environment") if ALL else self._stand_ins(folder / "bin")
        self.variables = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("PYTHON", "YOLOV5_DNN"))
            },
            "HOME": str(folder / "home"),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
            "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "CMAKE_BUILD_PARALLEL_LEVEL": "2",
        }

    def _bring_own_files(self) -> None:
        """The checkpoints, pictures and videos that the pages take for granted."""
        samples, home = ROOT / "samples", self.home
        for name in ("best.pt", "yolov5n.pt", "old.pt", "runs/train/exp/weights/best.pt"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "weights" / "codes.pt", home / name)
        for name in ("photo.jpg", "bus.jpg", "photos/a.jpg", "photos/b.jpg", "photographs/a.jpg"):
            (home / name).parent.mkdir(exist_ok=True)
            shutil.copy(samples / "parcel.jpg", home / name)
        picture = cv2.imread(str(samples / "parcel.jpg"))
        assert picture is not None
        (home / "more").mkdir()
        cv2.imwrite(str(home / "more" / "c.png"), picture)
        small = cv2.resize(picture, (320, 240))
        clip = cv2.VideoWriter(str(home / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 240))
        for _ in range(10):
            clip.write(small)
        clip.release()
        shutil.copy(ROOT / "weights" / "codes.onnx", home / "yolov5n.onnx")
        (home / "YOUR_PROJECT").mkdir()
        shutil.copy(ROOT / "cpp" / "examples" / "embed" / "embed.cpp", home / "app.cpp")

    @staticmethod
    def _stand_ins(folder: Path) -> Path:
        """A `python` that is this one, and the console scripts, which need no installation then."""
        folder.mkdir()
        for name, module in (("python", ""), ("yolov5-dnn", "-m runtime.command.cli")):
            (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
            (folder / name).chmod(0o755)
        return folder

    @staticmethod
    def _environment(folder: Path) -> Path:
        """An environment that sees this one's packages, so that `pip install` has little left to do."""
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        variables = {"base": str(folder), "platbase": str(folder)}
        packages = Path(sysconfig.get_path("purelib", vars=variables))
        (packages / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
        return folder / "bin"

    def has_run(self, command: Command) -> tuple[int, str]:
        """Type a command, after all those that stand before it. Returns its exit code and what it printed."""
        for each in COMMANDS[self._next : COMMANDS.index(command) + 1]:
            self._next += 1
            if each.begins:
                self._begin()
            if not why_not(each):
                self._done[each] = self._run(each)
        return self._done[command]

    def _begin(self) -> None:
        """Go to the project's folder, where nothing has been found yet."""
        self.where = self.home
        for left in (self.home / "runs").glob("detect*"):
            shutil.rmtree(left)

    def _run(self, command: Command) -> tuple[int, str]:
        text = shorter(command.text.replace("<this repository>", f"'{ROOT}'"))
        if command.language == "python":
            shell = ["python", "-c", text]
        elif command.language == "cpp":
            (self.home / "shown.cpp").write_text(text)
            build = "g++ -std=c++17 -Wall -Wextra -Werror shown.cpp -I cpp/single_include -o shown"
            shell = ["bash", "-c", f"{build} $(pkg-config --cflags --libs opencv4) && ./shown"]
        else:
            shell = ["bash", "-eo", "pipefail", "-c", f"{text}\npwd >'{self.home}/.where'"]
        done = subprocess.run(
            shell,
            cwd=self.where,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=1200,
        )
        if (self.home / ".where").exists():
            self.where = Path((self.home / ".where").read_text().strip())
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Reader:
    return Reader(tmp_path_factory.mktemp("reader"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}:{command.line}")
def test_command_does_what_the_page_says(command, reader):
    if reason := why_not(command):
        pytest.skip(reason)
    code, output = reader.has_run(command)
    assert code == 0, f"{command.text}\n{output}"
    assert readmes.differences(command, output) == [], f"not printed by\n{command.text}\n{output}"


def test_reasons_are_needed():
    for fragment in NOT_HERE:
        assert any(fragment in command.text for command in COMMANDS), f"no page has {fragment!r} any more"


@pytest.mark.parametrize("page", readmes.pages())
def test_page(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in readmes.blocks(page, text):
        assert block.language in readmes.LANGUAGES, f"{page}:{block.line} has a block of {block.language!r}"
    for file, heading in readmes.links(text):
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), f"{page} links to {file}, which is not there"
        if heading:
            assert heading in readmes.headings(target.read_text(encoding="utf-8")), (
                f"{page} links to #{heading}"
            )


def test_front_page_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 182


def test_commands_that_are_mentioned_exist():
    named: dict[str, set[str]] = {}
    for page in readmes.pages():
        for module, options in readmes.mentioned((ROOT / page).read_text(encoding="utf-8")):
            named[module] = named.get(module, set()) | options
    assert named.keys() >= {"convert", "runtime.detect", "runtime.evaluate", "runtime.bench"}
    for module, options in named.items():
        if module.split(".")[0] not in ("convert", "runtime", "weights", "samples"):
            continue
        file = ROOT.joinpath(*module.split("."))
        source = file.with_suffix(".py") if file.with_suffix(".py").is_file() else file / "__main__.py"
        assert source.is_file(), f"a page mentions python -m {module}"
        if module.startswith("weights.recipe") and importlib.util.find_spec("torch") is None:
            continue
        known = _help(module) if options else ""
        for option in options:
            assert re.search(rf"{option}(?![\w-])", known), f"python -m {module} has no option {option}"


def _help(module: str) -> str:
    command = [sys.executable, "-m", module, "--help"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
