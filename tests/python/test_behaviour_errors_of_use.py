"""What users rely on, 6 to 9: Futures that fail, functions that are used wrongly or in unusual ways."""

import collections
import functools
from dataclasses import dataclass

import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours


@pytest.fixture(scope="module")
def node():
    """Another one; this one is node0."""
    with neighbours(__name__):
        yield "node1"


def identity(value):
    return value


def done(value):
    future = rpc.Future()
    future.set_result(value)
    return future


@rpc.async_function
def later(value):
    """Completed by an answer, so later."""
    return rpc.rpc_async("node0", identity, args=(value,))


def check_alive(node):
    assert rpc.rpc_sync(node, identity, args=("alive",)) == "alive"
    assert rpc.rpc_sync(node, later, args=("alive",)) == "alive"


# 6. A Future failed by the user makes the call fail at the caller.


@rpc.async_function
def fail_by(method, when):
    future = rpc.Future()

    def fail(_=None):
        getattr(future, method)(OverflowError("failed by the user", 12))

    if when == "later":
        rpc.rpc_async("node0", identity, args=(1,)).add_callback(fail)
    else:
        fail()
    return future


@pytest.mark.parametrize("when", ["at once", "later"])
@pytest.mark.parametrize("method", ["mark_error", "set_exception"])
def test_06_a_future_failed_by_the_user_fails_the_call(node, method, when):
    call = rpc.rpc_async(node, fail_by, args=(method, when))
    with pytest.raises(OverflowError, match="failed by the user") as caught:
        call.wait()
    assert caught.value.args == ("failed by the user", 12)
    assert call.exception() is caught.value


@rpc.async_function
def fail_with_a_code():
    future = rpc.Future()
    future.mark_error(onward.ResourceExhausted("too many", details=[3]))
    return future


def test_06_a_code_of_the_users_reaches_the_caller(node):
    with pytest.raises(onward.ResourceExhausted, match="too many") as caught:
        rpc.rpc_sync(node, fail_with_a_code)
    assert caught.value.details == [3]


@rpc.async_function
def fail_with_a_class():
    future = rpc.Future()
    future.set_exception(ZeroDivisionError)
    return future


def test_06_a_class_of_exceptions_is_made_one(node):
    with pytest.raises(ZeroDivisionError):
        rpc.rpc_sync(node, fail_with_a_class)


def test_06_a_future_does_not_fail_with_what_is_no_exception():
    future = rpc.Future()
    with pytest.raises(TypeError, match="exception"):
        future.mark_error("no exception")
    assert not future.done()


def test_06_an_exception_is_no_value_that_can_be_sent(node):
    with pytest.raises(onward.InvalidArgument, match="ValueError"):
        rpc.rpc_sync(node, give_an_exception)


@rpc.async_function
def give_an_exception():
    return done(ValueError("a value?"))


# 7. What a function returns, and what it is given.


@rpc.async_function
def async_that_returns_an_int():
    return 5


@rpc.async_function
def async_that_returns_none():
    pass


@rpc.async_function
def async_that_returns_a_dict():
    return collections.OrderedDict(a=1)


@pytest.mark.parametrize("function, type_name", [
    (async_that_returns_an_int, "int"), (async_that_returns_none, "None"),
    (async_that_returns_a_dict, "OrderedDict")])
def test_07_an_async_function_that_returns_no_future(node, function, type_name):
    with pytest.raises(onward.FailedPrecondition) as caught:
        rpc.rpc_sync(node, function)
    assert function.__name__ in caught.value.message and type_name in caught.value.message
    assert "marked as async" in caught.value.message
    check_alive(node)


def unmarked():
    return done(1)


def unmarked_and_pending():
    return rpc.Future()


@pytest.mark.parametrize("function", [unmarked, unmarked_and_pending])
def test_07_a_function_without_mark_that_returns_a_future(node, function):
    with pytest.raises(onward.FailedPrecondition) as caught:
        rpc.rpc_sync(node, function, timeout=None)
    assert function.__name__ in caught.value.message and "Future" in caught.value.message
    assert "not marked as async" in caught.value.message


def unmarked_lambda_of_a_coroutine():
    return coroutine()


async def coroutine():
    return 1


def test_07_a_function_without_mark_that_returns_a_coroutine(node):
    with pytest.raises(onward.FailedPrecondition, match="unmarked_lambda_of_a_coroutine returned a coroutine"):
        rpc.rpc_sync(node, unmarked_lambda_of_a_coroutine)


@pytest.mark.parametrize("given", [
    lambda future: {"args": (future,)}, lambda future: {"kwargs": {"value": future}},
    lambda future: {"args": ([1, {"deep": future}],)}])
def test_07_a_future_as_an_argument_is_refused_at_the_call(node, given):
    future = rpc.Future()
    with pytest.raises(onward.InvalidArgument, match="Future"):
        rpc.rpc_async(node, identity, **given(future))


# 8. Methods of all kinds, and what cannot be called.


