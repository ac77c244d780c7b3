"""The access log: what is recorded about a request, and the line that is written."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from time import perf_counter
from typing import Any

_writing = threading.Lock()
_dropped = 0


def dropped_lines() -> int:
    """Count the lines that could not be written, as on a full disk."""
    return _dropped


@dataclass
class AccessRecord:
    """What is known about a request: filled in as it goes its way."""

    protocol: str  # http or grpc
    method: str  # POST, or the name of the remote procedure
    path: str = ""
    client: str = ""
    model: str = ""  # stays empty until a model was found
    version: str = ""
    images: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    status: int = 200
    error: str = ""
    stages: dict[str, float] = field(default_factory=dict)  # milliseconds
    milliseconds: float = 0.0
    started: float = field(default_factory=perf_counter)

    def end(self) -> None:
        """Stop the clock."""
        self.milliseconds = (perf_counter() - self.started) * 1000

    def line(self) -> dict[str, Any]:
        """Give the log's line about it: without what is empty."""
        values = {
            "protocol": self.protocol,
            "method": self.method,
            "path": self.path[:200],
            "client": self.client,
            "model": self.model,
            "version": self.version,
            "status": self.status,
            "ms": round(self.milliseconds, 2),
            "images": self.images,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "stages": {stage: round(ms, 2) for stage, ms in self.stages.items()},
            "error": self.error[:500],
        }
        return {key: value for key, value in values.items() if value not in ("", 0, {})}


def write_line(values: dict[str, Any]) -> None:
    """Write a line of JSON with the time before it; all but printable ASCII is escaped.

    A line that cannot be written is dropped and counted: requests are answered all the same.
    """
    global _dropped
    line = (
        json.dumps({"time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), **values}) + "\n"
    )
    with _writing:
        try:
            _write_all(line.encode())
        except (OSError, ValueError, AttributeError):
            _dropped += 1


def _write_all(data: bytes) -> None:
    """Write to standard error, past Python's buffer, which would keep what a full disk does not take."""
    number = sys.stderr.fileno()
    while data:
        data = data[os.write(number, data) :]
