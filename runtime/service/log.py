"""Messages of libraries, as lines of JSON among the log's own."""

from __future__ import annotations

import logging

from .access_log import write_line


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        line = {
            "event": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:2000],
        }
        if record.exc_info:
            line["trace"] = logging.Formatter().formatException(record.exc_info)[-4000:]
        write_line(line)


def log_as_json(level: int) -> None:
    """Write what is logged in this process, from that level on, as lines of JSON."""
    logging.basicConfig(level=level, handlers=[_Lines()], force=True)
