"""What users rely on, 10: what cannot be encoded, and what would end the program, are errors of the caller."""

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


async def coroutine():
    return 1


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


def plain_result(kind):
    return unsendable(kind)


@rpc.async_function
def async_result(kind):
    return done(unsendable(kind))


@rpc.async_function
def later_result(kind):
    return later(1).then(lambda _: unsendable(kind))


async def coroutine_result(kind):
    return unsendable(kind)


def unsendable(kind):
    if kind == "object":
        return object()
    if kind == "deep":
        return {"a": [1, (2, open)]}
    circle = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize("kind", ["object", "deep", "circle"])
@pytest.mark.parametrize("function", [plain_result, async_result, later_result, coroutine_result])
def test_10_a_result_that_cannot_be_encoded_is_the_callers_error(node, function, kind):
    with pytest.raises(onward.InvalidArgument, match=f"the result of .*{function.__name__}"):
        rpc.rpc_sync(node, function, args=(kind,))
    check_alive(node)


def test_10_arguments_that_cannot_be_encoded_are_refused_at_the_call(node):
    with pytest.raises(onward.InvalidArgument, match="identity"):
        rpc.rpc_async(node, identity, args=(object(),))


ENDS = {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt, "GeneratorExit": GeneratorExit,
        "StopIteration": StopIteration}


def plain_that_ends(kind):
    raise ENDS[kind]("end")


@rpc.async_function
def async_that_ends(kind):
    raise ENDS[kind]("end")


@rpc.async_function
def callback_that_ends(kind):
    return later(1).then(lambda _: plain_that_ends(kind))


@rpc.async_function
def rfc_callback_that_ends(kind):
    future = rpc.Future()
    later(1).add_callback(lambda _: future.mark_complete(plain_that_ends(kind)))
    return future


async def coroutine_that_ends(kind):
    raise ENDS[kind]("end")


async def coroutine_that_ends_later(kind):
    await later(1)
    raise ENDS[kind]("end")


PLAIN_AND_ASYNC = [plain_that_ends, async_that_ends, callback_that_ends, rfc_callback_that_ends]
COROUTINES = [coroutine_that_ends, coroutine_that_ends_later]


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("function", PLAIN_AND_ASYNC + COROUTINES)
def test_10_what_ends_programs_is_the_callers_error(node, function, kind):
    with pytest.raises(Exception) as caught:
        rpc.rpc_sync(node, function, args=(kind,), timeout=5)
    if function in COROUTINES and kind == "StopIteration":  # as Python has it
        assert str(caught.value) == "coroutine raised StopIteration"
    else:
        assert "end" in str(caught.value) and kind in str(caught.value)
    check_alive(node)
    assert rpc.rpc_sync(node, coroutine, timeout=5) == 1
