"""The worker threads, and the bounded queue before them.

`cv2` lets go of Python's lock while it works, so threads do detect at the same time, each with a detector of
its own. A queue without a bound would only turn too many requests into late answers to clients that have
gone.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic
from typing import Any, NamedTuple

from .errors import RequestError

Work = Callable[[int], Any]


class _Job(NamedTuple):
    work: Work
    deadline: float
    future: Future[Any]


class Pool:
    """So many threads, and at most so many jobs that wait for one.

    A job is a function of the thread's number, 0 to workers − 1.
    """

    def __init__(self, workers: int, places: int) -> None:
        self.workers = workers
        self.places = places
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

    def submit(self, work: Work, deadline: float = math.inf) -> Future[Any]:
        """Queue a job; its result or exception comes with the future.

        A job whose future is cancelled before a thread takes it leaves the queue at once and is never run.
        Nor is one that has waited until `deadline`, a time of `monotonic`.

        Raises RequestError 503 if the queue is full.
        """
        job = _Job(work, deadline, Future())
        with self._changed:
            if self._closed:
                raise RequestError(503, "the server is shutting down", retry_after=5)
            if len(self._jobs) + self.busy >= self.places + self.workers:
                seconds = max(1, math.ceil(self._seconds * len(self._jobs) / self.workers))
                raise RequestError(503, f"{self.places} requests are waiting already", retry_after=seconds)
            self._jobs.append(job)
            self._changed.notify()
        job.future.add_done_callback(lambda future: self._forget(job) if future.cancelled() else None)
        return job.future

    def close(self) -> None:
        """Take no further jobs, finish those that wait, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _forget(self, job: _Job) -> None:
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)

    def _run(self, number: int) -> None:
        while True:
            with self._changed:
                while not self._jobs:
                    if self._closed:
                        return
                    self._changed.wait()
                job = self._jobs.popleft()
                self.busy += 1
            started = monotonic()
            try:
                if job.future.set_running_or_notify_cancel():
                    if started >= job.deadline:
                        raise RequestError(504, "the deadline passed while the request was waiting")
                    job.future.set_result(job.work(number))
            except BaseException as error:  # whatever it is, the client waits for it
                job.future.set_exception(error)
            with self._changed:
                self.busy -= 1
                self._seconds += 0.1 * (monotonic() - started - self._seconds)
