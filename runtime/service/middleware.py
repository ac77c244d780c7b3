"""Middleware for HTTP: who may send what, how much and for how long, and the log's line for each request."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import re
import zlib
from collections.abc import Awaitable, Callable, Collection, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeVar

from .access_log import AccessRecord, write_line
from .errors import RequestError, quoted
from .service import Limits, Service

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_SECONDS = 30.0  # from the headers to a body's last byte
MAX_RATIO = 100  # of a compressed body's size to what it unpacks to, if that is more than FREE_BYTES
FREE_BYTES = 1 << 20
BODIES = 16  # so many bodies of the largest size may be in the memory at once
LOCAL = {"localhost", "127.0.0.1", "[::1]"}
CHANGES = re.compile(r"/v2/repository/models/[^/]*/(un)?load/?")
NO_CHANGES = "models are loaded and unloaded only where a token is needed, or on a loopback address"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?", re.ASCII)
# For everybody, token or not: whether the server lives, and the pages, which hold nothing.
OPEN = ("/v2/health/", "/page/", "/docs/", "/web/")
OPEN_EXACTLY = {"/", "/docs", "/openapi.json", "/favicon.ico"}


class Budget:
    """The memory that request bodies may take, all together. For one thread, the event loop's."""

    def __init__(self, limits: Limits) -> None:
        self.most = BODIES * limits.body_bytes
        self.taken = 0

    @contextmanager
    def body(self) -> Iterator[Callable[[int], None]]:
        """Give a function that takes bytes from the budget until this is left; it raises RequestError 503."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if self.taken + size > self.most:
                raise RequestError(503, "too many large requests at once", retry_after=1)
            self.taken += size
            mine += size

        try:
            yield take
        finally:
            self.taken -= mine


async def read_body(
    receive: Receive, headers: dict[str, str], limit: int, take: Callable[[int], None]
) -> bytes:
    """Read a request's body.

    Raises RequestError: 413 if it has more than `limit` bytes, announced or not; 408 if it takes too long;
    what `take` raises; and 499 if the client goes.
    """
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or len(announced) > 18:
        raise RequestError(400, "Content-Length is not a number")
    if int(announced) > limit:
        raise RequestError(413, f"the request has {announced} bytes, more than the {limit} that are taken")

    async def read() -> bytes:
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestError(499, "the client went before its request was complete")
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if size > limit:
                raise RequestError(413, f"the request has more than the {limit} bytes that are taken")
            take(len(part))
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    try:
        return await asyncio.wait_for(read(), BODY_SECONDS)
    except asyncio.TimeoutError:
        raise RequestError(408, f"the request did not arrive within {BODY_SECONDS:.0f} s") from None


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo a body's Content-Encoding. Raises RequestError: 415, 400, or 413 for more than `limit` bytes."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise RequestError(
            415, f"the content encoding {quoted(encoding)} is not known here; gzip and deflate are"
        )
    unpacker = zlib.decompressobj(47)  # either header
    most = min(limit, max(MAX_RATIO * len(body), FREE_BYTES))
    try:
        data = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise RequestError(400, f"the body is not {encoding}") from error
    if len(data) > most:
        text = f"{MAX_RATIO} times its size" if most < limit else f"the {limit} bytes that are taken"
        raise RequestError(413, f"the body unpacks to more than {text}")
    if not unpacker.eof:
        raise RequestError(400, f"the body is only a part of {encoding} data")
    return data


async def unless_disconnected(receive: Receive, work: Awaitable[T]) -> T:
    """Wait for work, and cancel it when the client closes its connection; then raises RequestError 499."""
    mine, waiting = asyncio.current_task(), True

    def leave(gone: asyncio.Future[Message]) -> None:
        if waiting and mine and not gone.cancelled():
            mine.cancel()

    gone = asyncio.ensure_future(receive())  # after the body, the next thing that comes is the end
    gone.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if gone.done():
            raise RequestError(499, "the client has gone") from None
        raise
    finally:
        waiting = False
        gone.cancel()


class Middleware:
    """An ASGI application around another.

    token: what clients must bring as "Authorization: Bearer …"; empty: nothing. local: whether the server
    listens on a loopback address only. hosts: names under which it is called, besides addresses; "*" is any.

    A web page of somebody else's can reach the server under a name of that page's (DNS rebinding), with all
    that the browser's user can reach. So where no token is asked for, only addresses and known names will do.
    """

    def __init__(self, app: Any, service: Service, token: str, local: bool, hosts: Collection[str]) -> None:
        self.app = app
        self.service = service
        self.token = token.encode()
        self.local = local
        self.hosts = {host.lower() for host in hosts} | LOCAL

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do it; then write the log's line."""
        if scope["type"] != "http":
            return
        client = scope.get("client")
        peer = f"{client[0]}:{client[1]}" if client else ""
        record = AccessRecord("http", scope["method"], scope["path"], peer)
        scope["record"] = record

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = record.status if record.status == 499 else message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
                if self.service.draining:
                    message["headers"].append((b"connection", b"close"))
            else:
                record.bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            self._check(scope)
        except RequestError as refusal:
            record.error = refusal.text
            await send_error(sending, refusal)
        else:
            await self.app(scope, receive, sending)
        finally:
            if not record.milliseconds:
                record.end()
            if not (record.path.startswith("/v2/health/") and record.status < 400):
                write_line(record.line())

    def _check(self, scope: dict[str, Any]) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        path, host = scope["path"], headers.get(b"host", "")
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            raise RequestError(400, "a request has one Host")
        is_open = path in OPEN_EXACTLY or path.startswith(OPEN)
        if self.local or not (self.token or is_open):
            self._check_host(host)
        origin = headers.get(b"origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise RequestError(403, "pages of other servers may not use this one")
        site = headers.get(b"sec-fetch-site", "none")  # which browsers send even where they send no Origin
        if scope["method"] not in ("GET", "HEAD") and site not in ("none", "same-origin"):
            raise RequestError(403, "pages of other servers may not use this one")
        if self.token and not is_open:
            given = headers.get(b"authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, b"Bearer " + self.token):
                raise RequestError(401, "a bearer token is needed, and this is not it")
        if CHANGES.fullmatch(path) and not (self.token or self.local):
            raise RequestError(403, NO_CHANGES)

    def _check_host(self, host: str) -> None:
        """Raise RequestError 421 for a Host that is neither a known name nor, unless local, any address."""
        match = _HOST.fullmatch(host)
        name = match[1].lower() if match else ""
        if name in self.hosts or (not self.local and ("*" in self.hosts or _is_address(name))):
            return
        if self.local:
            raise RequestError(421, f"this server listens on this machine only and is not {quoted(host)}")
        raise RequestError(
            421, f"this server is not known as {quoted(host)}; start it with --allow-host NAME"
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def error_body(refusal: RequestError) -> tuple[bytes, dict[str, str]]:
    """Give body and headers of the answer that says why there is none."""
    headers = {"content-type": "application/json"}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(refusal.retry_after)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    return json.dumps({"error": refusal.text}).encode(), headers


async def send_error(send: Send, refusal: RequestError) -> None:
    """Send the answer that says why there is none."""
    body, headers = error_body(refusal)
    headers["content-length"] = str(len(body))
    listed = [(key.encode(), value.encode("latin-1")) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
