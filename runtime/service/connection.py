"""A client's connection: uvicorn's, with a time limit on everything that the client can drag out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CONNECTIONS = 1000  # at once; a request on a further one is told 503
REFUSED = 100  # so many further ones, to be told so; those beyond are closed
HANDSHAKE_SECONDS = 10.0  # for TLS, from the connection on
LAST_REQUEST_SECONDS = 0.5  # after the port is closed, for the requests on the connections that it still took
HEAD_BYTES = 32 << 10  # of the request line and the headers
HEAD_SECONDS = 10.0  # from the connection, or a request's first byte, to the last byte of the headers
PART_SECONDS = 0.5  # between looks whether a connection can be closed, when the server ends
STALL_SECONDS = 30.0  # in which a client must take the next part of its answer


class Connection(HttpToolsProtocol):
    """Uvicorn bounds neither the headers nor the time that they or the reading of an answer may take."""

    _head: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Begin: the first request must come in time."""
        super().connection_made(transport)
        self._head = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        for timer in (self._head, self._stall):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes; outside of a request that is being answered, for a while only."""
        super().data_received(data)
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            self._head = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Have all headers; from here on the middleware limits the time."""
        if self._head:
            self._head.cancel()
            self._head = None
        self._take_host()
        super().on_headers_complete()

    def _take_host(self) -> None:
        """Let the host of a URL in absolute form replace the header Host, as RFC 9112, 3.2.2 has it."""
        if self.url.startswith(b"/") or self.url == b"*":
            return
        url = httptools.parse_url(self.url)
        if url.host is None:
            return
        host = b"[" + url.host + b"]" if b":" in url.host else url.host
        if url.port:
            host += b":%d" % url.port
        self.headers[:] = [each for each in self.headers if each[0] != b"host"] + [(b"host", host)]

    def pause_writing(self) -> None:
        """Note that the client takes its answer more slowly than it is given."""
        super().pause_writing()
        self._stall = self.loop.call_later(STALL_SECONDS, self._give_up)

    def resume_writing(self) -> None:
        """Note that it goes on."""
        super().resume_writing()
        if self._stall:
            self._stall.cancel()
            self._stall = None

    def shutdown(self) -> None:
        """End after the answer that is under way, if there is one."""
        super().shutdown()
        self.loop.call_later(PART_SECONDS, self._part)

    def _part(self) -> None:
        """Close for good: over TLS, closing waits for the client to agree, and it may be asleep."""
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or self.transport.get_write_buffer_size():
            self.loop.call_later(PART_SECONDS, self._part)
        else:
            self.transport.abort()

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > HEAD_BYTES:
            raise ValueError("the headers are too long")  # the parser makes a 400 of it

    def _give_up(self) -> None:
        self._head = self._stall = None
        self.transport.abort()


class HttpServer(uvicorn.Server):
    """Uvicorn, with connections that are counted and timed from their first packet on.

    It leaves signals to others. When it ends, the connections that the system has accepted for it by then are
    taken, too, and their requests answered.
    """

    def __init__(self, config: uvicorn.Config, handshake_seconds: float = HANDSHAKE_SECONDS) -> None:
        super().__init__(config)
        self._handshake_seconds = handshake_seconds
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections from a listening socket."""
        assert sockets
        self.servers = []
        sockets[0].setblocking(False)
        self._accepting = asyncio.ensure_future(self._accept(sockets[0]))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take the last connections, close the port, answer what was asked, and end."""
        assert sockets
        assert self._accepting
        self._accepting.cancel()
        with contextlib.suppress(OSError):
            while True:  # BlockingIOError: there are no more
                self._take(sockets[0].accept()[0])
        sockets[0].close()
        await asyncio.sleep(LAST_REQUEST_SECONDS)
        if self._handshakes:
            await asyncio.wait(self._handshakes)
        await super().shutdown([])

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError:  # it is gone already, or there are no more file descriptors
                await asyncio.sleep(0.05)
                continue
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        if len(self._handshakes) + len(self.server_state.connections) >= CONNECTIONS + REFUSED:
            connection.close()
            return
        task = asyncio.ensure_future(self._connect(connection))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _connect(self, connection: socket.socket) -> None:
        loop, tls = asyncio.get_running_loop(), self.config.ssl
        connection.setblocking(False)
        # What ends here has left before it said anything, or speaks no TLS.
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await loop.connect_accepted_socket(
                lambda: Connection(self.config, self.server_state, self.lifespan.state),
                connection,
                ssl=tls,
                ssl_handshake_timeout=self._handshake_seconds if tls else None,
            )
