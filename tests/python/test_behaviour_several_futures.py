"""What users rely on, 15 and 16: Futures of several Futures, and failures that nobody looks at."""

import gc
import logging
import queue
import weakref

import onward
import onward.futures
import onward.rpc as rpc
import pytest


class Mishap(Exception):
    pass


def completed(value=None):
    future = rpc.Future()
    future.set_result(value)
    return future


def failed(text="failed"):
    future = rpc.Future()
    future.set_exception(Mishap(text))
    return future


def settle():
    """Returns once the event thread has run the callbacks that are due."""
    for _ in range(3):
        completed().then(lambda _: None).wait()


def values_of_all(futures):
    """Of either function, a Future of the values."""
    return onward.futures.collect_all(futures).then(lambda done: [future.value() for future in done.value()])


BOTH = pytest.mark.parametrize("gather", [values_of_all, onward.futures.when_all], ids=["collect_all", "when_all"])
FIRST_ERROR = pytest.mark.parametrize("gather", [onward.futures.collect_all, onward.futures.when_all])


# 15. Several Futures.


@BOTH
def test_15_the_order_is_that_of_the_input(gather):
    futures = [rpc.Future() for _ in range(20)]
    gathered = gather(futures)
    for number in reversed(range(20)):
        assert not gathered.done()
        futures[number].set_result(number)
    assert gathered.wait() == list(range(20))


@BOTH
def test_15_duplicates_are_allowed(gather):
    once, twice = rpc.Future(), rpc.Future()
    gathered = gather([twice, once, twice])
    twice.set_result("b")
    settle()
    assert not gathered.done()
    once.set_result("a")
    assert gathered.wait() == ["b", "a", "b"]


@BOTH
def test_15_the_empty_list_is_done_at_once(gather):
    assert gather([]).wait() == []


@BOTH
def test_15_any_iterable_will_do(gather):
    assert gather(completed(number) for number in (1, 2)).wait() == [1, 2]


@FIRST_ERROR
def test_15_it_fails_early_with_the_first_error(gather):
    never, first, second = rpc.Future(), rpc.Future(), rpc.Future()
    gathered = gather([never, second, first])
    first.set_exception(Mishap("first"))
    with pytest.raises(Mishap, match="first"):
        gathered.wait(20)
    second.set_exception(Mishap("second"))
    settle()
    assert str(gathered.exception()) == "first" and not never.done()
    never.set_result(0)


def test_15_collect_all_has_the_futures():
    futures = [completed(1), completed(2)]
    assert onward.futures.collect_all(futures).wait() == futures


@FIRST_ERROR
def test_15_what_is_no_future_is_refused(gather):
    with pytest.raises(TypeError, match="element 1"):
        gather([completed(), 5])


def test_15_wait_all_gives_the_values():
    assert onward.futures.wait_all([completed("a"), completed("b")]) == ["a", "b"]
    assert onward.futures.wait_all([]) == []


def test_15_wait_all_raises_the_first_error():
    never = rpc.Future()
    with pytest.raises(Mishap, match="first"):
        onward.futures.wait_all([never, failed("first"), completed(1)])
    never.set_result(0)


def test_15_when_any_is_the_first_value():
    slow, fast = rpc.Future(), rpc.Future()
    first = onward.futures.when_any([slow, failed(), fast])
    settle()
    assert not first.done()
    fast.set_result("fast")
    assert first.wait() == "fast"
    slow.set_result("slow")
    settle()
    assert first.value() == "fast"


def test_15_when_any_fails_when_all_have_failed():
    last = rpc.Future()
    first = onward.futures.when_any([failed("one"), last])
    settle()
    assert not first.done()
    last.set_exception(Mishap("last"))
    with pytest.raises(Mishap, match="last"):
        first.wait()


def test_15_when_any_of_nothing_is_refused():
    with pytest.raises(onward.InvalidArgument, match="no Futures"):
        onward.futures.when_any([])


def test_15_with_timeout_gives_up_and_the_future_goes_on():
    future = rpc.Future()
    with pytest.raises(onward.DeadlineExceeded, match="0.01 s"):
        onward.futures.with_timeout(future, 0.01).wait()
    assert not future.done()
    future.set_result(1)
    assert future.wait() == 1


@pytest.mark.parametrize("timeout", [0, -1])
def test_15_with_timeout_of_nothing_gives_up(timeout):
    future = rpc.Future()
    with pytest.raises(onward.DeadlineExceeded):
        onward.futures.with_timeout(future, timeout).wait()
    future.set_result(1)


