"""Reading, detecting and writing at the same time, each in threads of its own.

Order is kept. At most one item waits between two stages: with the one that each thread has in hand, that
keeps all of them busy, and pictures are large. An error in one stage comes out in the main thread, and all
threads end when the main thread stops. OpenCV lets go of Python's global lock while it works, so that threads
are enough.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

POLL_SECONDS = 0.1  # how often a waiting thread looks whether it should stop
PATIENCE_SECONDS = 2.0  # how long to wait for a thread that hangs in a camera or a stream


class _Done:
    """The end of a stage, with the error that brought it about, if any."""

    def __init__(self, error: BaseException | None = None):
        self.error = error


def never() -> bool:
    """Do not stop."""
    return False


def read_ahead(
    items: Iterable[T], depth: int = 1, stopped: Callable[[], bool] = never
) -> Generator[T, None, None]:
    """Give the items in order while a thread takes them from `items`, at most `depth` ahead.

    An exception of `items` is raised here, after the items before it. Ends early, and its thread with it,
    when it is closed or `stopped()` is true.
    """
    ahead: queue.Queue[T | _Done] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: T | _Done) -> bool:
        while not stop.is_set():
            try:
                ahead.put(item, timeout=POLL_SECONDS)
                return True
            except queue.Full:
                pass
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    break
            put(_Done())
        except BaseException as error:
            put(_Done(error))

    thread = threading.Thread(target=work, name="read", daemon=True)
    thread.start()
    try:
        while not stopped():
            try:
                item = ahead.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(item, _Done):
                if item.error:
                    raise item.error
                return
            yield item
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)


def newest(
    streams: Sequence[Iterable[T]], replaceable: Callable[[T], bool], stopped: Callable[[], bool] = never
) -> Generator[T, None, None]:
    """Merge streams that go on by themselves, each read by a thread: of each only the newest item waits.

    A `replaceable` item is dropped when another one of its stream arrives before it is taken; other items are
    all kept, in order. The streams take turns. Ends when all of them have ended, or early when it is closed
    or `stopped()` is true.
    """
    changed = threading.Condition()
    waiting: list[deque[T | _Done]] = [deque() for _ in streams]
    stop = threading.Event()

    def put(number: int, item: T | _Done) -> None:
        with changed:
            last = waiting[number][-1] if waiting[number] else None
            if not (last is None or isinstance(last, _Done) or isinstance(item, _Done)) and (
                replaceable(last) and replaceable(item)
            ):
                waiting[number].pop()
            waiting[number].append(item)
            changed.notify()

    def work(number: int) -> None:
        try:
            for item in streams[number]:
                if stop.is_set():
                    break
                put(number, item)
            put(number, _Done())
        except BaseException as error:
            put(number, _Done(error))

    threads = [
        threading.Thread(target=work, args=(number,), name=f"read {number}", daemon=True)
        for number in range(len(streams))
    ]
    for thread in threads:
        thread.start()
    try:
        turn, running = 0, len(streams)
        while running and not stopped():
            with changed:
                order = [(turn + step) % len(streams) for step in range(len(streams))]
                number = next((number for number in order if waiting[number]), None)
                if number is None:
                    changed.wait(POLL_SECONDS)
                    continue
                item = waiting[number].popleft()
            turn = number + 1
            if isinstance(item, _Done):
                if item.error:
                    raise item.error
                running -= 1
            else:
                yield item
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)


def in_order(workers: Sequence[Callable[[T], R]], items: Iterable[T]) -> Iterator[R]:
    """Give what the workers make of the items, in order, each worker at work on another item.

    Each worker has a thread of its own; a single one runs in this thread, when its result is asked for. At
    most one item more than there are workers has been taken and not given. An error of a worker or of `items`
    is raised here and ends it.
    """
    if len(workers) == 1:
        yield from map(workers[0], items)
        return
    from concurrent.futures import Future, ThreadPoolExecutor  # would delay the start where it isn't needed

    free = list(workers)
    mine = threading.local()

    def start() -> None:
        mine.worker = free.pop()

    def work(item: T) -> R:
        result: R = mine.worker(item)
        return result

    begun: deque[Future[R]] = deque()
    with ThreadPoolExecutor(len(workers), "detect", start) as pool:
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) > len(workers):
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


class WriteBehind(Generic[T]):
    """Calls `consume(item)` for every item that is put, in order, in a thread; at most `depth` items wait.

    If `consume` raises, the items after that one are dropped, and the next `put` or `close` raises the error.
    """

    def __init__(self, consume: Callable[[T], None], depth: int = 1):
        self._consume = consume
        self._items: queue.Queue[T | _Done] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="write", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not isinstance(item := self._items.get(), _Done):
            if self._error is None:
                try:
                    self._consume(item)
                except BaseException as error:
                    self._error = error

    def put(self, item: T) -> None:
        """Hand an item over; waits while `depth` items are waiting already."""
        self._put(item)
        self._raise()

    def close(self) -> None:
        """Wait until everything that was put has been consumed."""
        if self._thread.is_alive():
            self._put(_Done())
            while self._thread.is_alive():
                self._thread.join(POLL_SECONDS)
        self._raise()

    def _put(self, item: T | _Done) -> None:
        while True:
            try:
                return self._items.put(item, timeout=POLL_SECONDS)
            except queue.Full:
                pass

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
