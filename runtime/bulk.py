"""The command `python -m runtime.bulk`: very many pictures, by all machines of a Ray cluster, into Parquet.

The pictures are divided into parts. An actor, with a detector of its own, takes a part, and writes what it
finds into a file that is named after the part's paths and appears only when it is complete. So a part that is
done again, because a machine died, replaces its own file: nothing is lost, nothing is there twice. And a
command that was interrupted goes on, when it is given again, with the pictures that are in no file yet.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import importlib
import logging
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .command.options import add_box_options, new_parser, positive
from .command.run import run
from .errors import InputError, first_line
from .inputs.image_file import IMAGE_SUFFIXES, decode_image
from .model.file import read_model
from .predictors.detector import DEFAULT_MODEL
from .predictors.load import load_model
from .results.columns import column_of
from .stages.letterbox import GREY
from .tasks.read_info import read_info

EXAMPLES = """
examples:
  python -m runtime.bulk photos/ --output found              all cores of this machine
  python -m runtime.bulk "s3://bucket/2026/*.jpg" --output s3://bucket/found --weights mine.onnx
  python -m runtime.bulk photos/ --output found --address 10.0.0.5:6379     a cluster, see `ray start`

One row for each picture: path, height, width, error, and found, a list as `to_dict` gives it. Read it with
`pandas.read_parquet("found")`. Given again, the command goes on where it was interrupted. On a cluster, every
machine must have this package and reach the pictures and the output.

exit codes: 0 all done; 1 some pictures could not be read, their rows say why; 2 nothing done; 130
interrupted.
"""
PART = "part-"


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = new_parser(
        "bulk", "Look at very many pictures with Ray; what is found goes into Parquet.", EXAMPLES
    )
    add = parser.add_argument
    add("source", nargs="+", metavar="SOURCE", help="a picture, folder or pattern; a path or a URL as s3://…")
    add("--output", required=True, metavar="DIR", help="folder for the Parquet files; a path or a URL")
    add("--weights", type=Path, metavar="FILE", help="model file (default: one that finds printed codes)")
    add("--address", metavar="HOST:PORT", help="of a Ray cluster (default: one is started on this machine)")
    add(
        "--actors",
        type=positive,
        metavar="N",
        help="detectors, a core each (default: as many as there are cores)",
    )
    add("--part", type=positive, default=64, metavar="N", help="pictures in each file (default: %(default)s)")
    add_box_options(parser.add_argument_group("boxes"), max_det=1000)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parse, bulk, argv)


def bulk(options: argparse.Namespace) -> int:
    """Do what the options say; returns 0, or 1 if some pictures could not be read. Raises DetectorError."""
    for module in ("ray.data", "pyarrow.parquet"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InputError(f"this needs more packages: pip install 'yolov5-dnn[bulk]' ({error})") from error
    import ray

    model = Path(options.weights or DEFAULT_MODEL)
    thresholds = {key: getattr(options, key) for key in ("conf_thres", "iou_thres", "max_det")}
    open_model(model, thresholds)  # what is wrong with it is told here
    wanted = sorted({path for source in options.source for path in find_pictures(source)})
    if not wanted:
        raise InputError(f"there are no pictures in {', '.join(options.source)}")
    done = set(finished(options.output))
    todo = [path for path in wanted if path not in done]
    print(f"{len(wanted)} pictures, {len(wanted) - len(todo)} of them done before", flush=True)
    if not todo:
        return 0
    parts = [todo[i : i + options.part] for i in range(0, len(todo), options.part)]

    try:
        here: dict[str, Any] = {} if options.address else {"_node_ip_address": "127.0.0.1"}  # for nobody else
        ray.init(address=options.address, log_to_driver=False, logging_level="CRITICAL", **here)
    except Exception as error:  # Ray raises no class of its own here
        reason = first_line(error)
        what = f"cannot be reached at {options.address}" if options.address else "does not start"
        raise InputError(f"Ray {what}: {reason}") from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        cores = int(ray.cluster_resources().get("CPU", 1))
        actors = min(options.actors or cores, len(parts))
        dataset = ray.data.from_items(
            [{"paths": part} for part in parts], override_num_blocks=len(parts)
        ).map(
            Looker,
            fn_constructor_args=(model.read_bytes(), thresholds, options.output),
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=1,
        )
        looked, failed = 0, 0
        for row in dataset.iter_rows():
            looked, failed = looked + int(row["looked"]), failed + int(row["failed"])
            print(f"{looked} of {len(todo)}" + (f", {failed} failed" if failed else ""), flush=True)
    finally:
        ray.shutdown()
    remove_unfinished(options.output, parts)
    return 1 if failed else 0


class Looker:
    """An actor: looks at one part after the other."""

    def __init__(self, model: bytes, thresholds: dict[str, Any], output: str) -> None:
        cv2.setNumThreads(1)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(model)
            self.model = open_model(path, thresholds)
        self.schema = schema_of(self.model(np.full((64, 64, self.model.info.channels), GREY, np.uint8)))
        self.output = output

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Look at the pictures of a part and write its file; gives how many there were."""
        paths = [str(path) for path in row["paths"]]
        rows = [look(self.model, path) for path in paths]
        write_part(self.output, paths, rows, self.schema)
        return {"looked": len(rows), "failed": sum(each["error"] is not None for each in rows)}


