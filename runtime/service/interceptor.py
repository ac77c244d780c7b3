"""Who may call over gRPC, and for how long a call may keep silent.

A call is open before its message comes, which may be much later, or never. So all procedures are served as
streams: first the call's metadata are asked for the token, then its message must come in time. The number of
calls that wait for a message is limited, as each may hold a part of a message of the largest size: when one
more comes, the one that has been silent for the longest is ended. Health is told without a look at the
message, so no limit concerns it.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb

from .access_log import AccessRecord, write_line
from .errors import RequestError
from .middleware import NO_CHANGES

FIRST_SECONDS = 10.0  # from a call's beginning to the last byte of its first message
IDLE_SECONDS = 60.0  # for each further message of a stream
HEALTH = {"ServerLive": pb.ServerLiveRequest, "ServerReady": pb.ServerReadyRequest}
CHANGES = {"RepositoryModelLoad", "RepositoryModelUnload"}
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    499: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.RESOURCE_EXHAUSTED,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
Context = Any  # grpc.aio.ServicerContext


async def abort(context: Context, refusal: RequestError) -> None:
    """End a call with the reason."""
    trailing = (("retry-after", str(refusal.retry_after)),) if refusal.retry_after is not None else ()
    await context.abort(CODES.get(refusal.status, grpc.StatusCode.UNKNOWN), refusal.text, trailing)


class Silent:
    """The calls that wait for a message. For one thread, the event loop's."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[asyncio.Future[Any], None] = {}  # the longest waiting first

    async def next(self, messages: AsyncIterator[Any], seconds: float) -> Any:
        """Wait for a call's next message; None if the client says that there is none.

        Raises RequestError: 408 if it does not come in time, 503 if too many calls wait.
        """
        if len(self._waiting) >= self._most:
            next(iter(self._waiting)).cancel()
        reading = asyncio.ensure_future(_next(messages))
        self._waiting[reading] = None
        try:
            done, _ = await asyncio.wait([reading], timeout=seconds)
            if not done:
                raise RequestError(408, f"no message came within {seconds:.0f} s")
            if reading.cancelled():
                raise RequestError(503, "too many calls wait for their messages", retry_after=1)
            return reading.result()
        finally:
            reading.cancel()
            self._waiting.pop(reading, None)


async def _next(messages: AsyncIterator[Any]) -> Any:
    async for message in messages:
        return message
    return None


class Interceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Checks who calls, and reads a call's first message in time.

    token: what clients must bring as "authorization: Bearer …"; empty: nothing. changes: whether models may
    be loaded and unloaded.
    """

    def __init__(self, token: str, changes: bool, silent: Silent) -> None:
        self.token = token.encode()
        self.changes = changes
        self.silent = silent

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """Give the handler of a call, before anything of its message is read."""
        handler = await continuation(details)
        if handler is None:  # there is no such procedure
            return None
        name = details.method.rpartition("/")[2]
        if name in HEALTH:
            return _without_message(handler, HEALTH[name]())
        try:
            self._check(name, dict(details.invocation_metadata or ()))
        except RequestError as refusal:
            return _refuse(name, refusal)
        return handler if handler.request_streaming else self._in_time(name, handler)

    def _check(self, name: str, metadata: dict[str, Any]) -> None:
        given = metadata.get("authorization", "")
        given = given if isinstance(given, bytes) else given.encode()
        if self.token and not hmac.compare_digest(given, b"Bearer " + self.token):
            raise RequestError(401, "a bearer token is needed, and this is not it")
        if name in CHANGES and not self.changes:
            raise RequestError(403, NO_CHANGES)

    def _in_time(self, name: str, handler: Any) -> Any:
        async def serve(messages: AsyncIterator[Any], context: Context) -> Any:
            try:
                message = await self.silent.next(messages, FIRST_SECONDS)
                if message is None:
                    raise RequestError(400, "the call brought no message")
            except RequestError as refusal:
                await _end(name, refusal, context)
            return await handler.unary_unary(message, context)

        return grpc.stream_unary_rpc_method_handler(
            serve, handler.request_deserializer, handler.response_serializer
        )


def _without_message(handler: Any, message: Any) -> Any:
    async def serve(messages: AsyncIterator[Any], context: Context) -> Any:
        return await handler.unary_unary(message, context)

    return grpc.stream_unary_rpc_method_handler(
        serve, handler.request_deserializer, handler.response_serializer
    )


def _refuse(name: str, refusal: RequestError) -> Any:
    async def serve(messages: AsyncIterator[Any], context: Context) -> Any:
        await _end(name, refusal, context)

    return grpc.stream_unary_rpc_method_handler(serve)


async def _end(name: str, refusal: RequestError, context: Context) -> None:
    """Write the log's line about a refused call, and end it."""
    record = new_record(name, context)
    record.status, record.error = refusal.status, refusal.text
    record.end()
    write_line(record.line())
    await abort(context, refusal)


def new_record(name: str, context: Context) -> AccessRecord:
    """Begin the record of a call."""
    return AccessRecord("grpc", name, client=str(context.peer())[:100])
