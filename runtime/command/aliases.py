"""The words of YOLOv5's `detect.py`, in one table: what each is called here, or what to do instead.

From it come what the commands accept, what `--help` says about it, and `MIGRATING.md`, which this prints:

    python -m runtime.command.aliases
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple


class Here(Enum):
    """What becomes of a word."""

    SAME = "the same"
    ALIAS = "taken"  # for another option
    REFUSED = "refused"  # with the sentence that says what to do instead


class Word(NamedTuple):
    """An option of `detect.py`.

    spellings: all that it has there; here: what becomes of it; option: what it is called here, if it is an
    alias; about: the sentence for whom it is refused to, or a remark.
    """

    spellings: tuple[str, ...]
    here: Here
    option: str = ""
    about: str = ""


WORDS = (
    Word(("--weights",), Here.SAME, about="A model file, which `yolov5-dnn convert best.pt` makes."),
    Word(("--source",), Here.SAME, about="Sources may also stand without it, and there may be several."),
    Word(
        ("--data",),
        Here.REFUSED,
        about="the class names are in the model file: leave --data out; to measure a model there is "
        "`yolov5-dnn evaluate`.",
    ),
    Word(("--imgsz", "--img", "--img-size"), Here.ALIAS, "--imgsz", "By default the model's own size."),
    Word(("--conf-thres", "--conf"), Here.ALIAS, "--conf-thres"),
    Word(("--iou-thres", "--iou"), Here.ALIAS, "--iou-thres"),
    Word(("--max-det",), Here.SAME),
    Word(
        ("--device",),
        Here.SAME,
        about="`0` and `cuda:0` are `cuda`; that needs an OpenCV built with CUDA. For another card than the "
        "first set the variable CUDA_VISIBLE_DEVICES.",
    ),
    Word(("--view-img",), Here.ALIAS, "--show"),
    Word(("--save-txt",), Here.SAME),
    Word(
        ("--save-csv",),
        Here.SAME,
        about="It writes predictions.csv in the run's folder; `--csv FILE` names the file.",
    ),
    Word(("--save-conf",), Here.SAME, about="It implies --save-txt."),
    Word(("--save-crop",), Here.SAME),
    Word(("--nosave",), Here.ALIAS, "--no-save"),
    Word(("--classes",), Here.SAME, about="By number or by name."),
    Word(("--agnostic-nms",), Here.SAME),
    Word(
        ("--augment",),
        Here.REFUSED,
        about="there is no augmentation while detecting: leave --augment out, or give a larger --imgsz, "
        "which finds small things better.",
    ),
    Word(
        ("--visualize",),
        Here.REFUSED,
        about="feature maps are not shown here: leave --visualize out, or run detect.py on the checkpoint.",
    ),
    Word(
        ("--update",),
        Here.REFUSED,
        about="a model file needs no updating: leave --update out, and convert the checkpoint again when it "
        "has changed.",
    ),
    Word(
        ("--project",),
        Here.SAME,
        about="With --name, as there; by default it is runs/detect. `--output DIR` names the whole folder.",
    ),
    Word(
        ("--name",),
        Here.SAME,
        about="With --project, as there; without both of them a run goes to runs/detect, runs/detect2, …",
    ),
    Word(("--exist-ok",), Here.SAME, about="Without it each run gets a folder of its own."),
    Word(("--line-thickness",), Here.SAME, about="By default it goes by the picture's size."),
    Word(("--hide-labels",), Here.SAME),
    Word(("--hide-conf",), Here.SAME),
    Word(
        ("--half",),
        Here.REFUSED,
        about="16 bits are a matter of the device: say --device cuda-fp16 or opencl-fp16 instead of --half.",
    ),
    Word(
        ("--dnn",),
        Here.REFUSED,
        about="everything here runs in OpenCV's dnn already: leave --dnn out.",
    ),
    Word(("--vid-stride",), Here.SAME),
)

ALIASES = {
    spelling: word.option
    for word in WORDS
    if word.here is Here.ALIAS
    for spelling in word.spellings
    if spelling != word.option
}
REFUSED = {spelling: word.about for word in WORDS if word.here is Here.REFUSED for spelling in word.spellings}

_PAGE = """# Coming from detect.py

`yolov5-dnn detect` takes the command line of YOLOv5's `detect.py`. Two things
differ: it runs a model file, which `yolov5-dnn convert best.pt` makes once of your checkpoint, and without
`--weights` it looks for printed codes, not for the classes of COCO.

| `detect.py` | here | |
| --- | --- | --- |
{rows}

A `best.onnx` that YOLOv5's `export.py` or the `ultralytics` package wrote runs, too, as it is:
[which](MODEL_FILE.md#files-of-other-exporters).

What is refused is refused with the sentence in the last column, before anything is read. The words of
`classify/predict.py` are taken by `yolov5-dnn classify` in the same way.

<!-- made by `python -m runtime.command.aliases`; do not edit -->
"""


def translate(arguments: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """Put the options' own names in the place of the aliases.

    An option that is refused ends the process with its sentence and code 2, as argparse does.
    """
    translated: list[str] = []
    for number, argument in enumerate(arguments):
        if argument == "--":
            return [*translated, *arguments[number:]]
        word, equals, value = argument.partition("=")
        if word in REFUSED:
            parser.error(REFUSED[word])
        translated.append(ALIASES.get(word, word) + equals + value)
    return translated


def help_text(command: str = "detect") -> str:
    """Say, for the end of `--help`, which of detect.py's words are taken and which are not."""
    boxes = command == "detect"
    pairs = ", ".join(f"{word} ({ours})" for word, ours in ALIASES.items() if boxes or "thres" not in ours)
    return f"words of detect.py:\n{_wrapped(f'taken as well: {pairs}')}\n{_wrapped(_refusals())}\n"


def _refusals() -> str:
    return f"not taken, with a sentence that says what to do instead: {', '.join(REFUSED)}"


def _wrapped(text: str) -> str:
    import textwrap  # needed for --help alone

    return textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def page() -> str:
    """Make the page for people who come from detect.py, in Markdown."""
    return _PAGE.format(rows="\n".join(map(_row, WORDS)))


def _row(word: Word) -> str:
    theirs = ", ".join(f"`{spelling}`" for spelling in word.spellings)
    here = f"`{word.option}`" if word.here is Here.ALIAS else word.here.value
    about = word.about[:1].upper() + word.about[1:]
    return f"| {theirs} | {here} | {about} |"


if __name__ == "__main__":
    import sys

    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print(page(), end="")
