"""What the converter refuses, by its command line: one sentence, exit code 2, nothing run, no file left."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxsim")

import networks  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from convert import cli, conversion, layers, load_checkpoint  # noqa: E402
from convert.checkpoint import save_checkpoint, save_pickle  # noqa: E402
from convert.errors import CheckpointError  # noqa: E402
from convert.layers import Ensemble  # noqa: E402


class Command:
    """The command line on one file in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        self.folder = folder
        self.capsys = capsys
        self.file = folder / "a.pt"

    def __call__(self, *arguments: str, file: Path | None = None) -> tuple[int, str]:
        """Exit code and the last line on stderr; what else was printed must be progress."""
        before = sorted(self.folder.rglob("*"))
        code = cli.main([str(file or self.file), "--output", str(self.folder / "out.onnx"), *arguments])
        out, err = self.capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        *progress, last = err.splitlines()
        assert all(line.startswith("[") for line in progress if line)
        assert sorted(self.folder.rglob("*")) == before, "a file was left behind"
        return code, last


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, capsys)


class Evil:
    """Makes a file when it is unpickled in the ordinary way."""

    def __init__(self, victim: Path):
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.victim),)


class EvilGetattr:
    """Reaches for a function through getattr."""

    def __init__(self, *arguments: Any):
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, self.arguments


def plain_pickle(protocol: int) -> Callable[[Path, Any], None]:
    def write(path: Path, thing: Any) -> None:
        path.write_bytes(pickle.dumps(thing, protocol))

    return write


EVIL: dict[str, Callable[[Path, Any], None]] = {
    "zip": lambda path, thing: torch.save({"model": thing}, path),
    "legacy": lambda path, thing: torch.save({"model": thing}, path, _use_new_zipfile_serialization=False),
    **{f"pickle protocol {protocol}": plain_pickle(protocol) for protocol in (2, 3, 4, 5)},
}


@pytest.mark.parametrize("form", EVIL)
def test_evil_pickle(form: str, command: Command) -> None:
    victim = command.folder / "victim"
    EVIL[form](command.file, Evil(victim))
    code, sentence = command()
    assert code == 2
    assert f"asks for {os.mkdir.__module__}.mkdir" in sentence
    assert "nothing of it has run" in sentence
    assert not victim.exists()
    pickle.loads(pickle.dumps(Evil(victim)))
    assert victim.exists(), "the test's own weapon is blunt"


def test_evil_pickle_behind_a_network(command: Command) -> None:
    save_checkpoint(command.file, networks.build("old MixConv2d"), date=Evil(command.folder / "victim"))
    code, sentence = command()
    assert code == 2
    assert "mkdir" in sentence


@pytest.mark.parametrize(
    "thing",
    [
        EvilGetattr(collections.OrderedDict, "fromkeys"),
        EvilGetattr(torch.nn.ReLU(), "forward"),
        EvilGetattr(torch.nn.ReLU, "forward_fuse"),
        EvilGetattr(layers.Detect, "__init__"),
        EvilGetattr(layers.Segment, "forward"),
        print,
        eval,
        __import__,
        pickle.loads,
        torch.load,
        Path.unlink,
    ],
)
def test_no_way_to_a_function(thing: Any, command: Command) -> None:
    save_pickle(command.file, {"model": thing})
    code, sentence = command()
    assert code == 2
    assert "its pickle asks for" in sentence


def test_hooks_and_methods_in_a_pickle_are_left_out(tmp_path: Path) -> None:
    model = networks.build("old MixConv2d")
    model.__dict__["_backward_hooks"] = collections.OrderedDict({0: "hook"})
    model.__dict__["forward"] = "shadow"
    save_pickle(tmp_path / "a.pt", model)
    loaded = load_checkpoint(tmp_path / "a.pt").model
    assert loaded._backward_hooks == {}
    assert len(loaded(torch.zeros(1, 3, 32, 32))) == 1


def foreign(path: Path, module: str, name: str) -> None:
    """A checkpoint {"model": an instance of a class that does not exist here}."""
    instance = b"c" + f"{module}\n{name}\n".encode() + b")\x81"
    data = b"\x80\x02}X\x05\x00\x00\x00model" + instance + b"s."
    zip_with({"a/data.pkl": data, "a/version": b"3\n"})(path)


