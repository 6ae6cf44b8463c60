"""What users rely on, 11 to 14: Futures, their ends, and their callbacks. Most of them need no node."""

import datetime
import math
import threading

import onward
import onward.rpc as rpc
import pytest


class Mishap(Exception):
    pass


def completed(value=None):
    future = rpc.Future()
    future.set_result(value)
    return future


def failed(error=None):
    future = rpc.Future()
    future.set_exception(error or Mishap("failed"))
    return future


def settle():
    """Returns once the event thread has run the callbacks that are due."""
    completed().then(lambda _: None).wait()


COMPLETIONS = {
    "set_result": lambda future: future.set_result(1),
    "mark_complete": lambda future: future.mark_complete(2),
    "set_exception": lambda future: future.set_exception(Mishap("one")),
    "mark_error": lambda future: future.mark_error(Mishap("two")),
    "set_result with a Future that is done": lambda future: future.set_result(completed(3)),
    "set_result with a Future that is not": lambda future: future.set_result(rpc.Future().then(lambda _: 4)),
}


# 11. Completing twice is an error for the one who tries.


@pytest.mark.parametrize("second", COMPLETIONS)
@pytest.mark.parametrize("first", COMPLETIONS)
def test_11_completing_twice_is_an_error(first, second):
    future = rpc.Future()
    COMPLETIONS[first](future)
    with pytest.raises(onward.FailedPrecondition, match="completed before"):
        COMPLETIONS[second](future)
    future.then(lambda done: done.exception())


def test_11_the_first_completion_stays():
    value, error = completed("first"), failed(Mishap("first"))
    for future in (value, error):
        for complete in COMPLETIONS.values():
            with pytest.raises(onward.FailedPrecondition):
                complete(future)
    assert value.wait() == "first"
    with pytest.raises(Mishap, match="first"):
        error.wait()


def test_11_completing_what_was_cancelled_is_an_error():
    future = rpc.Future()
    assert future.cancel()
    with pytest.raises(onward.FailedPrecondition):
        future.set_result(1)
    with pytest.raises(onward.Cancelled):
        future.wait()


