"""The worker threads, and the bounded queue before them.

`cv2` lets go of Python's lock while it works, so threads do detect at the same time, each with a detector of
its own. A queue without a bound would only turn too many requests into late answers to clients that have
gone.

Nothing here refers to itself in a circle, as futures with exceptions do: a request's body, and a refused one
as well, is freed with the last reference to it and does not wait for Python's cyclic collector.
"""

from __future__ import annotations

import asyncio
import math
import threading
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from .access_log import write_line
from .errors import RequestError

T = TypeVar("T")


@dataclass(eq=False)
class _Job:
    work: Callable[[int], Any]
    deadline: float
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]  # its result is what `work` gives, or the RequestError that it raises

    def run(self, number: int) -> Any:
        """Do the work; gives its result or its RequestError, without the frames that it came by."""
        try:
            if monotonic() >= self.deadline:
                return RequestError(504, "the deadline passed while the request was waiting")
            return self.work(number)
        except RequestError as error:
            return error.copy()
        except BaseException:  # whatever it is, the client waits for it
            write_line({"event": "bug", "trace": traceback.format_exc()[-4000:]})
            return RequestError(500, "the server failed on this request")

    def deliver(self, outcome: Any) -> None:
        """Hand the outcome to the event loop."""
        with suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(_set, self.future, outcome)


def _set(future: asyncio.Future[Any], outcome: Any) -> None:
    if not future.done():
        future.set_result(outcome)


class Pool:
    """A number of threads, and at most `queue_size` jobs that wait for one.

    A job is a function of the thread's number, 0 to workers − 1.
    """

    def __init__(self, workers: int, queue_size: int) -> None:
        self.workers = workers
        self.queue_size = queue_size
        self.busy = 0
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._seconds = 0.0  # a running mean of what a job takes
        self._threads = [
            threading.Thread(target=self._run, args=[i], name=f"worker-{i}", daemon=True)
            for i in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Jobs that no thread has taken yet."""
        return len(self._jobs)

    async def run(self, work: Callable[[int], T], deadline: float = math.inf) -> T:
        """Run a job on the next free thread and give its result.

        A job that no thread has begun leaves the queue when this is cancelled, and at `deadline`, a time of
        `monotonic`; it is never run.

        Raises RequestError: what the job raises, 500 for any other exception, 503 if the queue is full, 504
        past the deadline.
        """
        loop = asyncio.get_running_loop()
        job = _Job(work, deadline, loop, loop.create_future())
        self._submit(job)
        try:
            timeout = None if deadline == math.inf else deadline - monotonic()
            outcome = await asyncio.wait_for(job.future, timeout)
        except asyncio.TimeoutError:
            raise RequestError(504, "the answer was not ready in time") from None
        finally:
            self._forget(job)
        if isinstance(outcome, RequestError):
            raise outcome.copy()
        result: T = outcome
        return result

    def close(self) -> None:
        """Take no further jobs, finish those that wait, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _submit(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise RequestError(503, "the server is shutting down", retry_after=5)
            if len(self._jobs) + self.busy >= self.queue_size + self.workers:
                seconds = max(1, math.ceil(self._seconds * len(self._jobs) / self.workers))
                raise RequestError(
                    503, f"{self.queue_size} requests are waiting already", retry_after=seconds
                )
            self._jobs.append(job)
            self._changed.notify()

    def _forget(self, job: _Job) -> None:
        with self._changed, suppress(ValueError):
            self._jobs.remove(job)

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._jobs:
                if self._closed:
                    return None
                self._changed.wait()
            self.busy += 1
            return self._jobs.popleft()

    def _run(self, number: int) -> None:
        while (job := self._next()) is not None:
            started = monotonic()
            outcome = job.run(number)
            with self._changed:
                self.busy -= 1
                self._seconds += 0.1 * (monotonic() - started - self._seconds)
            job.deliver(outcome)
            del job, outcome  # they hold the request and the response until the next job comes