@pytest.mark.parametrize(
    ("module", "name", "sentence"),
    [
        ("ultralytics.nn.tasks", "SegmentationModel", "of the package ultralytics, the detection networks"),
        ("ultralytics.nn.modules.head", "Pose", "contains ultralytics.nn.modules.head.Pose; of the package"),
        ("ultralytics.models.yolo", "Detect", "of the package ultralytics, the detection networks"),
        ("torchvision.models.resnet", "ResNet", "a classifier with another backbone than YOLOv5's"),
        ("models.common", "SPPCSPC", "models.common.SPPCSPC, which is not part of any YOLOv5 release"),
        (
            "nowhere",
            "Class\x1b[31m",
            "contains nowhere.Class\\x1b[31m, which is not part of any YOLOv5 release",
        ),
    ],
)
def test_other_networks(module: str, name: str, sentence: str, command: Command) -> None:
    foreign(command.file, module, name)
    assert sentence in command()[1]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["vendor.models.common.SPPCSPC"], "contains vendor.models.common.SPPCSPC, which is not part of any"),
        (["models.common.Conv", "b.models.common.Conv"], "two copies of YOLOv5: b.models.common.Conv is"),
        (["a.models.common.C3", "b.models.yolo.Detect"], "two copies of YOLOv5: b.models.yolo.Detect is"),
        (["os.system"], "asks for os.system"),
        (["models.common.os.system"], "contains models.common.os.system, which is not part of"),
        (["yolov5.models.yolo.os"], "which is not part of any"),
        (["torch.nn.modules.conv.Conv2d", "a.torch.nn.modules.conv.Conv2d"], "asks for a.torch.nn.modules"),
    ],
)
def test_prefixes(names: list[str], sentence: str, command: Command) -> None:
    pickled = b"".join(b"c%s\n%s\n" % tuple(name.encode().rsplit(b".", 1)) for name in names)
    zip_with({"a/data.pkl": b"\x80\x02" + pickled + b".", "a/version": b"3\n"})(command.file)
    assert sentence in command()[1]


def test_a_head_without_nms(command: Command) -> None:
    """YOLOv10 and YOLO26 have a second head, whose boxes need no NMS."""
    model = networks.build("yolov8")
    model.head.one2one_cv2 = model.head.cv2
    save_checkpoint(command.file, model)
    assert "it is a network that needs no NMS" in command()[1]


def test_a_head_with_other_bins(command: Command) -> None:
    model = networks.build("yolov5u")
    with torch.no_grad():
        model.head.dfl.conv.weight *= 2
    save_checkpoint(command.file, model)
    assert "the weights of its distances are not 0 to 7" in command()[1]


@pytest.mark.parametrize(
    ("kind", "channels"), [("segmentation", "42"), ("face of ordinary layers", "54"), ("v7.0", "24")]
)
def test_a_head_with_other_channels(kind: str, channels: str, command: Command) -> None:
    model = networks.build(kind)
    model.head.m[1] = torch.nn.Conv2d(24, 30, 1)
    save_checkpoint(command.file, model)
    sentence = command()[1]
    assert "its head gives outputs of shapes" in sentence
    assert f"(1, {channels}, " in sentence


def test_crop_is_for_classifiers(command: Command) -> None:
    save_checkpoint(command.file, networks.build("old MixConv2d"))
    assert command("--crop", "square") == (2, f"error: crop is for classifiers, and {command.file} is none")


def torchscript(path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 8, 8)), path)


def onnx_file(path: Path) -> None:
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [])), path)


