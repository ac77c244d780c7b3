"""The service itself, for every protocol: a worker answers each request by its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, TypeVar

from .access_log import AccessRecord, write_line
from .admission import admit
from .errors import RequestError
from .metrics import Metrics
from .pool import Pool
from .repository import Repository
from .request import InferenceRequest
from .response import Arrays, infer
from .served_model import ServedModel

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What one request, and all of them together, may cost."""

    body_bytes: int = 32 << 20
    pixels: int = 50_000_000
    queue: int = 64  # requests that wait for a worker
    seconds: float = 60.0  # from a request's last byte to its answer


@dataclass
class Service:
    """Models, workers and figures of one server.

    options: keyword arguments for every Detector.
    """

    models: Path | None
    workers: int
    limits: Limits = field(default_factory=Limits)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pool = Pool(self.workers, self.limits.queue)
        self.metrics = Metrics(lambda: self.pool.waiting, lambda: self.pool.busy)
        self.repository = Repository(
            self.models, self._open, lambda path: admit(path, self.options, self.workers), _log_event
        )
        self.loaded = False  # the repository's models, once
        self.draining = False  # clients are told to look elsewhere
        self.ending = asyncio.Event()  # and nothing more is read

    def _open(self, name: str, number: int, path: Path) -> ServedModel:
        return ServedModel(name, number, path, self.workers, self.options)

    @property
    def ready(self) -> bool:
        """Whether requests are welcome: all models of the start are loaded, and no end is in sight."""
        return self.loaded and not self.draining and bool(self.repository.ready)

    async def infer(
        self,
        record: AccessRecord,
        name: str,
        number: str,
        read: Callable[[ServedModel], InferenceRequest],
        write: Callable[[ServedModel, list[Arrays]], T],
        seconds: float | None = None,
    ) -> T:
        """Answer one request, and count it.

        name, number: of the model and its version, "" for the newest. read: reads the request; write: writes
        the response from the results; both run on the worker's thread, so that large requests keep nobody
        else waiting. seconds: how long the client waits.

        Cancel it when the client has gone: if no worker has begun, none will. Raises RequestError.
        """
        try:
            model = self.repository.find(name, number)
            record.model, record.version = model.name, str(model.number)
            deadline = monotonic() + min(
                self.limits.seconds, seconds if seconds is not None else self.limits.seconds
            )
            queued = perf_counter()

            def work(worker: int) -> T:
                waited = (perf_counter() - queued) * 1000
                request = read(model)
                until = min(deadline, monotonic() + request.seconds) if request.seconds else deadline
                results, stages = infer(model, worker, request, until, self.limits.pixels)
                started = perf_counter()
                response = write(model, results)
                stages["output"] += (perf_counter() - started) * 1000
                record.images, record.stages = len(results), {"queue": waited, **stages}
                return response

            return await self.pool.run(work, deadline)
        except asyncio.CancelledError:
            record.status, record.error = 499, "the client has gone"
            raise
        except RequestError as error:
            record.status, record.error = error.status, error.text
            raise
        finally:
            record.end()
            self.metrics.count(record)

    async def change(self, work: Callable[[], T]) -> T:
        """Run a change of the repository beside the requests."""
        return await asyncio.to_thread(work)


def _log_event(event: str, name: str, number: int, reason: str) -> None:
    line = {"event": event, "model": name, "version": str(number)}
    write_line({**line, "reason": reason[:500]} if reason else line)
