"""Futures of several Futures."""

from __future__ import annotations

import math
import threading
import weakref
from datetime import timedelta
from typing import Any, Callable, Iterable, TypeVar

from ._core import Future
from ._errors import DeadlineExceeded, InvalidArgument
from ._timers import Timeout, call_later

T = TypeVar("T")


def collect_all(futures: Iterable[Future[Any]]) -> Future[list[Future[Any]]]:
    """Done when all are, with the list of them in the order given; fails with the first error, as soon as there is one."""
    given = list(futures)
    return _gather(given, lambda: given)


def when_all(futures: Iterable[Future[T]]) -> Future[list[T]]:
    """Done when all are, with the list of their values in the order given; fails with the first error, at once."""
    given = list(futures)
    return _gather(given, lambda: [future.value() for future in given])


def _gather(given: list[Future[Any]], result: Callable[[], Any]) -> Future[Any]:
    _check(given)
    gathered: Future[Any] = Future()
    if not given:
        gathered.set_result(result())
        return gathered
    left = len(given)

    def one_done(future: Future[Any]) -> None:  # on the event thread, as all callbacks
        nonlocal left
        left -= 1
        error = future.exception()
        if gathered.done():
            return
        if error is not None:
            gathered.set_exception(error)
        elif left == 0:
            gathered.set_result(result())

    for future in given:
        future.add_done_callback(one_done)
    return gathered


def _check(futures: list[Any]) -> None:
    for index, future in enumerate(futures):
        if not isinstance(future, Future):
            raise TypeError(f"element {index} is {future!r}, and no Future")


def wait_all(futures: Iterable[Future[T]]) -> list[T]:
    """Waits for all of them; the list of their values, or raises the first error as soon as there is one."""
    return when_all(futures).wait()


def when_any(futures: Iterable[Future[T]]) -> Future[T]:
    """As the first that has a value; fails with the last error when all have failed."""
    given = list(futures)
    _check(given)
    if not given:
        raise InvalidArgument("when_any() of no Futures would never be done")
    first: Future[T] = Future()
    left = len(given)

    def one_done(future: Future[T]) -> None:
        nonlocal left
        left -= 1
        error = future.exception()
        if first.done():
            return
        if error is None:
            first.set_result(future.value())
        elif left == 0:
            first.set_exception(error)

    for future in given:
        future.add_done_callback(one_done)
    return first


def with_timeout(future: Future[T], timeout: Timeout) -> Future[T]:
    """As `future`, or DeadlineExceeded when it is not done within so many seconds; `future` goes on. None: for ever."""
    seconds = math.inf if timeout is None else timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if math.isnan(seconds):
        raise ValueError("timeout is not a number")
    limited: Future[T] = Future()
    over = threading.Lock()  # held for good by who is the first
    given = weakref.ref(future)  # a promise that is broken is to end at once

    def late() -> None:
        source = given()
        if source is not None and source.done():
            done(source)
        elif over.acquire(blocking=False):
            limited.set_exception(DeadlineExceeded(f"the Future was not done within {seconds:g} s; it goes on"))

    timer = call_later(seconds, late) if seconds != math.inf else None

    def done(source: Future[T]) -> None:
        if timer is not None:
            timer.cancel()
        if over.acquire(blocking=False):
            limited.set_result(source)

    future.add_done_callback(done)
    return limited
