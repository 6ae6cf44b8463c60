"""Futures in asyncio, and coroutine functions as handlers."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any, Coroutine, Generator, Optional

from . import _core
from ._core import Future

# That of the event thread, once it has one.
_loop: Optional[asyncio.AbstractEventLoop] = None
_tasks: set["asyncio.Task[Any]"] = set()


def await_future(future: Future[Any]) -> Generator[Any, None, Any]:
    """What `await future` does. Cancelling the task cancels the call."""
    if not future.done():
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def done(_: Future[Any]) -> None:
            if loop is _loop:
                wake()  # callbacks run on its thread
            else:
                try:
                    loop.call_soon_threadsafe(wake)
                except RuntimeError:
                    pass  # it is closed

        future.add_done_callback(done)
        try:
            yield from waiter
        except asyncio.CancelledError:
            future.cancel()
            raise
    return future.value()


def _run_loop(wake_fd: int) -> None:
    """The event thread's life from now on: its queue is drained by an asyncio loop."""
    global _loop
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    _loop = loop

    def drain() -> None:
        if not _core.drain():
            loop.stop()

    loop.add_reader(wake_fd, drain)
    for start_now in _waiting:
        loop.call_soon(start_now)
    _waiting.clear()
    try:
        loop.run_forever()
    finally:
        _loop = None
        loop.remove_reader(wake_fd)


_waiting: list[Any] = []


async def _outcome(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, Optional[BaseException]]:
    """What it returns, or raises: asyncio would end its loop with what ends programs."""
    try:
        return await coroutine, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        return None, error


def start(coroutine: Coroutine[Any, Any, Any], call: Any) -> Future[Any]:
    """Runs it on the event thread's loop, in the context of the call. From that thread."""
    future: Future[Any] = Future()

    def begin() -> None:
        assert _loop is not None
        context = contextvars.copy_context()
        context.run(_core.call_variable.set, call)
        task = _loop.create_task(_outcome(coroutine), context=context)
        _tasks.add(task)
        subscription = call.on_cancel(lambda reason: task.cancel(str(reason)))
        task.add_done_callback(lambda done: finish(done, subscription))

    def finish(task: "asyncio.Task[tuple[Any, Optional[BaseException]]]", subscription: Any) -> None:
        subscription.close()
        _tasks.discard(task)
        if task.cancelled():
            from ._errors import Cancelled
            future.set_exception(call.reason() or Cancelled("the coroutine was cancelled"))
            return
        value, error = task.result()
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)

    if _loop is None:
        _waiting.append(begin)
        _core.use_asyncio(_run_loop)
    else:
        begin()
    return future
