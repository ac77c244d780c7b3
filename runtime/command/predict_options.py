"""The options that `detect` and `classify` have in common: what to look at, and what to write, and where."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..inputs.image_file import MAX_PIXELS
from ..outputs.atomic import is_standard_output
from ..outputs.folder import new_folder
from .aliases import translate
from .options import positive
from .outputs import Outputs
from .predict import Inputs

SOURCE_HELP = "a picture, video, folder, glob pattern, camera number or URL; - for standard input"


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add SOURCE and --source, which are the same, --recursive, --vid-stride and --max-pixels."""
    add = parser.add_argument
    add("source", nargs="*", metavar="SOURCE", help=SOURCE_HELP)
    add("--source", dest="more_sources", nargs="+", default=[], metavar="SOURCE", help="the same")
    add("--recursive", action="store_true", help="look into the subfolders of folders, too")
    add("--vid-stride", type=positive, default=1, metavar="N", help="look at every N-th frame (default: 1)")
    add(
        "--max-pixels",
        type=positive,
        default=MAX_PIXELS,
        metavar="N",
        help=f"refuse pictures and frames of more, which a small file may unpack to (default: {MAX_PIXELS})",
    )


def add_output_options(
    parser: argparse.ArgumentParser, folder: Path, holds: str, things: str
) -> argparse._ArgumentGroup:
    """Add --output and what else says what is written where; `folder` is the folder of the first run.

    holds: what --output's folder is for; things: what --json and --csv list. Gives the group.
    """
    output = parser.add_argument_group(
        "output", "Sources are never overwritten: a picture in the output folder gets another name."
    )
    add = output.add_argument
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help=f"folder for {holds} (default: {folder}, or {folder}2, {folder}3, … if it is there)",
    )
    add("--project", type=Path, metavar="DIR", help=f"with --name: the folder's place (default: {folder})")
    add("--name", metavar="NAME", help="with --project: the folder's name there (default: exp)")
    add("--exist-ok", action="store_true", help="write into that folder also if it is there")
    add("--no-save", action="store_true", help="save no annotated pictures and videos")
    add("--show", action="store_true", help="show them in a window; any key: next picture, q or Esc: stop")
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help=f"write file, size and {things} of each image or frame; if FILE ends in .jsonl, a line for each "
        "at once; - for standard output",
    )
    add(
        "--csv",
        type=Path,
        metavar="FILE",
        help=f"write a row for each of the {things}, of live sources at once; - for standard output",
    )
    add("--save-csv", action="store_true", help="write that to predictions.csv in the folder")
    parser.set_defaults(run_folder=folder, save_conf=False, save_crop=False, crop_masks=False)
    return output


def parse_predict(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, in detect.py's words, too; exits with code 2 and a message if it is wrong."""
    import sys

    options = parser.parse_args(translate(sys.argv[1:] if argv is None else argv, parser))
    options.source += options.more_sources
    if not options.source:
        parser.error(f"there is no SOURCE to look at: {SOURCE_HELP}")
    if options.json and options.csv and all(map(is_standard_output, (options.json, options.csv))):
        parser.error("only one of --json and --csv can go to standard output")
    if options.output and (options.project or options.name):
        parser.error("give the folder as --output, or as --project and --name, not both")
    return options


def wanted_inputs(options: argparse.Namespace) -> Inputs:
    """Say what is to be looked at."""
    return Inputs(options.source, options.recursive, options.vid_stride, options.max_pixels)


@contextmanager
def wanted_outputs(options: argparse.Namespace) -> Iterator[Outputs]:
    """Say what is to be written, into the folder of this run among others.

    A new folder is made, unless --output or --exist-ok names one, and removed again if nothing came into it.
    """
    with _run_folder(options) as folder:
        yield Outputs(
            folder,
            json=options.json,
            csv=options.csv,
            table=options.save_csv,
            pictures=not options.no_save,
            labels=options.save_txt or options.save_conf,
            scores=options.save_conf,
            crops=options.save_crop or options.crop_masks,
            cut_masks=options.crop_masks,
        )


@contextmanager
def _run_folder(options: argparse.Namespace) -> Iterator[Path | None]:
    """Give the folder of this run, None if nothing is to be written there."""
    saves = options.save_txt, options.save_conf, options.save_crop, options.crop_masks, options.save_csv
    folder = options.output or options.run_folder
    if options.project or options.name:
        folder = (options.project or folder) / (options.name or "exp")
    if options.no_save and not any(saves):
        yield None
    elif options.output or options.exist_ok:
        yield folder
    else:
        with new_folder(folder) as made:
            yield made
