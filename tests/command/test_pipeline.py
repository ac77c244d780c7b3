"""Threads between reading, detecting and writing."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.command import pipeline
from runtime.command.interrupt import Interrupt
from runtime.command.pipeline import WriteBehind, in_order, newest, read_ahead


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so; on a machine of any speed it will be."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


class Numbers:
    """Counts up; knows how many were taken, by which threads, and whether it was closed."""

    def __init__(self, count: int, error: Exception | None = None):
        self.taken = 0
        self.closed = False
        self.threads: set[threading.Thread] = set()
        self._count, self._error = count, error

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self._count):
                self.threads.add(threading.current_thread())
                self.taken += 1
                yield number
            if self._error:
                raise self._error
        finally:
            self.closed = True


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(1, 5))
def test_read_ahead_keeps_everything_in_order(count: int, depth: int) -> None:
    assert list(read_ahead(Numbers(count), depth)) == list(range(count))


def test_read_ahead_reads_in_a_thread_of_its_own_and_not_too_far() -> None:
    numbers = Numbers(100)
    ahead = read_ahead(numbers, depth=3)
    assert next(ahead) == 0
    wait_for(lambda: numbers.taken == 5)  # one given, three waiting, one in the thread's hand
    time.sleep(0.3)
    assert numbers.taken == 5
    assert threading.current_thread() not in numbers.threads
    ahead.close()  # type: ignore[attr-defined]
    assert numbers.closed
    assert not any(thread.is_alive() for thread in numbers.threads)


def test_an_error_in_reading_comes_after_what_was_read() -> None:
    ahead = read_ahead(Numbers(3, OSError("the disk is gone")))
    assert [next(ahead), next(ahead), next(ahead)] == [0, 1, 2]
    with pytest.raises(OSError, match="disk"):
        next(ahead)


def test_read_ahead_stops_when_told() -> None:
    numbers = Numbers(10**9)
    given: list[int] = []
    for number in read_ahead(numbers, stopped=lambda: len(given) == 10):
        given.append(number)
    assert given == list(range(10))
    assert numbers.closed


class Taps:
    """A stream that gives what the test puts in."""

    def __init__(self) -> None:
        self._ready = threading.Semaphore(0)
        self._items: list[object] = []
        self.asked = 0

    def put(self, *items: object) -> None:
        for item in items:
            before = self.asked
            self._items.append(item)
            self._ready.release()
            wait_for(lambda before=before: self.asked > before)  # type: ignore[misc]

    def __iter__(self) -> Iterator[object]:
        while True:
            self.asked += 1
            self._ready.acquire()
            item = self._items.pop(0)
            if item == "end":
                self.asked += 1
                return
            yield item


def is_number(item: object) -> bool:
    return isinstance(item, int)


def test_of_a_live_stream_only_the_newest_waits_but_no_message_is_lost() -> None:
    tap = Taps()
    stream = newest([tap], is_number)
    threading.Timer(0.05, tap.put, ["first"]).start()
    assert next(stream) == "first"
    wait_for(lambda: tap.asked == 2)
    tap.put(1, 2, 3, "trouble", 4, 5, "more trouble", "end")
    assert list(stream) == [3, "trouble", 5, "more trouble"]


def test_live_streams_take_turns() -> None:
    taps = [Taps(), Taps(), Taps()]
    stream = newest(taps, is_number)
    threading.Timer(0.05, taps[0].put, ["start"]).start()
    assert next(stream) == "start"
    for number, tap in enumerate(taps):
        wait_for(lambda tap=tap: tap.asked > 0)  # type: ignore[misc]
        tap.put(f"{number}a", f"{number}b")
    assert [next(stream) for _ in range(6)] == ["1a", "2a", "0a", "1b", "2b", "0b"]
    for tap in taps:
        tap.put("end")
    assert list(stream) == []


def test_an_error_in_a_live_stream_comes_out() -> None:
    with pytest.raises(OSError, match="cable"):
        list(newest([Numbers(0, OSError("cable"))], is_number))


def test_live_streams_stop_when_told_even_if_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PATIENCE_SECONDS", 0.1)  # the stream hangs
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert list(newest([Taps()], is_number, stop.is_set)) == []


class Worker:
    """Gives numbers back with its own name; knows its threads, and refuses to be called twice at once."""

    def __init__(self, name: str, seconds: Callable[[int], float] = lambda number: 0.0):
        self.name, self._seconds = name, seconds
        self.threads: set[threading.Thread] = set()
        self.done: list[int] = []
        self._busy = threading.Lock()

    def __call__(self, number: int) -> tuple[int, str]:
        assert self._busy.acquire(blocking=False), "called again before it was through"
        self.threads.add(threading.current_thread())
        time.sleep(self._seconds(number))
        if number < 0:
            raise ValueError(f"{number} is negative")
        self.done.append(number)
        self._busy.release()
        return number, self.name


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 4))
def test_in_order_keeps_everything_in_order(milliseconds: list[int], count: int) -> None:
    workers = [Worker(str(i), lambda number: milliseconds[number] / 1000) for i in range(count)]
    results = list(in_order(workers, range(len(milliseconds))))
    assert [number for number, _ in results] == list(range(len(milliseconds)))
    for worker in workers:
        assert worker.done == [number for number, name in results if name == worker.name]
        assert len(worker.threads) <= 1


def test_workers_work_at_the_same_time_each_in_its_own_thread() -> None:
    meeting = threading.Barrier(3, timeout=30)

    def together(number: int) -> threading.Thread:
        meeting.wait()  # goes on only if two others are here as well
        return threading.current_thread()

    workers: list[Callable[[int], threading.Thread]] = [together] * 3
    threads = list(in_order(workers, range(9)))
    assert len(set(threads)) == 3
    assert threading.current_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


def test_in_order_takes_no_more_than_it_must() -> None:
    numbers = Numbers(100)
    results = in_order([Worker("a"), Worker("b")], numbers)
    assert next(results)[0] == 0
    time.sleep(0.1)
    assert numbers.taken == 3, "one given, and one for each worker"


def test_a_single_worker_holds_nothing_back() -> None:
    numbers = Numbers(100)
    worker = Worker("a")
    results = in_order([worker], numbers)
    assert [next(results), next(results)] == [(0, "a"), (1, "a")]
    assert numbers.taken == 2
    assert worker.threads == {threading.current_thread()}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_error_of_a_worker_comes_out_in_its_place(count: int) -> None:
    results = in_order([Worker(str(i)) for i in range(count)], [0, 1, 2, -1, 4, 5, 6, 7])
    assert [next(results)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="-1 is negative"):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("detect")]


def test_an_error_in_what_is_worked_on_comes_out() -> None:
    with pytest.raises(OSError, match="cable"):
        list(in_order([Worker("a"), Worker("b")], Numbers(1, OSError("cable"))))


def test_write_behind_keeps_order_and_finishes_on_close() -> None:
    written: list[int] = []
    threads = set()

    def write(item: int) -> None:
        time.sleep(0.001)
        threads.add(threading.current_thread())
        written.append(item)

    writer = WriteBehind(write)
    for item in range(50):
        writer.put(item)
    writer.close()
    assert written == list(range(50))
    assert threading.current_thread() not in threads
    writer.close()  # again does nothing


def test_write_behind_makes_the_faster_side_wait() -> None:
    gate = threading.Event()
    started = threading.Event()

    def write(item: int) -> None:
        started.set()
        gate.wait(30)

    writer = WriteBehind(write, depth=2)
    put = []

    def fill() -> None:
        for item in range(10):
            writer.put(item)
            put.append(item)

    filler = threading.Thread(target=fill)
    filler.start()
    wait_for(lambda: len(put) == 3)  # one being written, two waiting
    time.sleep(0.3)
    assert len(put) == 3
    gate.set()
    filler.join(30)
    writer.close()
    assert len(put) == 10


def test_an_error_in_writing_comes_out_and_blocks_nobody() -> None:
    written = []

    def write(item: int) -> None:
        if item == 3:
            raise OSError("disk full")
        written.append(item)

    def fill(writer: WriteBehind[int]) -> None:
        for item in range(1000):
            writer.put(item)

    writer = WriteBehind(write)
    with pytest.raises(OSError, match="disk full"):
        fill(writer)
    assert written == [0, 1, 2]
    writer.close()


def test_what_waits_when_writing_fails_is_dropped() -> None:
    gate = threading.Event()
    written = []

    def write(item: int) -> None:
        if item == 1:
            gate.wait(30)
            raise OSError("disk full")
        written.append(item)

    writer = WriteBehind(write, depth=2)
    for item in range(4):
        writer.put(item)
    gate.set()
    with pytest.raises(OSError, match="disk full"):
        writer.close()
    assert written == [0]


def test_interrupt_notes_the_first_signal_and_lets_the_second_through() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        assert not interrupt.requested
        signal.raise_signal(signal.SIGINT)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGTERM)
        assert interrupt.requested
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupt_in_another_thread_does_nothing() -> None:
    entered = []

    def work() -> None:
        with Interrupt() as interrupt:
            entered.append(interrupt.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [False]
