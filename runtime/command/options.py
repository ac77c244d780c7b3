"""The options that commands have in common: which model, on what, and which boxes."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .. import __version__
from ..engines.load import DEVICES
from ..predictors.classifier import Classifier
from ..predictors.detector import Detector
from ..program import program
from .terminal import warn


def new_parser(name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Make the parser of `python -m runtime.NAME`, with --version, and examples after the options."""
    parser = argparse.ArgumentParser(
        prog=program(name),
        description=description,
        epilog=examples.replace(f"python -m runtime.{name}", program(name)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"yolov5-dnn {__version__}")
    return parser


def add_model_options(group: argparse._ArgumentGroup) -> None:
    """Add --weights, --no-rect, --imgsz, --device and --threads."""
    add = group.add_argument
    add(
        "--weights",
        metavar="FILE",
        help=f"model file made by `{program('convert')}` (default: one that finds printed codes)",
    )
    add_network_options(group)
    add(
        "--no-rect",
        dest="rect",
        action="store_false",
        help="scale to the whole of that size, also where a smaller rectangle would hold the image",
    )


def add_tiles_option(group: argparse._ArgumentGroup) -> None:
    """Add --tiles."""
    group.add_argument(
        "--tiles",
        type=positive,
        metavar="N",
        help="look also at overlapping tiles of N×N pixels, for small objects in large pictures; N as the "
        "model's input size, say; each tile takes as long as a picture",
    )


def add_network_options(group: argparse._ArgumentGroup) -> None:
    """Add --imgsz, --device and --threads."""
    add = group.add_argument
    add(
        "--imgsz",
        type=whole,
        nargs="+",
        action=_OneOrTwo,
        metavar="N",
        help="size to scale images to, N or H W (default: the model's own)",
    )
    add(
        "--device",
        type=device,
        default="cpu",
        metavar="NAME",
        help=f"{', '.join(DEVICES)} (default: cpu); 0 and cuda:0 are cuda",
    )
    add(
        "--threads",
        type=positive,
        metavar="N",
        help="processor threads to use; many images are divided among networks of one thread each, "
        "and each needs memory (default: all cores)",
    )


def add_box_options(
    group: argparse._ArgumentGroup,
    max_det: int,
    conf_thres: float | None = None,
    iou_thres: float | None = None,
) -> None:
    """Add --conf-thres, --iou-thres and --max-det with these defaults; None stands for the model's own."""
    add = group.add_argument
    add(
        "--conf-thres",
        type=float,
        default=conf_thres,
        metavar="X",
        help=f"lowest score, 0 to 1 (default: {conf_thres or '0.25; for keypoints 0.6'})",
    )
    add(
        "--iou-thres",
        type=float,
        default=iou_thres,
        metavar="X",
        help="of boxes that overlap more, the best one stays, 0 to 1 "
        f"(default: {iou_thres or '0.45; without anchors 0.7, for keypoints 0.5'})",
    )
    add(
        "--max-det",
        type=positive,
        default=max_det,
        metavar="N",
        help="most boxes per image (default: %(default)s)",
    )


def detector_maker(options: argparse.Namespace, **more: Any) -> Callable[[], Detector]:
    """Give what makes the Detector that model, tiles and box options ask for; it raises what that raises."""
    return partial(
        Detector,
        options.weights,
        device=options.device,
        imgsz=options.imgsz,
        rect=options.rect,
        tiles=options.tiles,
        conf_thres=options.conf_thres,
        iou_thres=options.iou_thres,
        max_det=options.max_det,
        **more,
    )


def say_size(imgsz: Sequence[int] | None, model: Detector | Classifier) -> None:
    """Warn if a model takes another size than the one that --imgsz asks for."""
    if imgsz is None:
        return
    asked = (*imgsz, *imgsz)[:2]
    used = model.imgsz if isinstance(model.imgsz, tuple) else (model.imgsz, model.imgsz)
    if asked != used:
        numbers = used if len(imgsz) > 1 or used[0] != used[1] else used[:1]
        warn(
            f"--imgsz {' '.join(map(str, imgsz))} is not divisible by {model.info.size_multiple}: "
            f"{' '.join(map(str, numbers))} is used"
        )


def whole(text: str) -> int:
    """Read a whole number, for argparse."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def positive(text: str) -> int:
    """Read a whole number of at least 1, for argparse."""
    value = whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1; it must be at least 1")
    return value


def device(text: str) -> str:
    """Read the name of a device, for argparse; "0" and "cuda:0" are how PyTorch calls the first card."""
    number = text.removeprefix("cuda:")
    if number == "0":
        return "cuda"
    if re.fullmatch(r"\d+(,\d+)*", number):
        raise argparse.ArgumentTypeError(
            "of several cards only the first can be used: set the variable "
            f"CUDA_VISIBLE_DEVICES={number.partition(',')[0]}, and say --device cuda"
        )
    return text


class _OneOrTwo(argparse.Action):
    """Takes one value or two."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,
    ) -> None:
        if len(values) > 2:
            raise argparse.ArgumentError(self, "give one number or two, height and width")
        setattr(namespace, self.dest, values)
