"""The models in service, as they lie in a folder, and how they change while requests come in.

MODELS/NAME/VERSION/model.onnx     as Triton and TensorFlow Serving lay them out; VERSION is a number
MODELS/NAME.onnx                   version 1 of NAME
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import DetectorError, InputError
from ..predictors.detector import DEFAULT_MODEL
from .errors import RequestError, quoted
from .served_model import ServedModel, Stamp, digest, stamp

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,199}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
MODEL_FILE = "model.onnx"

Found = dict[str, dict[int, Path]]


class Entry(NamedTuple):
    """A line of the repository's index."""

    name: str
    version: str
    state: str  # READY or UNAVAILABLE
    reason: str


def search(models: Path | None) -> Found:
    """Find the model files of a repository, or of a single file; None stands for the embedded model.

    Names that are not letters, digits, `_`, `.` and `-` are passed over, as everything else that does not fit
    the layout. Raises InputError if there is no such file or folder.
    """
    path = DEFAULT_MODEL if models is None else models
    if path.is_file():
        return {path.stem: {1: path}}
    if not path.is_dir():
        raise InputError(f"there is no model repository {path}")
    found: Found = {}
    try:
        for entry in sorted(path.iterdir()):
            if entry.suffix == ".onnx" and entry.is_file() and _NAME.fullmatch(entry.stem):
                found.setdefault(entry.stem, {})[1] = entry
            elif entry.is_dir() and _NAME.fullmatch(entry.name):
                for folder in sorted(entry.iterdir()):
                    file = folder / MODEL_FILE
                    if _NUMBER.fullmatch(folder.name) and file.is_file():
                        found.setdefault(entry.name, {})[int(folder.name)] = file
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return found


class Repository:
    """The models of a folder.

    open_model: loads a file, given name, number and path. admit: raises DetectorError for a file that must
    not be loaded. tell: is told what happens: an event, the model's name, the version, and a reason.

    Reading, by `find` and `index`, is for any thread and never waits. Changing, by `scan`, `load` and
    `unload`, takes as long as loading does, one change at a time.
    """

    def __init__(
        self,
        models: Path | None,
        open_model: Callable[[str, int, Path], ServedModel],
        admit: Callable[[Path], None],
        tell: Callable[[str, str, int, str], None],
    ) -> None:
        self._models = models
        self._open = open_model
        self._admit = admit
        self._tell = tell
        self._changing = threading.Lock()
        self._ready: dict[str, dict[int, ServedModel]] = {}  # replaced as a whole, never changed
        self._refused: dict[tuple[str, int], tuple[Stamp, str]] = {}
        self._unsettled: dict[tuple[str, int], Stamp] = {}
        self._unloaded: set[str] = set()
        self._admitted: set[str] = set()  # SHA-256

    def find(self, name: str, number: str = "") -> ServedModel:
        """Give a version, or the newest one. Raises RequestError 404 if it is not in service."""
        versions = self._ready.get(name)
        if not versions:
            raise RequestError(
                404, f"there is no model {quoted(name)}; there are {', '.join(self._ready) or 'none'}"
            )
        if not number:
            return versions[max(versions)]
        if not (number.isascii() and number.isdecimal()) or len(number) > 18 or int(number) not in versions:
            raise RequestError(404, f"the model {name} has no version {quoted(number)}")
        return versions[int(number)]

    def versions(self, name: str) -> list[ServedModel]:
        """Give all versions of a model, oldest first. Raises RequestError 404 if there is none."""
        self.find(name)
        return [model for _, model in sorted(self._ready[name].items())]

    @property
    def ready(self) -> list[ServedModel]:
        """Every version in service."""
        return [model for _, versions in sorted(self._ready.items()) for model in versions.values()]

    def index(self) -> list[Entry]:
        """List what is in service and what was refused, and why."""
        refused = dict(self._refused)
        entries = [
            Entry(v.name, str(v.number), "READY", refused.pop((v.name, v.number), (None, ""))[1])
            for v in self.ready
        ]
        entries += [
            Entry(name, str(number), "UNAVAILABLE", reason) for (name, number), (_, reason) in refused.items()
        ]
        listed = {entry.name for entry in entries}
        entries += [Entry(name, "", "UNAVAILABLE", "unloaded") for name in sorted(self._unloaded - listed)]
        return entries

    def scan(self, settled: bool = False) -> None:
        """Bring what is in service in line with the folder: new, changed and removed files.

        A file counts only if it has been the same at two scans, so that no half-copied one is taken, unless
        it is said to be `settled`. A file that is refused leaves the old one of its version in service.
        """
        with self._changing:
            found = search(self._models)
            for name in sorted(found.keys() | self._ready.keys()):
                if name not in self._unloaded:
                    self._align(name, found.get(name, {}), again=False, settled=settled)
            self._unloaded &= found.keys()
            for key in [key for key in self._refused if key[1] not in found.get(key[0], {})]:
                del self._refused[key]

    def load(self, name: str) -> None:
        """Load a model's versions anew. Raises RequestError: 404 if there is none, 400 if one is refused."""
        with self._changing:
            found = search(self._models)
            if name not in found:
                raise RequestError(404, f"there is no model {quoted(name)} in the repository")
            self._unloaded.discard(name)
            self._align(name, found[name], again=True, settled=True)
            reasons = [
                self._refused[name, number][1] for number in found[name] if (name, number) in self._refused
            ]
            if reasons:
                raise RequestError(400, "; ".join(reasons))

    def unload(self, name: str) -> None:
        """Take a model out of service until it is loaded again. Raises RequestError 404."""
        with self._changing:
            if name not in self._ready and name not in self._unloaded:
                raise RequestError(404, f"there is no model {quoted(name)} to unload")
            self._unloaded.add(name)
            self._put(name, {})

    def _align(self, name: str, found: dict[int, Path], again: bool, settled: bool) -> None:
        """Make a model's versions those of these files."""
        versions = dict(self._ready.get(name, {}))
        for number, path in found.items():
            key = name, number
            try:
                now = stamp(path)
            except OSError:
                continue  # removed this moment
            known = versions[number].stamp if number in versions else None
            refused = self._refused[key][0] if key in self._refused else None
            if not again and now in (known, refused):
                continue
            if not settled and self._unsettled.get(key) != now:
                self._unsettled[key] = now
                continue
            self._unsettled.pop(key, None)
            try:
                versions[number] = self._open_checked(name, number, path)
            except (DetectorError, OSError) as error:
                self._refused[key] = now, str(error)
                self._tell("model refused", name, number, str(error))
            else:
                self._refused.pop(key, None)
                self._put(name, versions)  # it serves already while the next one is being loaded
                self._tell("model loaded", name, number, "")
        for number in versions.keys() - found.keys():
            del versions[number]
            self._tell("model removed", name, number, "")
        self._put(name, versions)

    def _open_checked(self, name: str, number: int, path: Path) -> ServedModel:
        """Load a file that passes the checks; those of the same bytes are made only once."""
        before, sha = stamp(path), digest(path)
        if sha not in self._admitted:
            self._admit(path)
            self._admitted.add(sha)
        model = self._open(name, number, path)
        if stamp(path) != before:
            raise InputError(f"{path} changed while it was being loaded")
        return model

    def _put(self, name: str, versions: dict[int, ServedModel]) -> None:
        """Replace the versions of a model in one step."""
        others = {key: value for key, value in self._ready.items() if key != name}
        self._ready = {**others, name: dict(versions)} if versions else others