def test_11_of_many_threads_one_completes():
    for _ in range(50):
        future, start, won = rpc.Future(), threading.Barrier(4), []

        def complete(number):
            start.wait()
            try:
                future.set_result(number)
                won.append(number)
            except onward.FailedPrecondition:
                pass

        threads = [threading.Thread(target=complete, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [future.value()]


# 12. wait(), done(), value().


def test_12_wait_returns_the_value_any_number_of_times():
    value = object()
    future = completed(value)
    assert future.wait() is value and future.wait() is value and future.value() is value


def test_12_wait_throws_the_original_error_any_number_of_times():
    error = Mishap("original")
    future = failed(error)
    for look in (future.wait, future.wait, future.value, future.result):
        with pytest.raises(Mishap) as caught:
            look()
        assert caught.value is error


def wait_in_threads(future, count=8):
    outcomes, ready = [], threading.Semaphore(0)

    def wait():
        ready.release()
        try:
            outcomes.append(future.wait())
        except Mishap as error:
            outcomes.append(error)

    threads = [threading.Thread(target=wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    return threads, outcomes


@pytest.mark.parametrize("outcome", ["value", Mishap("error")], ids=["value", "error"])
def test_12_wait_from_many_threads(outcome):
    future = rpc.Future()
    threads, outcomes = wait_in_threads(future)
    assert not outcomes
    future.set_exception(outcome) if isinstance(outcome, Exception) else future.set_result(outcome)
    for thread in threads:
        thread.join()
    assert outcomes == [outcome] * 8


def test_12_wait_on_the_event_thread_is_an_error():
    with pytest.raises(onward.FailedPrecondition, match="event thread"):
        completed().then(lambda _: rpc.Future().wait()).wait()


def test_12_rpc_sync_on_the_event_thread_is_an_error(node):
    with pytest.raises(onward.FailedPrecondition, match="event thread"):
        completed().then(lambda _: rpc.rpc_sync(node, completed)).wait()


def test_12_wait_with_a_timeout_gives_up_and_the_future_goes_on():
    future = rpc.Future()
    for timeout in (0, 0.01, -1):
        with pytest.raises(onward.DeadlineExceeded, match="not done within"):
            future.wait(timeout)
    assert not future.done()
    future.set_result(3)
    assert future.wait(timeout=0) == 3 and future.wait(10) == 3


def test_12_wait_with_a_timeout_hears_of_the_end():
    future = rpc.Future()
    thread = threading.Thread(target=future.set_result, args=(8,))
    thread.start()
    assert future.wait(timeout=60) == 8
    thread.join()


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300, 1e12, datetime.timedelta.max, datetime.timedelta(seconds=60)])
def test_12_wait_takes_any_time_however_long(timeout):
    future = rpc.Future()
    limited = rpc.with_timeout(future, timeout)
    asked = threading.Event()
    thread = threading.Thread(target=lambda: (asked.wait(), future.set_result(8)))
    thread.start()
    with pytest.raises(onward.DeadlineExceeded, match="not done within"):
        future.wait(datetime.timedelta(0))
    asked.set()
    assert future.wait(timeout) == 8 and limited.wait(timeout) == 8
    thread.join()
    # The thread of the timers lives, and goes on.
    with pytest.raises(onward.DeadlineExceeded, match="not done within"):
        rpc.with_timeout(never := rpc.Future(), datetime.timedelta(milliseconds=1)).wait(60)
    assert not never.done()


@pytest.mark.parametrize("timeout, error", [(math.nan, ValueError), ("1", TypeError), ([], TypeError)])
def test_12_wait_refuses_what_is_no_time(timeout, error):
    with pytest.raises(error):
        rpc.Future().wait(timeout)


def test_12_done_is_true_on_either_outcome():
    assert not rpc.Future().done()
    assert completed().done()
    future = failed()
    assert future.done() and isinstance(future.exception(), Mishap)


def test_12_the_value_before_completion_is_an_error():
    future = rpc.Future()
    for look in (future.value, future.result, future.exception):
        with pytest.raises(onward.FailedPrecondition, match="not done"):
            look()
    assert not future.done()


def test_12_no_exception_where_there_is_a_value():
    assert completed(1).exception() is None


# 13. Callbacks.

ADD = {
    "add_callback": lambda future, function: future.add_callback(lambda _: function()),
    "add_done_callback": lambda future, function: future.add_done_callback(lambda _: function()),
    "then": lambda future, function: future.then(lambda _: function()),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ADD)
def test_13_any_number_of_callbacks_each_once_in_order(kind, when):
    future, order = rpc.Future(), []
    if when == "after":
        future.set_result(0)
    for number in range(1000):
        ADD[kind](future, lambda number=number: order.append(number))
    if when == "before":
        settle()
        assert not order
        future.set_result(0)
    settle()
    assert order == list(range(1000))


@pytest.mark.parametrize("when", ["before", "after"])
def test_13_callbacks_of_all_kinds_keep_one_order(when):
    future, order = rpc.Future(), []
    if when == "after":
        future.set_result(0)
    for number in range(30):
        ADD[list(ADD)[number % 3]](future, lambda number=number: order.append(number))
    if when == "before":
        future.set_result(0)
    settle()
    assert order == list(range(30))


def test_13_callbacks_on_both_sides_of_the_completion_keep_the_order():
    for _ in range(100):
        future, order = rpc.Future(), []
        for number in range(5):
            future.add_done_callback(lambda _, number=number: order.append(number))
        future.set_result(0)
        for number in range(5, 10):
            future.add_done_callback(lambda _, number=number: order.append(number))
        settle()
        assert order == list(range(10))


def test_13_a_callback_may_add_one_that_runs_behind_the_others():
    future, order = rpc.Future(), []
    future.add_callback(lambda _: (order.append(1), future.add_callback(lambda _: order.append(3))))
    future.add_callback(lambda _: order.append(2))
    future.set_result(0)
    settle()
    settle()
    assert order == [1, 2, 3]


def test_13_a_callback_that_raises_does_not_stop_the_others(caplog):
    future, order = rpc.Future(), []
    future.add_callback(lambda _: order.append(1))
    future.add_callback(lambda _: {}["missing"])
    future.add_callback(lambda _: order.append(2))
    future.set_result(0)
    settle()
    assert order == [1, 2]
    settle()
    assert "missing" in caplog.text


def test_13_add_callback_gets_the_value_and_is_skipped_on_errors():
    future, got = rpc.Future(), []
    assert future.add_callback(got.append) is future
    future.set_result("value")
    error = failed()
    error.add_callback(got.append)
    error.exception()
    settle()
    assert got == ["value"]


def test_13_add_done_callback_gets_the_future_either_way():
    got, value, error = [], completed(1), failed()
    value.add_done_callback(got.append)
    error.add_done_callback(got.append)
    settle()
    assert got == [value, error]


def test_13_the_callbacks_of_a_shared_future_run_on_the_event_thread():
    names = []
    future = rpc.Future()
    future.then(lambda _: names.append(threading.get_ident()))
    future.set_result(1)
    future.then(lambda _: names.append(threading.get_ident())).wait()
    assert names[0] == names[1] != threading.get_ident()


# 14. then().


def test_14_then_gives_a_future_of_the_callbacks_result():
    future = rpc.Future()
    child = future.then(lambda done: done.value() * 2)
    assert isinstance(child, rpc.Future) and child is not future and not child.done()
    future.set_result(21)
    assert child.wait() == 42 and future.wait() == 21


def test_14_then_gets_the_future_on_errors_too():
    assert failed(Mishap("x")).then(lambda done: str(done.exception())).wait() == "x"


def test_14_an_error_that_the_callback_passes_on_is_the_same():
    error = Mishap("the same")
    with pytest.raises(Mishap) as caught:
        failed(error).then(lambda done: done.wait()).then(lambda done: done.value()).wait()
    assert type(caught.value) is Mishap and str(caught.value) == "the same"


def test_14_a_callback_that_raises_fails_only_its_own_child():
    future = rpc.Future()
    first = future.then(lambda _: {}["mine"])
    second = future.then(lambda done: done.value() + 1)
    future.set_result(1)
    with pytest.raises(KeyError, match="mine"):
        first.wait()
    assert second.wait() == 2 and future.wait() == 1


def test_14_a_callback_that_returns_nothing_gives_none():
    assert completed(1).then(lambda _: None).wait() is None


def test_14_a_child_cannot_be_completed_twice():
    child = completed(1).then(lambda done: done.value())
    child.wait()
    with pytest.raises(onward.FailedPrecondition, match="completed before"):
        child.set_result(1)


@pytest.mark.parametrize("add", ["then", "add_callback", "add_done_callback"])
def test_14_what_cannot_be_called_is_refused(add):
    with pytest.raises(TypeError, match="callable"):
        getattr(rpc.Future(), add)(5)
