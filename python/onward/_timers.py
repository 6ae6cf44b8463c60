"""One thread for all timers, which begins with the first."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from datetime import timedelta
from typing import Callable, Optional, Union

Timeout = Union[None, float, timedelta]  # seconds, or for ever

_changed = threading.Condition()
_queue: list[tuple[float, int, Timer]] = []
_numbers = itertools.count()
_cancelled = 0  # of those in the queue
_started = False

_FEW = 64  # that may stay in the queue until their time comes


class Timer:
    """Calls a function once, unless it is cancelled before."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.function: Optional[Callable[[], None]] = function

    def cancel(self) -> None:
        """Drops the function. Any thread; too late is no error."""
        global _cancelled
        with _changed:
            if self.function is None:
                return
            self.function = None
            _cancelled += 1
            if _cancelled > _FEW and _cancelled > len(_queue) // 2:
                _queue[:] = [entry for entry in _queue if entry[2].function is not None]
                heapq.heapify(_queue)
                _cancelled = 0


def call_later(seconds: float, function: Callable[[], None]) -> Timer:
    """Calls it on that thread, in so many seconds or soon after. It must not block, nor raise."""
    global _started
    timer = Timer(function)
    with _changed:
        heapq.heappush(_queue, (time.monotonic() + seconds, next(_numbers), timer))
        if not _started:
            _started = True
            threading.Thread(target=_run, name="onward-timers", daemon=True).start()
        if _queue[0][2] is timer:
            _changed.notify()
    return timer


def _run() -> None:
    global _cancelled
    while True:
        with _changed:
            while not _queue or _queue[0][0] > time.monotonic():
                _changed.wait(min(_queue[0][0] - time.monotonic(), threading.TIMEOUT_MAX) if _queue else None)
            timer = heapq.heappop(_queue)[2]
            function, timer.function = timer.function, None
            if function is None:
                _cancelled -= 1
        if function is not None:
            function()
        function = None
