"""What users rely on, 1 to 4: async functions, and when they answer."""

import asyncio
import threading

import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours


class Mishap(Exception):
    """An exception of the user's own."""

    def __init__(self, text, level):
        super().__init__(text, level)
        self.level = level


@pytest.fixture(scope="module")
def three():
    with neighbours(__name__, count=2):
        yield


@pytest.fixture
def node(three):
    """One that calls itself."""
    return "node0"


# What handlers of this process keep.
kept = {}
reasons = []
told = threading.Event()
came = threading.Semaphore(0)  # requests that have come to kept_under() or never() in this process


@pytest.fixture(autouse=True)
def nothing_kept():
    kept.clear()
    reasons.clear()
    told.clear()
    while came.acquire(blocking=False):
        pass


def identity(value):
    return value


@rpc.async_function
def at_once(value):
    future = rpc.Future()
    future.set_result(value)
    return future


@rpc.async_function
def kept_under(key):
    """The same Future for all who ask."""
    future = kept.setdefault(key, rpc.Future())
    came.release()
    return future


def complete(key, value):
    kept[key].set_result(value)


def parked(count, start):
    """`count` calls that start() makes; returns once they have come to this process."""
    calls = [start() for _ in range(count)]
    for _ in calls:
        assert came.acquire(timeout=20)
    return calls


# 1. Called locally, without RPC, it returns its Future like any function.


def test_01_called_locally_it_returns_its_future():
    future = at_once(7)
    assert isinstance(future, rpc.Future)
    assert future.wait() == 7


def test_01_called_locally_it_returns_the_very_future():
    kept["x"] = rpc.Future()
    assert kept_under("x") is kept["x"] and not kept["x"].done()


def test_01_called_locally_its_exception_is_raised():
    with pytest.raises(Mishap):
        raises("x")


@rpc.async_function
def raises(text):
    raise Mishap(text, 3)


def test_01_the_mark_leaves_the_function_as_it_is():
    assert at_once.__name__ == "at_once" and at_once.__module__ == __name__


# 2. A completed Future answers at once; one that completes later, from any thread, answers then.


def test_02_a_completed_future_answers_at_once(node):
    assert rpc.rpc_sync(node, at_once, args=("now",)) == "now"


def test_02_one_completed_by_the_main_thread_answers_then(node):
    [call] = parked(1, lambda: rpc.rpc_async(node, kept_under, args=("a",)))
    assert not call.done()
    complete("a", 5)
    assert call.wait() == 5


def test_02_one_completed_by_a_thread_of_the_user_answers_then(node):
    [call] = parked(1, lambda: rpc.rpc_async(node, kept_under, args=("a",)))
    thread = threading.Thread(target=complete, args=("a", 6))
    thread.start()
    assert call.wait() == 6
    thread.join()


def test_02_one_completed_by_a_thread_of_the_pool_answers_then(node):
    [call] = parked(1, lambda: rpc.rpc_async(node, kept_under, args=("a",)))
    rpc.rpc_sync(node, complete, args=("a", 7))
    assert call.wait() == 7


@rpc.async_function
def complete_on_the_event_thread(key, value):
    complete(key, value)
    return at_once(None)


def test_02_one_completed_by_the_event_thread_answers_then(node):
    [call] = parked(1, lambda: rpc.rpc_async(node, kept_under, args=("a",)))
    rpc.rpc_sync(node, complete_on_the_event_thread, args=("a", 8))
    assert call.wait() == 8


@rpc.async_function
def as_the_call(to, value):
    return rpc.rpc_async(to, identity, args=(value,))


def test_02_one_completed_by_an_answer_answers_then(three):
    assert rpc.rpc_sync("node1", as_the_call, args=("node2", [1, "b"])) == [1, "b"]


async def coroutine(to, value):
    return await rpc.rpc_async(to, identity, args=(value,)) + 1


def test_02_a_coroutine_function_answers_when_it_is_done(three):
    assert rpc.rpc_sync("node1", coroutine, args=("node2", 4)) == 5


# 3. One Future returned by many requests.


def test_03_one_future_answers_all_requests(node):
    calls = parked(100, lambda: rpc.rpc_async(node, kept_under, args=("shared",)))
    assert not any(call.done() for call in calls)
    complete("shared", [1, 2])
    assert rpc.wait_all(calls) == [[1, 2]] * 100


