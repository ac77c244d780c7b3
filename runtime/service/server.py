"""The server: both protocols in one event loop, from the first port to the last answer."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import uvicorn
from tritonclient.grpc import service_pb2_grpc

from ..errors import InputError, ModelError
from .access_log import write_line
from .app import make_app
from .connection import CONNECTIONS, HANDSHAKE_SECONDS, Connection, HttpServer
from .interceptor import Interceptor, Silent
from .middleware import Middleware
from .rpc import Rpc
from .service import Service

KEEP_ALIVE_SECONDS = 15
LAST_CALL_SECONDS = 1.0  # after "terminate": what clients have sent on open connections is still taken
DRAIN_SECONDS = 60.0  # and what was taken is answered


@dataclass(frozen=True)
class Address:
    """Where and to whom the server listens. A port of 0 is any free one."""

    host: str = "127.0.0.1"
    http_port: int = 8000
    grpc_port: int = 8001
    token: str = ""
    hosts: Collection[str] = ()  # names under which clients call it, besides those of this machine
    certificate: Path | None = None
    key: Path | None = None

    @property
    def changes(self) -> bool:
        """Whether clients may load and unload models."""
        return bool(self.token) or self.local

    @property
    def names(self) -> list[str]:
        """Names under which clients may call it without a token."""
        return [*self.hosts, self.host, socket.gethostname()]

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


async def serve(service: Service, address: Address, poll: float, started: Callable[[int, int], None]) -> None:
    """Serve until the process is told to end, then answer what was accepted.

    poll: seconds between two looks at the repository; 0: none. started: is called with both ports when the
    models are loaded.

    Raises InputError for an address that cannot be had or files that cannot be used, ModelError if no model
    can be served.
    """
    over = asyncio.Event()
    _on_signals(over)
    listener = _listen(address)
    http = HttpServer(_http_config(service, address))
    silent = Silent(service.limits.queue + service.workers + 16)
    interceptor = Interceptor(address.token, address.changes, silent)
    rpc = grpc.aio.server(options=_grpc_options(service), interceptors=[interceptor])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Rpc(service, silent), rpc)
    grpc_port = _bind_grpc(rpc, address)
    await rpc.start()
    serving = asyncio.ensure_future(http.serve([listener]))
    polling = None
    try:
        loading = asyncio.ensure_future(service.change(lambda: service.repository.scan(settled=True)))
        await _first(loading, over, serving)
        if loading.done():
            loading.result()
            service.loaded = True
            if not service.repository.ready:
                reasons = [entry.reason for entry in service.repository.index()]
                raise ModelError("; ".join(reasons) or "the repository holds no NAME/VERSION/model.onnx")
            started(listener.getsockname()[1], grpc_port)
            if poll and service.models is not None:
                polling = asyncio.ensure_future(_poll(service, poll))
            await _first(over, serving)
    finally:
        if polling:
            polling.cancel()
        service.draining = True
        if over.is_set():
            await asyncio.sleep(LAST_CALL_SECONDS)
        service.ending.set()
        http.should_exit = True
        await asyncio.gather(serving, rpc.stop(DRAIN_SECONDS))
        await asyncio.to_thread(service.pool.close)


async def _first(*awaitables: Any) -> None:
    """Wait for the first of tasks and events."""
    tasks = [
        asyncio.ensure_future(each.wait()) if isinstance(each, asyncio.Event) else each for each in awaitables
    ]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, each in zip(tasks, awaitables, strict=True):
        if isinstance(each, asyncio.Event):
            task.cancel()


async def _poll(service: Service, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await service.change(service.repository.scan)
        except InputError as error:
            write_line({"event": "repository not read", "reason": str(error)})


def _on_signals(over: asyncio.Event) -> None:
    """Let Ctrl-C and a service manager's "terminate" set the event; the second time they end the process."""
    loop = asyncio.get_running_loop()

    def note(number: int, frame: object) -> None:
        if over.is_set():
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(over.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)


def _listen(address: Address) -> socket.socket:
    """Open the port for HTTP. Raises InputError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.http_port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot listen on {address.host} port {address.http_port}: {reason}") from error


def _http_config(service: Service, address: Address) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # the log has a line for each request
    return uvicorn.Config(
        Middleware(make_app(service), service, address.token, address.local, address.names),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(DRAIN_SECONDS),
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )


def _grpc_options(service: Service) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", service.limits.body_bytes + (1 << 16)),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", 16 << 10),
        ("grpc.so_reuseport", 0),  # two servers on one port would share the clients, unnoticed
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_concurrent_streams", 256),
        ("grpc.server_handshake_timeout_ms", int(HANDSHAKE_SECONDS * 1000)),
        ("grpc.max_connection_idle_ms", 300_000),
    ]


def _bind_grpc(rpc: Any, address: Address) -> int:
    """Open the port for gRPC; returns its number. Raises InputError."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    try:
        if address.certificate and address.key:
            pair = address.key.read_bytes(), address.certificate.read_bytes()
            port = rpc.add_secure_port(f"{host}:{address.grpc_port}", grpc.ssl_server_credentials([pair]))
        else:
            port = rpc.add_insecure_port(f"{host}:{address.grpc_port}")
    except (RuntimeError, OSError) as error:
        raise InputError(f"cannot listen on {address.host} port {address.grpc_port} for gRPC") from error
    if not port:
        raise InputError(f"cannot listen on {address.host} port {address.grpc_port} for gRPC")
    return int(port)
