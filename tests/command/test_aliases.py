"""The words of detect.py: each is taken, or refused with a sentence, and the migration page says which."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from runtime import classify, detect
from runtime.command.aliases import ALIASES, REFUSED, WORDS, Here, page

ROOT = Path(__file__).resolve().parents[2]

# The options of detect.py in YOLOv5 v7.0 and after it.
THEIRS = shlex.split(
    "--weights --source --data --imgsz --img --img-size --conf-thres --iou-thres --max-det --device "
    "--view-img --save-txt --save-csv --save-conf --save-crop --nosave --classes --agnostic-nms --augment "
    "--visualize --update --project --name --exist-ok --line-thickness --hide-labels --hide-conf --half "
    "--dnn --vid-stride"
)
VALUES = {
    "--imgsz": ["640"],
    "--conf-thres": ["0.5"],
    "--iou-thres": ["0.5"],
    "--max-det": ["9"],
    "--vid-stride": ["2"],
}
VALUES |= {"--weights": ["a.onnx"], "--source": ["a.jpg"], "--device": ["0"], "--classes": ["0", "2"]}
VALUES |= {"--project": ["runs/here"], "--name": ["exp"], "--line-thickness": ["3"]}


def test_the_table_has_every_option_of_theirs_once() -> None:
    spellings = [spelling for word in WORDS for spelling in word.spellings]
    assert len(spellings) == len(set(spellings))
    assert set(THEIRS) <= set(spellings)


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.spellings[0])
def test_every_word_does_what_the_table_says(word, capsys: pytest.CaptureFixture[str]) -> None:
    for spelling in word.spellings:
        values = VALUES.get(word.option or spelling, [])
        if word.here is Here.REFUSED:
            with pytest.raises(SystemExit) as stop:
                detect.parse(["a.jpg", spelling])
            assert stop.value.code == 2
            assert capsys.readouterr().err.splitlines()[-1].endswith(f"error: {word.about}")
            assert spelling in word.about
        else:
            assert spelling == word.option or (spelling in ALIASES) == (word.here is Here.ALIAS)
            assert detect.parse(["a.jpg", word.option or spelling, *values]) == detect.parse(
                ["a.jpg", spelling, *values]
            )
            assert detect.parse(["a.jpg", spelling, *values]) != detect.parse(["a.jpg"])


def test_a_whole_command_line_of_theirs() -> None:
    options = detect.parse(
        shlex.split(
            "--weights best.onnx --source a.jpg --img 640 --conf=0.4 --iou 0.5 --device cuda:0 --nosave "
            "--classes 0 2 --view-img --project runs/detect --name exp --exist-ok "
            "--hide-conf --line-thickness 3"
        )
    )
    assert options.source == ["a.jpg"]
    assert (options.imgsz, options.conf_thres, options.iou_thres, options.device) == ([640], 0.4, 0.5, "cuda")
    assert options.no_save
    assert options.show
    assert options.exist_ok
    assert (options.classes, options.line_thickness, options.hide_conf) == (["0", "2"], 3, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jpg", "--device", "1"], "CUDA_VISIBLE_DEVICES=1, and say --device cuda"),
        (["a.jpg", "--device", "cuda:2"], "CUDA_VISIBLE_DEVICES=2"),
        (["a.jpg", "--device", "0,1"], "CUDA_VISIBLE_DEVICES=0"),
        (["--weights", "a.onnx"], "there is no SOURCE"),
        (["a.jpg", "--output", "a", "--name", "b"], "not both"),
    ],
)
def test_what_is_close_but_wrong_is_told(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        detect.parse(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_files_named_like_options_stay_files() -> None:
    assert detect.parse(["--nosave", "--", "--half"]).source == ["--half"]


def test_a_classifier_takes_the_words_that_concern_it(capsys: pytest.CaptureFixture[str]) -> None:
    options = classify.parse(
        shlex.split("--weights a.onnx --source a.jpg --img 224 --nosave --view-img --device 0")
    )
    assert (options.source, options.imgsz, options.no_save, options.show) == (["a.jpg"], [224], True, True)
    with pytest.raises(SystemExit):
        classify.parse(["--weights", "a.onnx", "a.jpg", "--half"])
    assert "--device cuda-fp16" in capsys.readouterr().err


@pytest.mark.parametrize("command", [detect, classify])
def test_help_names_them(command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.parse(["--help"])
    said = capsys.readouterr().out
    for word in (*REFUSED, "--nosave (--no-save)"):
        assert word in said


def test_the_page_is_made_from_the_table() -> None:
    written = (ROOT / "runtime" / "MIGRATING.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m runtime.command.aliases > runtime/MIGRATING.md"