def test_03_a_later_request_is_answered_at_once(node):
    parked(1, lambda: rpc.rpc_async(node, kept_under, args=("shared",)))
    complete("shared", "old")
    assert rpc.rpc_sync(node, kept_under, args=("shared",)) == "old"


def test_03_one_future_that_fails_fails_all_requests(node):
    calls = parked(10, lambda: rpc.rpc_async(node, kept_under, args=("shared",)))
    kept["shared"].set_exception(Mishap("for all", 1))
    for call in calls:
        with pytest.raises(Mishap, match="for all"):
            call.wait()


def test_03_one_future_answers_all_requests_of_other_nodes(three):
    to = iter(["node1", "node2"] * 10)
    calls = parked(20, lambda: rpc.rpc_async(next(to), ask_back, args=("node0", "shared")))
    complete("shared", 3)
    assert rpc.wait_all(calls) == [3] * 20


@rpc.async_function
def ask_back(to, key):
    return rpc.rpc_async(to, kept_under, args=(key,))


# 4. Never completed.


@rpc.async_function
def never(key):
    kept[key] = rpc.Future()
    kept["subscription", key] = rpc.current_call().on_cancel(hear)
    came.release()
    return kept[key]


def hear(reason):
    reasons.append(reason)
    told.set()


def expired(node):
    """A call of never() that has come here, and whose deadline is over."""
    rpc.rpc_sync(node, at_once, args=(1,))  # the functions are known: no time goes into looking for them
    [call] = parked(1, lambda: rpc.rpc_async(node, never, args=("other",)))
    call.cancel()
    with pytest.raises(onward.Cancelled):
        call.wait()
    assert told.wait(20)
    reasons.clear()
    told.clear()
    [call] = parked(1, lambda: rpc.rpc_async(node, never, args=("n",), timeout=0.2))
    with pytest.raises(onward.DeadlineExceeded):
        call.wait()
    assert told.wait(20)


def test_04_the_deadline_of_the_caller_expires(node):
    with pytest.raises(onward.DeadlineExceeded):
        rpc.rpc_sync(node, never, args=("n",), timeout=0.05)


def test_04_a_later_completion_is_dropped_quietly(node, caplog):
    expired(node)
    kept["n"].set_result("too late")  # raises nothing
    assert rpc.rpc_sync(node, identity, args=(1,)) == 1
    assert not caplog.records


def test_04_a_later_failure_is_dropped_quietly(node, caplog):
    expired(node)
    kept.pop("n").set_exception(Mishap("too late", 1))
    assert rpc.rpc_sync(node, identity, args=(1,)) == 1
    assert not caplog.records


def test_04_the_callee_hears_of_the_deadline(node):
    expired(node)
    assert isinstance(reasons[0], onward.DeadlineExceeded)


def test_04_the_callee_hears_of_cancellation(node):
    [call] = parked(1, lambda: rpc.rpc_async(node, never, args=("n",)))
    assert call.cancel()
    assert told.wait(20)
    assert isinstance(reasons[0], onward.Cancelled)
    with pytest.raises(onward.Cancelled):
        call.wait()


@rpc.async_function
def time_left():
    return at_once(rpc.current_call().remaining)


def test_04_the_callee_knows_how_long_the_caller_waits(three):
    assert 5 < rpc.rpc_sync("node1", time_left, timeout=10) <= 10
    assert rpc.rpc_sync("node1", time_left, timeout=None) is None


async def sleep_long():
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        hear("cancelled")
        raise


def test_04_a_coroutine_is_cancelled_at_the_deadline(node):
    with pytest.raises(onward.DeadlineExceeded):
        rpc.rpc_sync(node, sleep_long, timeout=0.05)
    assert told.wait(20)


@rpc.async_function
def drop():
    return rpc.Future()


def test_04_a_dropped_promise_fails_at_once(node):
    with pytest.raises(onward.Aborted, match="broken promise"):
        rpc.rpc_sync(node, drop, timeout=None)


@rpc.async_function
def drop_in_a_callback(to):
    future = rpc.Future()
    rpc.rpc_async(to, identity, args=(1,)).add_callback(lambda value, kept=future: None)
    return future


def test_04_a_promise_dropped_by_a_callback_fails_at_once(three):
    with pytest.raises(onward.Aborted, match="broken promise"):
        rpc.rpc_sync("node1", drop_in_a_callback, args=("node2",), timeout=None)
