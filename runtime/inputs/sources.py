"""From what the user typed to the list of things to look at: pictures, videos, cameras and streams."""

from __future__ import annotations

import glob
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit, urlunsplit

from ..errors import InputError
from .image_file import IMAGE_SUFFIXES

VIDEO_SUFFIXES = {
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov",
    ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv",
}  # fmt: skip


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
    target: what to open: a Path, the number of a camera, or the URL of a stream or video.
    stem: what its output files are called, different for each source of a run.
    """

    kind: Kind
    name: str
    target: Path | int | str
    stem: str


def find_sources(arguments: Iterable[str]) -> tuple[list[Source], list[str]]:
    """Find the sources that command-line arguments name.

    An argument is the path of a picture or video, a folder (its pictures and videos by name, not those in
    its subfolders), a glob pattern (`**` goes through subfolders), the number of a camera or the path of its
    device, or a URL. A URL that ends like a video file is one; any other is a live stream.

    Returns the sources in order, and a sentence for each argument that led to none.
    """
    sources: list[Source] = []
    problems: list[str] = []
    stems: set[str] = set()
    for argument in arguments:
        try:
            found = _find(argument)
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
    return sources, problems


def cut(name: str, most: int) -> str:
    """Shorten a name to this many bytes, which is what file systems count, between two letters."""
    encoded = name.encode("utf-8", "surrogateescape")
    return name if len(encoded) <= most else encoded[:most].decode("utf-8", "ignore")


_Found = tuple[Kind, str, Path | int | str, str]


def _find(argument: str) -> list[_Found]:
    """Find what one argument names. Raises InputError if that is nothing."""
    if not argument:
        raise InputError("an empty source; is a variable of your script not set?")
    if argument.isascii() and argument.isdigit():
        return [(Kind.LIVE, f"camera {int(argument)}", int(argument), f"camera{int(argument)}")]
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", argument):
        return [_url(argument)]
    path = Path(argument)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return _glob(argument)
    if stat.S_ISDIR(mode):
        files = [file for file in sorted(path.iterdir()) if _is_known(file)]
        if not files:
            raise InputError(f"{argument}: no pictures or videos in this folder")
        return [_file(file) for file in files]
    if stat.S_ISCHR(mode):
        return [(Kind.LIVE, argument, argument, path.name)]
    if not stat.S_ISREG(mode):
        raise InputError(f"{argument}: neither a file nor a folder nor a camera")
    return [_file(path)]


def _glob(pattern: str) -> list[_Found]:
    if not glob.has_magic(pattern):
        raise InputError(f"{pattern}: no such file or folder")
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute patterns)
    files = [file for file in map(Path, sorted(names)) if _is_known(file)]
    if not files:
        raise InputError(f"{pattern}: no picture or video matches this pattern")
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
    stem = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{place}{path.with_suffix('') if path.name else ''}").strip("_.")
    return kind, name, url, stem[:100] or "stream"
