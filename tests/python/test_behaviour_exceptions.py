"""What users rely on, 5: exceptions reach the caller with type, message and where."""

import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours


class Mishap(Exception):
    """An exception of the user's own."""

    def __init__(self, text, level):
        super().__init__(text, level)
        self.level = level


class Refusal(onward.PermissionDenied):
    """One with a code."""


@pytest.fixture(scope="module")
def three():
    with neighbours(__name__, count=2):
        yield


def identity(value):
    return value


@rpc.async_function
def fails_before(text):
    raise Mishap(text, 3)


def fails_plainly(text):
    raise Mishap(text, 3)


@rpc.async_function
def fails_in_a_callback(to):
    future = rpc.Future()

    def bottom_half(value):
        future.set_result({}[value])

    rpc.rpc_async(to, identity, args=("no such key",)).add_callback(bottom_half)
    return future


@rpc.async_function
def fails_in_then(to, depth):
    def next_step(done):
        if done.value() == depth:
            raise Mishap("in a step", depth)
        return done.value() + 1

    future = rpc.rpc_async(to, identity, args=(0,))
    for _ in range(depth + 3):
        future = future.then(next_step)
    return future


async def fails_in_a_coroutine(to):
    await rpc.rpc_async(to, identity, args=(0,))
    raise Mishap("in a coroutine", 9)


def notes(error):
    return "\n".join(error.__notes__)


def check_where(error, function, node="node1"):
    assert f'node "{node}"' in notes(error) and f"in {function}" in notes(error)
    assert "test_behaviour_exceptions.py" in notes(error)


@pytest.mark.parametrize("function", [fails_before, fails_plainly])
def test_05_an_exception_before_the_future_has_type_message_and_where(three, function):
    with pytest.raises(Mishap, match="what for") as caught:
        rpc.rpc_sync("node1", function, args=("what for",))
    assert caught.value.args == ("what for", 3) and caught.value.level == 3
    check_where(caught.value, function.__name__)


def test_05_an_exception_in_a_callback_has_type_message_and_where(three):
    with pytest.raises(KeyError) as caught:
        rpc.rpc_sync("node1", fails_in_a_callback, args=("node2",))
    assert caught.value.args == ("no such key",)
    check_where(caught.value, "bottom_half")


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_05_an_exception_in_any_step_of_a_chain_has_type_message_and_where(three, depth):
    with pytest.raises(Mishap, match="in a step") as caught:
        rpc.rpc_sync("node1", fails_in_then, args=("node2", depth))
    assert caught.value.level == depth
    check_where(caught.value, "next_step")


def test_05_an_exception_in_a_coroutine_has_type_message_and_where(three):
    with pytest.raises(Mishap, match="in a coroutine") as caught:
        rpc.rpc_sync("node1", fails_in_a_coroutine, args=("node2",))
    check_where(caught.value, "fails_in_a_coroutine")


@rpc.async_function
def along_by_callbacks(way, function):
    """Calls `function` at the end of the way, by RFC's words at each node."""
    future = rpc.Future()
    if len(way) > 1:
        next_call = rpc.rpc_async(way[0], along_by_callbacks, args=(way[1:], function))
    else:
        next_call = rpc.rpc_async(way[0], f"{__name__}.{function}", args=("far away",))
    next_call.add_callback(lambda value: future.mark_complete(value))
    return future


def along_by_sync(way, function):
    if len(way) == 1:
        return rpc.rpc_sync(way[0], f"{__name__}.{function}", args=("far away",))
    return rpc.rpc_sync(way[0], along_by_sync, args=(way[1:], function))


@pytest.mark.parametrize("along", [along_by_callbacks, along_by_sync])
def test_05_the_type_survives_every_hop(three, along):
    with pytest.raises(Mishap, match="far away") as caught:
        rpc.rpc_sync("node1", along, args=(["node2", "node1", "node2"], "fails_before"))
    assert caught.value.args == ("far away", 3)
    assert 'node "node2"' in notes(caught.value) and "in fails_before" in notes(caught.value)


def refuses(text):
    raise Refusal(text, details={"who": "you", "n": [1, 2]})


@pytest.mark.parametrize("along", [along_by_callbacks, along_by_sync])
def test_05_code_details_and_trail_survive_every_hop(three, along):
    with pytest.raises(onward.PermissionDenied) as caught:
        rpc.rpc_sync("node1", along, args=(["node2", "node1"], "refuses"))
    assert caught.value.code == rpc.StatusCode.PERMISSION_DENIED
    assert type(caught.value) is Refusal and caught.value.message == "far away"
    assert caught.value.details == {"who": "you", "n": [1, 2]}
    assert [hop.node for hop in caught.value.trail] == ["node1", "node2", "node1"]


def raises_of_a_class_that_others_lack(text):
    class OnlyHere(Exception):
        pass

    raise OnlyHere(text)


def test_05_a_class_that_is_not_there_leaves_its_name_and_message(three):
    with pytest.raises(onward.Unknown, match="far away") as caught:
        rpc.rpc_sync("node1", along_by_callbacks, args=(["node2"], "raises_of_a_class_that_others_lack"))
    assert "OnlyHere" in caught.value.type
    check_where(caught.value, "raises_of_a_class_that_others_lack", "node2")