def open_model(path: Path, thresholds: dict[str, Any]) -> Any:
    """Load a model file as what it is for; classes have no thresholds. Raises DetectorError."""
    file = read_model(path)
    boxes = read_info(file.metadata, path).task.predictor == "Detector"
    return load_model(file, **thresholds if boxes else {})


def look(model: Any, path: str) -> dict[str, Any]:
    """Look at one picture; gives its row."""
    filesystem, name = resolve(path)
    try:
        with filesystem.open_input_stream(name) as stream:
            image = decode_image(stream.read())
    except (OSError, InputError) as error:
        return {"path": path, "height": None, "width": None, "error": str(error), "found": []}
    height, width = image.shape[:2]
    found = model(image).to_dict()
    return {"path": path, "height": height, "width": width, "error": None, "found": found}


def schema_of(result: Any) -> Any:
    """Give the files' schema for a model that gives such results."""
    import pyarrow as pa

    score = "probability" if hasattr(result, "probabilities") else "score"
    fields = [("class_id", pa.int32()), ("name", pa.string()), (score, pa.float32())]
    if hasattr(result, "xyxy"):
        fields.append(("box", pa.list_(pa.float32())))
        fields += [
            (column_of(name).each, column_of(name).arrow_type(pa, values))
            for name, values in result.columns.items()
        ]
    return pa.schema(
        [
            ("path", pa.string()),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("error", pa.string()),
            ("found", pa.list_(pa.struct(fields))),
        ]
    )


def resolve(source: str) -> tuple[Any, str]:
    """Give the file system of a path or URL, and the path there. Raises InputError."""
    from pyarrow import fs

    try:
        if "://" in source:
            filesystem, path = fs.FileSystem.from_uri(source)
            return filesystem, path
        return fs.LocalFileSystem(), str(Path(source).absolute())
    except (OSError, ValueError) as error:
        raise InputError(f"{source} cannot be opened: {error}") from error


def find_pictures(source: str) -> Iterator[str]:
    """Find the pictures of a folder, with all below it, of a pattern, or the one that is named.

    Gives absolute paths, or URLs if the source is one. Raises InputError if there is nothing.
    """
    from pyarrow import fs

    filesystem, path = resolve(source)
    prefix = source[: source.index("://") + 3] if "://" in source else ""
    pattern = any(letter in path for letter in "*?[")
    parts = path.split("/")
    first = next((i for i, part in enumerate(parts) if any(letter in part for letter in "*?[")), len(parts))
    base = "/".join(parts[:first]) or "/"
    try:
        info = filesystem.get_file_info(base)
        if info.type == fs.FileType.File:
            yield prefix + base
            return
        if info.type != fs.FileType.Directory:
            raise InputError(f"there is no {source}")
        entries = filesystem.get_file_info(fs.FileSelector(base, recursive=True))
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error}") from error
    for entry in entries:
        suffix = "." + entry.extension.lower()
        if entry.type == fs.FileType.File and (
            fnmatch.fnmatchcase(entry.path, path) if pattern else suffix in IMAGE_SUFFIXES
        ):
            yield prefix + entry.path


def finished(output: str) -> Iterator[str]:
    """Give the paths of the pictures that the files in the output folder have rows of."""
    import pyarrow.parquet as pq
    from pyarrow import fs

    filesystem, folder = resolve(output)
    for entry in filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
        if entry.base_name.startswith(PART) and entry.extension == "parquet":
            try:
                table = pq.read_table(entry.path, filesystem=filesystem, columns=["path"])
            except (OSError, ValueError) as error:
                raise InputError(f"{entry.path} is no Parquet file of this command: {error}") from error
            yield from table.column("path").to_pylist()


def part_name(paths: Sequence[str]) -> str:
    """Give the name of the file for these pictures."""
    return PART + hashlib.sha256("\0".join(paths).encode()).hexdigest()[:32] + ".parquet"


def write_part(output: str, paths: Sequence[str], rows: list[dict[str, Any]], schema: Any) -> None:
    """Write the file of a part, under its name only when it is complete."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem, folder = resolve(output)
    name = part_name(paths)
    filesystem.create_dir(folder, recursive=True)
    temporary = f"{folder}/.{secrets.token_hex(6)}.{name}"
    pq.write_table(pa.Table.from_pylist(rows, schema), temporary, filesystem=filesystem)
    filesystem.move(temporary, f"{folder}/{name}")


def remove_unfinished(output: str, parts: Sequence[Sequence[str]]) -> None:
    """Remove what machines that died had begun to write of these parts, which others have written since."""
    from pyarrow import fs

    filesystem, folder = resolve(output)
    names = {part_name(part) for part in parts}
    for entry in filesystem.get_file_info(fs.FileSelector(folder)):
        hidden = entry.base_name.startswith(".")
        if hidden and entry.base_name[1:].partition(".")[2] in names:
            filesystem.delete_file(entry.path)


if __name__ == "__main__":
    sys.exit(main())
