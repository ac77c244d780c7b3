"""The one entry point, `--version`, and the one way to run a command."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import runtime
from runtime.command.cli import COMMANDS, main
from runtime.command.run import run
from runtime.errors import ModelError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_it_says_what_there_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"  {name}" in printed
        assert command.about in printed


def test_every_command_is_there_with_its_help(capfd: pytest.CaptureFixture[str]) -> None:
    for name, command in COMMANDS.items():
        if name == "convert":
            pytest.importorskip("torch")
        assert callable(importlib.import_module(command.module).main)
        if name == "convert":  # it runs in a process of its own
            assert main([name, "--help"]) == 0
        else:
            with pytest.raises(SystemExit) as stop:
                main([name, "--help"])
            assert stop.value.code == 0
        assert "usage:" in capfd.readouterr().out


def test_arguments_and_codes_go_through(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "no-such-file.jpg"]) == 2
    assert "no-such-file.jpg: no such file" in capsys.readouterr().err


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "there is no command 'train'; choose from convert, detect" in capsys.readouterr().err


def test_where_only_the_runtime_was_copied(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["convert", "a.pt"]) == 2
    assert "convert is not installed here" in capsys.readouterr().err


def test_the_package_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runtime"], capture_output=True, text=True, encoding="utf-8", cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: yolov5-dnn COMMAND")


@pytest.mark.parametrize("name", ["detect", "evaluate", "bench"])
def test_every_command_tells_the_version(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"yolov5-dnn {runtime.__version__}\n"
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"yolov5-dnn {runtime.__version__}\n"


def nothing(argv: object) -> argparse.Namespace:
    return argparse.Namespace()


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ModelError("m.onnx is damaged"), 2, "error: m.onnx is damaged\n"),
        (OSError(28, "No space left", "out.json"), 2, "error: cannot write out.json: No space left\n"),
        (OSError(28, "No space left"), 2, "error: cannot write the output: No space left\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(options: argparse.Namespace) -> int:
        raise error

    assert run(nothing, work) == code
    assert capsys.readouterr().err == line


def test_what_libraries_warn_of_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def work(options: argparse.Namespace) -> int:
        warnings.warn("some letters cannot be drawn", stacklevel=1)
        return 0

    assert run(nothing, work) == 0
    assert capsys.readouterr().err == "warning: some letters cannot be drawn\n"


def test_a_mistake_in_the_program_is_not_hidden() -> None:
    def work(options: argparse.Namespace) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(nothing, work)