def test_15_with_timeout_passes_on_what_comes_in_time():
    future = rpc.Future()
    limited = onward.futures.with_timeout(future, 1000)
    future.set_result("in time")
    assert limited.wait() == "in time"
    with pytest.raises(Mishap):
        onward.futures.with_timeout(failed(), 1000).wait()


def test_15_with_timeout_of_a_promise_that_is_broken_fails_at_once():
    future = rpc.Future()
    limited = onward.futures.with_timeout(future, 1000)
    del future
    with pytest.raises(onward.Aborted, match="broken promise"):
        limited.wait(60)


def test_15_with_timeout_keeps_nothing_of_what_is_over():
    alive = []
    for _ in range(1000):
        future = rpc.Future()
        limited = onward.futures.with_timeout(future, 1000)
        future.set_result(Mishap())
        alive.append(weakref.ref(limited.wait()))
    del future, limited
    failed().then(lambda _: None).wait()  # what the event thread has of the last one is gone, too
    assert [reference for reference in alive if reference() is not None] == []


def test_15_the_same_functions_are_in_rpc():
    for name in ("collect_all", "when_all", "wait_all", "when_any", "with_timeout", "Future"):
        assert getattr(rpc, name) is getattr(onward.futures, name)


# 16. Failures that nobody looks at.


class Reports(logging.Handler):
    def __init__(self):
        super().__init__()
        self.queue = queue.Queue()

    def emit(self, record):
        self.queue.put(record)

    def next(self):
        return self.queue.get(timeout=20)

    def check_none(self):
        gc.collect()
        settle()
        assert self.queue.empty(), self.queue.get().getMessage()


@pytest.fixture
def reports():
    handler = Reports()
    logging.getLogger("onward").addHandler(handler)
    yield handler
    logging.getLogger("onward").removeHandler(handler)


def raises(text):
    raise Mishap(text)


def test_16_a_failed_future_that_nobody_looked_at_is_reported_once_with_its_origin(reports):
    failed("unseen")
    report = reports.next()
    assert "nobody looked" in report.getMessage() and "unseen" in report.getMessage()
    assert "test_behaviour_several_futures.py" in report.getMessage() and "in failed" in report.getMessage()
    assert report.exc_info and isinstance(report.exc_info[1], Mishap)
    reports.check_none()


def test_16_a_failed_call_is_reported_once_with_its_origin(reports, node):
    rpc.rpc_async(node, raises, args=("far",))
    report = reports.next()
    assert "far" in report.getMessage() and "in test_16_a_failed_call" in report.getMessage()
    reports.check_none()


def test_16_of_a_chain_only_the_last_is_reported(reports):
    failed("chained").then(lambda done: done.value()).then(lambda done: done.value())
    assert "chained" in reports.next().getMessage()
    reports.check_none()


@pytest.mark.parametrize("look", [
    lambda future: future.exception(), lambda future: future.then(lambda done: done.exception()).wait(),
    lambda future: future.add_done_callback(lambda done: None), lambda future: pytest.raises(Mishap, future.wait),
    lambda future: pytest.raises(Mishap, future.value)],
    ids=["exception", "then", "add_done_callback", "wait", "value"])
def test_16_one_that_somebody_looked_at_is_not_reported(reports, look):
    look(failed())
    reports.check_none()


@rpc.async_function
def fails_later(to):
    return rpc.rpc_async(to, raises, args=("answered",))


def test_16_one_that_was_answered_with_is_not_reported_by_the_callee(reports, node):
    with pytest.raises(Mishap):
        rpc.rpc_sync(node, fails_later, args=(node,))
    reports.check_none()


def test_16_one_with_a_value_is_not_reported(reports):
    completed(5)
    reports.check_none()


def test_16_a_future_that_was_cancelled_is_not_reported(reports):
    rpc.Future().cancel()
    reports.check_none()


@rpc.async_function
def park(arrived):
    parked.append(rpc.Future())
    rpc.rpc_async(arrived, note)
    return parked[-1]


parked = []
noted = queue.Queue()


def note():
    noted.put(True)


def test_16_a_call_that_was_cancelled_is_not_reported(reports, node):
    call = rpc.rpc_async(node, park, args=(node,))
    noted.get(timeout=20)
    call.cancel()
    del call
    rpc.rpc_sync(node, note)
    parked.pop().set_result(0)
    reports.check_none()


def test_16_a_failure_reported_by_a_callback_that_nobody_else_hears_of(reports):
    future = rpc.Future()
    future.add_callback(raises)
    future.set_result("in a callback")
    assert "in a callback" in reports.next().getMessage()
    reports.check_none()
