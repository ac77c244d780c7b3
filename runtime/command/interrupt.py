"""Stopping on Ctrl-C without losing anything."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Interrupt:
    """While entered, Ctrl-C, or a service manager's "terminate", is noted in `requested` instead of raised.

    KeyboardInterrupt comes between any two instructions, also between those that hand an item from one thread
    to another, which then wait for each other for ever. So whoever works in such a block asks at a point of
    its choice whether to stop. A second Ctrl-C raises KeyboardInterrupt all the same.

    Outside the main thread, where Python allows no signal handlers, nothing is ever requested.
    """

    def __init__(self) -> None:
        self.requested = False
        self._old: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
