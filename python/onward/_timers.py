"""One thread for all timers, which begins with the first."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Callable

_changed = threading.Condition()
_queue: list[tuple[float, int, Callable[[], None]]] = []
_numbers = itertools.count()
_started = False


def call_later(seconds: float, function: Callable[[], None]) -> None:
    """Calls it on that thread, in so many seconds or soon after. It must not block, nor raise."""
    global _started
    with _changed:
        heapq.heappush(_queue, (time.monotonic() + seconds, next(_numbers), function))
        if not _started:
            _started = True
            threading.Thread(target=_run, name="onward-timers", daemon=True).start()
        _changed.notify()


def _run() -> None:
    while True:
        with _changed:
            while not _queue or _queue[0][0] > time.monotonic():
                _changed.wait(_queue[0][0] - time.monotonic() if _queue else None)
            _, _, function = heapq.heappop(_queue)
        function()
