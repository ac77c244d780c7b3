"""From what the user typed to the list of things to look at: pictures, videos, cameras and streams."""

from __future__ import annotations

import glob
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from ..errors import InputError
from .image_file import IMAGE_SUFFIXES

VIDEO_SUFFIXES = {
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov",
    ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv",
}  # fmt: skip

STANDARD_INPUT = "-"
OTHER_FILE, SUBFOLDER = "other file", "subfolder"
MAX_STEM = 200  # bytes: with a number and a suffix, an output's name must fit into the 255 of file systems


class Kind(Enum):
    """How a source is read."""

    IMAGE = "image"
    VIDEO = "video"  # has an end; every frame is wanted
    LIVE = "live"  # goes on by itself; the newest frame is wanted


@dataclass(frozen=True)
class Source:
    """One thing to look at.

    name: what it is called in messages and results: as given, without a password.
    target: what to open: a Path, the number of a camera, STANDARD_INPUT, or the URL of a picture, video or
        stream.
    stem: what its output files are called, different for each source of a run.
    """

    kind: Kind
    name: str
    target: Path | int | str
    stem: str

    @property
    def suffix(self) -> str:
        """The suffix of its name, ".jpg"; empty if there is none."""
        if isinstance(self.target, str):
            return PurePosixPath(urlsplit(self.target).path).suffix
        return self.target.suffix if isinstance(self.target, Path) else ""


class Sources(NamedTuple):
    """What arguments led to: the sources in order; a sentence for each argument that led to none; and how
    many of each kind of thing was left out of folders and patterns, by its name: OTHER_FILE, SUBFOLDER.
    """

    found: list[Source]
    problems: list[str]
    left_out: Counter[str]


def find_sources(arguments: Iterable[str], recursive: bool = False) -> Sources:
    """Find the sources that command-line arguments name.

    An argument is the path of a picture or video, a folder (its pictures and videos by name; those of its
    subfolders, too, if `recursive`), a glob pattern (`**` goes through subfolders), the number of a camera or
    the path of its device, STANDARD_INPUT for the bytes of a picture, or a URL. A URL that ends like a
    picture or a video file is one; any other is a live stream. Hidden files and folders count for nothing.
    """
    sources: list[Source] = []
    problems: list[str] = []
    left_out: Counter[str] = Counter()
    stems: set[str] = set()
    for argument in arguments:
        try:
            if argument == STANDARD_INPUT and any(source.target == argument for source in sources):
                raise InputError("standard input can be read once only")
            found = _find(argument, recursive, left_out)
        except InputError as error:
            problems.append(str(error))
            continue
        except OSError as error:
            problems.append(f"{argument}: {error.strerror or error}")
            continue
        for kind, name, target, whole_stem in found:
            unique = stem = cut(whole_stem, MAX_STEM)
            count = 2
            while unique.casefold() in stems:  # as file systems that do not tell A from a see it
                unique = f"{stem}-{count}"
                count += 1
            stems.add(unique.casefold())
            sources.append(Source(kind, name, target, unique))
    return Sources(sources, problems, left_out)


def cut(name: str, most: int) -> str:
    """Shorten a name to this many bytes, which is what file systems count, between two letters."""
    encoded = name.encode("utf-8", "surrogateescape")
    return name if len(encoded) <= most else encoded[:most].decode("utf-8", "ignore")


_Found = tuple[Kind, str, Path | int | str, str]


def _find(argument: str, recursive: bool, left_out: Counter[str]) -> list[_Found]:
    """Find what one argument names, and count what it leaves out. Raises InputError if that is nothing."""
    if not argument:
        raise InputError("an empty source; is a variable of your script not set?")
    if argument == STANDARD_INPUT:
        return [(Kind.IMAGE, "standard input", STANDARD_INPUT, "standard-input")]
    if argument.isascii() and argument.isdigit():
        return [(Kind.LIVE, f"camera {int(argument)}", int(argument), f"camera{int(argument)}")]
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", argument):
        return [_url(argument)]
    path = Path(argument)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return _glob(argument, left_out)
    if stat.S_ISDIR(mode):
        files = list(_walk(path, recursive, left_out))
        if not files:
            also = "; --recursive looks into its subfolders" if left_out[SUBFOLDER] else ""
            raise InputError(f"{argument}: no pictures or videos in this folder{also}")
        return [_file(file) for file in files]
    if stat.S_ISCHR(mode):
        return [(Kind.LIVE, argument, argument, path.name)]
    if not stat.S_ISREG(mode):
        raise InputError(f"{argument}: neither a file nor a folder nor a camera")
    return [_file(path)]


def _walk(folder: Path, recursive: bool, left_out: Counter[str]) -> Iterator[Path]:
    """Give a folder's pictures and videos by name, then those of its subfolders, but not those of links."""
    subfolders = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if _is_known(path):
            yield path
        elif not path.is_dir():
            left_out[OTHER_FILE] += 1
        elif recursive and not path.is_symlink():
            subfolders.append(path)
        else:
            left_out[SUBFOLDER] += 1
    for path in subfolders:
        yield from _walk(path, recursive, left_out)


def _glob(pattern: str, left_out: Counter[str]) -> list[_Found]:
    if not glob.has_magic(pattern):
        raise InputError(f"{pattern}: no such file or folder")
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute patterns)
    paths = [Path(name) for name in sorted(names)]
    files = [path for path in paths if _is_known(path)]
    if not files:
        raise InputError(f"{pattern}: no picture or video matches this pattern")
    others = sum(not path.is_dir() for path in paths) - len(files)
    if others:
        left_out[OTHER_FILE] += others
    return [_file(file) for file in files]


def _is_known(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and file.is_file()


def _file(path: Path) -> _Found:
    """A file named by itself counts as a picture whatever its suffix: reading it will tell."""
    kind = Kind.VIDEO if path.suffix.lower() in VIDEO_SUFFIXES else Kind.IMAGE
    return kind, str(path), path, path.stem


def _url(url: str) -> _Found:
    try:
        parts = urlsplit(url)
        place = parts.hostname or ""
        if parts.port:
            place += f":{parts.port}"
    except ValueError as error:
        raise InputError(f"{url}: not a valid URL ({error})") from error
    shown = f"{parts.username}:***@{place}" if parts.password else parts.netloc
    name = urlunsplit(parts._replace(netloc=shown))
    path = PurePosixPath(parts.path)
    kind = Kind.VIDEO if path.suffix.lower() in VIDEO_SUFFIXES else Kind.LIVE
    if path.suffix.lower() in IMAGE_SUFFIXES and parts.scheme.lower() in ("http", "https"):
        kind = Kind.IMAGE
    whole = f"{place}{path.with_suffix('') if path.name else ''}"
    stem = re.sub(r"[^A-Za-z0-9.-]+", "_", path.stem if kind is Kind.IMAGE else whole).strip("_.")
    return kind, name, url, stem[:100] or "stream"