@dataclass
class Adder:
    start: int

    @staticmethod
    @rpc.async_function
    def static_over_async(a, b=1):
        return done(a + b)

    @rpc.async_function
    @staticmethod
    def async_over_static(a, b=1):
        return done(a + b)

    @classmethod
    @rpc.async_function
    def class_over_async(cls, a, b=1):
        return done(cls(a).start + b)

    @rpc.async_function
    @classmethod
    def async_over_class(cls, a, b=1):
        return done(cls(a).start + b)

    @rpc.async_function
    def bound(self, a, b=1):
        return done(self.start + a + b)

    def plain_and_bound(self, a, b=1):
        return self.start + a + b

    @staticmethod
    def plain_static(a, b=1):
        return a + b

    @classmethod
    def plain_class(cls, a, b=1):
        return cls(a).start + b

    class Inner:
        @staticmethod
        @rpc.async_function
        def static_over_async(a, b=1):
            return done(a + b)


class Heir(Adder):
    pass


KINDS = ["static_over_async", "async_over_static", "class_over_async", "async_over_class", "plain_static",
         "plain_class"]


@pytest.mark.parametrize("owner", [Adder, Heir, Adder(1)], ids=["class", "heir", "object"])
@pytest.mark.parametrize("kind", KINDS)
def test_08_static_and_class_methods(node, kind, owner):
    method = getattr(owner, kind)
    assert rpc.rpc_sync(node, method, args=(3,)) == 4
    assert rpc.rpc_sync(node, method, args=(3,), kwargs={"b": 5}) == 8
    assert rpc.rpc_sync(node, method, kwargs={"b": 5, "a": 1}) == 6


def test_08_a_class_in_a_class(node):
    assert rpc.rpc_sync(node, Adder.Inner.static_over_async, args=(3,)) == 4


@pytest.mark.parametrize("kind", ["bound", "plain_and_bound"])
def test_08_bound_methods_take_their_object_along(node, kind):
    assert rpc.rpc_sync(node, getattr(Adder(10), kind), args=(1, 2)) == 13
    assert rpc.rpc_sync(node, getattr(Adder(20), kind), args=(1,), kwargs={"b": 7}) == 28
    assert rpc.rpc_sync(node, getattr(Adder, kind), args=(Adder(1), 1)) == 3


def wrapped(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@rpc.functions.async_execution
@wrapped
def async_over_a_decorator(a, *, b):
    return done(a * b)


@wrapped
@rpc.functions.async_execution
def async_under_a_decorator(a, *, b):
    return done(a * b)


@pytest.mark.parametrize("function", [async_over_a_decorator, async_under_a_decorator])
def test_08_under_other_decorators(node, function):
    assert rpc.rpc_sync(node, function, args=(3,), kwargs={"b": 4}) == 12


def test_08_wrong_arguments_are_a_type_error(node):
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        rpc.rpc_sync(node, Adder.static_over_async, args=(3,), kwargs={"c": 4})


def test_08_a_lambda_is_refused_at_the_call(node):
    with pytest.raises(onward.InvalidArgument, match="lambda"):
        rpc.rpc_async(node, lambda value: value, args=(1,))


def test_08_a_local_function_is_refused_at_the_call(node):
    def local(value):
        return value

    with pytest.raises(onward.InvalidArgument, match="local"):
        rpc.rpc_async(node, local, args=(1,))


def test_08_what_is_no_function_is_refused_at_the_call(node):
    with pytest.raises(TypeError, match="function"):
        rpc.rpc_async(node, 12, args=(1,))


@pytest.mark.parametrize("unknown", ["node7", rpc.WorkerInfo("node7", 7)])
def test_08_an_unknown_worker_is_refused_at_the_call(node, unknown):
    with pytest.raises(onward.NotFound, match="node7"):
        rpc.rpc_async(unknown, identity, args=(1,))


def test_08_an_unknown_rank_is_refused_at_the_call(node):
    with pytest.raises(onward.NotFound, match="7"):
        rpc.rpc_async(7, identity, args=(1,))


# 9. Futures of Futures are flattened.


@rpc.async_function
def future_of_future(depth, value):
    inner = later(value)
    for _ in range(depth):
        outer = rpc.Future()
        outer.set_result(inner)
        inner = outer
    return inner


@pytest.mark.parametrize("depth", [1, 2, 50])
def test_09_a_future_of_a_future_is_flattened(node, depth):
    assert rpc.rpc_sync(node, future_of_future, args=(depth, "x")) == "x"


@rpc.async_function
def callback_that_returns_a_future(value):
    return later(1).then(lambda _: later(2)).then(lambda done: later([done.value(), value]))


def test_09_a_callback_that_returns_a_future_is_flattened(node):
    assert rpc.rpc_sync(node, callback_that_returns_a_future, args=("y",)) == [2, "y"]


@rpc.async_function
def inner_future_that_fails():
    outer = rpc.Future()
    outer.mark_complete(fail_by("mark_error", "later"))
    return outer.then(lambda done: done)


def test_09_an_inner_future_that_fails_fails_the_outer(node):
    with pytest.raises(OverflowError, match="failed by the user"):
        rpc.rpc_sync(node, inner_future_that_fails)


async def coroutine_that_returns_a_future():
    return later("z")


def test_09_a_coroutine_that_returns_a_future_is_flattened(node):
    assert rpc.rpc_sync(node, coroutine_that_returns_a_future) == "z"


def test_09_locally_too():
    outer, inner = rpc.Future(), rpc.Future()
    outer.set_result(inner)
    assert not outer.done()
    inner.set_result(4)
    assert outer.wait() == 4
