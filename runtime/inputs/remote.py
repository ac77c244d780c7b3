"""Pictures that are no files of this machine: at a URL, and on standard input."""

from __future__ import annotations

import base64
import io
import queue
import sys
import threading
import time
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ..errors import InputError, first_line
from ..escape import escape

MAX_BYTES = 1 << 26  # 64 MiB
TIMEOUT_SECONDS = 10.0  # for an answer, and for each part of it
MAX_SECONDS = 60.0  # for all of it
SCHEMES = ("http", "https")
_PART = 1 << 16


def download(url: str) -> bytes:
    """Get what is at an http or https URL; a user and password in it are sent to that host alone.

    Redirects are followed to http and https only. Raises InputError, which does not name the URL, if it
    cannot be got, has more than MAX_BYTES, or takes longer than MAX_SECONDS, from the look-up of the name to
    the last byte.
    """
    # In a thread, as neither the look-up of a name nor a server that sends its headers letter by letter can
    # be given a deadline. A thread that is given up ends with its connection, or with the process.
    outcome: queue.Queue[bytes | InputError] = queue.Queue(1)

    def work() -> None:
        try:
            outcome.put(_download(url, time.monotonic() + MAX_SECONDS))
        except InputError as error:
            outcome.put(error)
        except Exception as error:  # whatever it is, somebody waits for it
            outcome.put(InputError(f"it cannot be got: {type(error).__name__}"))

    threading.Thread(target=work, daemon=True).start()
    try:
        result = outcome.get(timeout=MAX_SECONDS)
    except queue.Empty:
        raise InputError(f"it takes longer than {MAX_SECONDS:.0f} s") from None
    if isinstance(result, InputError):
        raise result
    return result


def _download(url: str, deadline: float) -> bytes:
    import http.client  # with what it imports, it would delay the start where it isn't needed
    import urllib.request

    class Redirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *arguments: Any) -> Any:
            scheme = urlsplit(arguments[-1]).scheme.lower()
            if scheme not in SCHEMES:
                raise InputError(
                    f"it is moved to {escape(scheme, 20)}, which is not read; http and https are"
                )
            return super().redirect_request(*arguments)

    parts = urlsplit(url)
    if parts.scheme.lower() not in SCHEMES:
        raise InputError(f"pictures are read from http and https URLs, not from {parts.scheme}")
    try:
        host = (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else ""
        host = host or f"[{parts.hostname}]"
        place = f"{host}:{parts.port}" if parts.port else host
        path, query = (quote(part, safe="/%:=&?~#+!$,;'@()*[]") for part in (parts.path, parts.query))
        request = urllib.request.Request(urlunsplit((parts.scheme, place, path, query, "")))
        request.add_header("User-Agent", "yolov5-dnn")
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            token = base64.b64encode(pair.encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {token}")
        opener = urllib.request.build_opener(Redirects)
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return _read(answer, deadline)
    except http.client.HTTPException as error:
        raise InputError(f"the server's answer is damaged ({type(error).__name__})") from error
    except InputError:  # it is a ValueError
        raise
    except (OSError, ValueError) as error:  # what urllib raises is an OSError; so is a timeout
        reason = getattr(error, "reason", None) or error
        text = getattr(reason, "strerror", None) or first_line(Exception(str(reason)))
        code = getattr(error, "code", None)
        raise InputError(f"it cannot be got: {f'{code} ' if code else ''}{text}") from error


def read_standard_input() -> bytes:
    """Read what is on standard input. Raises InputError if that is a terminal or has more than MAX_BYTES."""
    try:
        if sys.stdin.isatty():
            raise InputError("it is the terminal; send a picture's bytes into it, as with: < picture.jpg")
        # Not by sys.stdin, whose lock a thread that still waits would hold when Python ends.
        with io.FileIO(sys.stdin.fileno(), closefd=False) as stream:
            return _read(stream)
    except InputError:
        raise
    except (OSError, ValueError, AttributeError) as error:
        raise InputError("it is closed") from error


def _read(stream: io.RawIOBase, deadline: float | None = None) -> bytes:
    data = bytearray()
    while part := stream.read(_PART):
        data += part
        if len(data) > MAX_BYTES:
            raise InputError(f"it has more than the {MAX_BYTES} bytes that are read")
        if deadline is not None and time.monotonic() > deadline:
            raise InputError(f"it takes longer than {MAX_SECONDS:.0f} s")
    return bytes(data)