def zip_with(records: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in records.items():
                archive.writestr(name, data)

    return write


def damaged(edit: Callable[[bytes], bytes], legacy: bool = False) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        save_checkpoint(path, networks.build("old MixConv2d"), legacy=legacy)
        path.write_bytes(edit(path.read_bytes()))

    return write


def huge_view(path: Path) -> None:
    """A parameter of 10¹⁵ elements, all of them the same one."""
    model = networks.build("old MixConv2d")
    first: Any = model.model[0].conv
    first.weight = torch.nn.Parameter(torch.zeros(1).half().expand(10**5, 10**5, 10**5), requires_grad=False)
    save_pickle(path, model)


def huge_padding(path: Path) -> None:
    model = networks.build("old MixConv2d")
    first: Any = model.model[0].conv
    first.padding = (10**6, 10**6)
    save_pickle(path, model)


UNUSABLE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "random bytes": (lambda path: path.write_bytes(bytes(range(256)) * 9), "not in a format that torch.save"),
    "text": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1"),
        "not in a format that",
    ),
    "a folder": (lambda path: path.mkdir(), "it is a folder"),
    "ONNX": (onnx_file, "an ONNX model"),
    "TorchScript": (torchscript, "a TorchScript archive"),
    "state_dict": (
        lambda path: torch.save(networks.build("old MixConv2d").state_dict(), path),
        "a bare state_dict",
    ),
    "state_dict in a checkpoint": (
        lambda path: torch.save({"model": networks.build("old MixConv2d").state_dict()}, path),
        "its model is a state_dict",
    ),
    "ensemble of two": (
        lambda path: save_pickle(
            path, Ensemble([networks.build("old MixConv2d"), networks.build("old MixConv2d")])
        ),
        "an ensemble of 2 models",
    ),
    "no network": (lambda path: torch.save({"epoch": 3}, path), "there is no YOLOv5 network in it"),
    "another network": (
        lambda path: torch.save(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1)), path),
        "there is no YOLOv5 network in it",
    ),
    "a plain pickle": (lambda path: path.write_bytes(pickle.dumps([1, 2], 2)), "not one that torch.save has"),
    "truncated zip": (damaged(lambda data: data[: len(data) // 2]), "truncated or damaged"),
    "truncated legacy": (damaged(lambda data: data[:-100], legacy=True), "truncated"),
    "legacy cut in its pickle": (damaged(lambda data: data[:3000], legacy=True), "damaged"),
    "another zip": (zip_with({"a/b.txt": b"hello"}), "not one that torch.save has written"),
    "zip bomb": (
        zip_with({"a/data.pkl": b"\x80\x02N.", "a/data/0": bytes(50 << 20)}, zipfile.ZIP_DEFLATED),
        "compressed records",
    ),
    "huge view": (huge_view, "its tensors are larger than its data"),
    "huge padding": (huge_padding, "far more memory"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_unusable_files(what: str, command: Command) -> None:
    make, sentence = UNUSABLE[what]
    make(command.file)
    code, line = command()
    assert code == 2
    assert line.startswith(f"error: {command.file}: ")
    assert sentence in line


def test_missing_file(command: Command) -> None:
    assert command() == (2, f"error: {command.file}: there is no such file")


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        (
            ["100"],
            "an image size of 100 is not a multiple of the largest stride, 32; the nearest are 96 and 128",
        ),
        (["64", "16"], "an image size of 16 is not a multiple of the largest stride, 32; the nearest is 32"),
        (["0"], "an image size of 0 is out of range; it must be between 32 and 8192"),
        (["-64"], "an image size of -64 is out of range; it must be between 32 and 8192"),
        (["1000000"], "an image size of 1000000 is out of range; it must be between 32 and 8192"),
        (["64", "64", "64"], "--imgsz takes a height and a width, not 3 numbers"),
    ],
)
def test_impossible_sizes(size: list[str], sentence: str, command: Command) -> None:
    save_checkpoint(command.file, networks.build("v7.0"))
    assert command("--imgsz", *size) == (2, f"error: {sentence}")


def test_output_that_cannot_be_written(command: Command) -> None:
    save_checkpoint(command.file, networks.build("old MixConv2d"))
    (command.folder / "folder").mkdir()
    code, sentence = command("--output", str(command.folder / "folder"))
    assert code == 2
    assert "it is a folder" in sentence
    code, sentence = command("--output", str(command.file / "below a file.onnx"))
    assert code == 2
    assert "cannot write" in sentence
    code, sentence = command("--output", str(command.file))
    assert (code, sentence) == (2, f"error: {command.file}: the output would overwrite the checkpoint")


def test_focus_is_not_for_the_fast_graph(command: Command) -> None:
    save_checkpoint(command.file, networks.build("v4.0"))
    code, sentence = command("--target", "fast", "--focus", "conv")
    assert (code, sentence.split(";")[0]) == (2, "error: focus is for the portable graph")


def test_interrupted(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the last step: the model file is written by then, under its temporary name."""

    def interrupt(path: Path, *_: Any) -> None:
        assert path.stat().st_size > 1000
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "check_model", interrupt)
    save_checkpoint(command.file, networks.build("old MixConv2d"))
    code, sentence = command("--imgsz", "64")
    assert code == 130
    assert sentence == "interrupted; nothing was written"


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_damage_anywhere_is_an_error_of_ours(legacy: bool, tmp_path: Path) -> None:
    """Whatever bytes are changed: the file opens, or CheckpointError is raised."""
    whole = tmp_path / "whole.pt"
    save_checkpoint(whole, networks.build("old MixConv2d"), legacy=legacy)
    data = whole.read_bytes()
    start, end = (0, len(data)) if legacy else pickle_range(whole, data)
    path = tmp_path / "damaged.pt"

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(start, end - 1), st.integers(0, 255)), min_size=1, max_size=4))
    def damage(changes: list[tuple[int, int]]) -> None:
        changed = bytearray(data)
        for position, value in changes:
            changed[position] = value
        path.write_bytes(without_checksums(bytes(changed)) if not legacy else changed)
        try:
            load_checkpoint(path)
        except CheckpointError as error:
            sentences.append(str(error))

    sentences: list[str] = []
    damage()
    assert sentences, "no damage was noticed"
    assert all(len(sentence.splitlines()) == 1 for sentence in sentences)


def pickle_range(path: Path, data: bytes) -> tuple[int, int]:
    """Where in the zip archive the pickle lies."""
    with zipfile.ZipFile(path) as archive:
        content = archive.read("archive/data.pkl")
    start = data.index(content)
    return start, start + len(content)


def without_checksums(data: bytes) -> bytes:
    """The archive written anew, so that damage gets past the zip's checksums to the reader of the pickle."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as rewritten:
            for info in archive.infolist():
                start = info.header_offset + 30
                header = data[info.header_offset : start]
                skip = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
                rewritten.writestr(info.filename, data[start + skip : start + skip + info.file_size])
    return buffer.getvalue()


def test_allow_list_holds_nothing_that_runs_code() -> None:
    from convert.checkpoint.pickle_names import IGNORED
    from convert.checkpoint.pickle_objects import KNOWN
    from convert.checkpoint.pickle_values import CALLS

    modules = {path.rpartition(".")[0] for path in KNOWN}
    for dangerous in (
        "os",
        "posix",
        "nt",
        "subprocess",
        "sys",
        "importlib",
        "runpy",
        "pickle",
        "shutil",
        "operator",
    ):
        assert dangerous not in {module.split(".")[0] for module in modules}
    called = {path for path in CALLS if path.startswith("builtins.")}
    assert called == {"builtins.range", "builtins.set"}
    ignored = {path.partition(".")[2] for path in IGNORED if path.startswith("builtins.")}  # never called
    values = "bytearray complex dict float frozenset int list long object slice str tuple"
    assert ignored == {*values.split()}, "names of plain values, none of what runs or opens something"
    assert not IGNORED & CALLS.keys()


def test_help_and_exit_code_of_the_process(tmp_path: Path) -> None:
    """The command as a process: `--help` without PyTorch, and a refusal's exit code."""
    root = Path(__file__).parents[2]
    code = "import sys, convert.cli\n"
    code += "try: convert.cli.main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "exit codes" in result.stdout
    result = subprocess.run(
        [sys.executable, "-m", "convert", str(tmp_path / "none.pt")], cwd=root, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (2, "")


def test_pickletools_knows_every_opcode_that_is_read() -> None:
    """A guard against a misspelt opcode, which would be taken for one that does not matter."""
    import inspect
    import re

    from convert.checkpoint import pickle_machine

    named = set(re.findall(r'"([A-Z][A-Z_0-9]+)"', inspect.getsource(pickle_machine)))
    assert named <= {opcode.name for opcode in pickletools.opcodes} | {"EXT"}
