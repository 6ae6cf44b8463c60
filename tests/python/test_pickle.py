"""The codec "pickle": off unless both nodes switch it on, and only among peers that prove who they are."""

import contextlib
import decimal
import os
import subprocess
import sys
import threading
import weakref

import numpy
import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours
from world import free_port, processes, start

PROGRAM = os.environ.get("ONWARD_PROGRAM", "")


class Thing:
    """Neither a dataclass nor anything else that travels by itself."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return type(other) is Thing and other.value == self.value


class Stubborn:
    def __reduce__(self):
        raise RuntimeError("never")


class Failure(Exception):
    def __init__(self, thing):
        super().__init__("it failed")
        self.thing = thing


def echo(value, *, again=None):
    return [value, again] if again else value


def kind(value):
    return type(value).__name__


def give(what):
    return {"thing": Thing(1), "lambda": lambda: 0, "stubborn": Stubborn()}[what]


def fail():
    raise Failure(Thing(2))


def overwrite(array):
    array[:] = 1
    return float(array.sum()), array.flags.writeable


@rpc.async_function
def later(value):
    return rpc.rpc_async("node0", echo, args=(value,), codec="pickle")


async def coroutine(value):
    return await rpc.rpc_async("node0", echo, args=(value,), codec="pickle")


@contextlib.contextmanager
def peer_with(options, **own):
    """Another process with other options than this one's."""
    port = free_port()
    with processes() as started:
        started.append(start(sys.modules[__name__], None, 1, 2, port, options=options))
        rpc.init_rpc("node0", rank=0, world_size=2, init_method=f"tcp://127.0.0.1:{port}", timeout=20, **own)
        try:
            yield
        finally:
            rpc.shutdown(timeout=30)


# Off.


def test_it_is_off_unless_switched_on():
    rpc.init_rpc("me", timeout=20)
    try:
        with pytest.raises(onward.InvalidArgument, match=r"args\[0\].*test_pickle.Thing.*codec \"pickle\" at both nodes"):
            rpc.rpc_sync("me", echo, args=(Thing(1),))
        with pytest.raises(onward.FailedPrecondition, match='node me has no codec "pickle", only flex'):
            rpc.rpc_sync("me", echo, args=(1,), codec="pickle")
    finally:
        rpc.shutdown()


def test_only_the_callee_has_switched_it_on():
    with peer_with({"pickle": True}):
        with pytest.raises(onward.RpcError, match='"pickle"'):
            rpc.rpc_sync("node1", echo, args=(Thing(1),), codec="pickle")
        assert rpc.rpc_sync("node1", echo, args=(1,)) == 1


def test_only_the_caller_has_switched_it_on():
    with peer_with({}, pickle=True):
        assert rpc.rpc_sync("node1", kind, args=(1,)) == "int"  # the callee knows the function
        with pytest.raises(onward.RpcError, match="codec") as caught:
            rpc.rpc_sync("node1", kind, args=(Thing(1),), codec="pickle")
        assert "node1" in caught.value.message
        assert rpc.rpc_sync("node1", echo, args=(1,)) == 1


@pytest.mark.skipif(not PROGRAM, reason="run_python.py --onward says where the program is")
def test_a_node_in_cpp_refuses_it(tmp_path):
    name = f"unix://@onward-pickle-{os.getpid()}"
    (tmp_path / "n.toml").write_text(f'name = "cpp"\nlisten = ["{name}"]\n[[modules]]\nname = "rfc"\n')
    process = subprocess.Popen([PROGRAM, "node", "--config", tmp_path / "n.toml"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout.readline().startswith("ready")
        rpc.init_rpc("me", peers={"cpp": name}, pickle=True, timeout=20)
        with pytest.raises(onward.RpcError, match="codec"):
            rpc.rpc_sync("cpp", "rfc.my_add_2", args=(1, 2), codec="pickle")
        assert rpc.rpc_sync("cpp", "rfc.my_add_2", args=(1, 2)) == 3
    finally:
        rpc.shutdown()
        process.terminate()
        process.wait()
        process.stdout.close()


# By tcp nobody proves anything.


def test_by_tcp_it_is_refused():
    with neighbours(__name__, pickle=True, transport="tcp"):
        assert rpc.rpc_sync("node1", kind, args=(1,)) == "int"
        with pytest.raises(onward.PermissionDenied, match="has not proved who it is: over tcp nobody does, use tls") as caught:
            rpc.rpc_sync("node1", kind, args=(Thing(1),), codec="pickle")
        assert caught.value.trail[0].node == "node1"
        assert rpc.rpc_sync("node1", echo, args=(1,)) == 1


# On.


@pytest.fixture(scope="module", params=["shm", "unix"])
def on(request):
    with neighbours(__name__, pickle=True, transport=request.param):
        yield


@pytest.mark.parametrize("to", ["node0", "node1"])
@pytest.mark.parametrize("function", [echo, later, coroutine])
def test_what_nothing_else_carries(on, to, function):
    for value in (Thing([1, Thing(None)]), {1, 2.5}, decimal.Decimal("1.5"), 2**100, (1, [2]), 1j, {"b": 1, "a": 2},
                  range(3), echo, Thing, b"x" * 100_000, None, numpy.arange(5)):
        back = rpc.rpc_sync(to, function, args=(value,), codec="pickle")
        assert type(back) is type(value) and numpy.all(back == value)
    assert list(rpc.rpc_sync(to, echo, args=({"b": 1, "a": 2},), codec="pickle")) == ["b", "a"]


def test_keywords_and_methods(on):
    assert rpc.rpc_sync("node1", echo, args=(Thing(1),), kwargs={"again": Thing(2)}, codec="pickle") == [Thing(1), Thing(2)]
    assert rpc.rpc_sync("node1", Thing(5).__eq__, args=(Thing(5),), codec="pickle") is True


def test_an_object_is_shared_within_a_call(on):
    thing = Thing(1)
    first, second = rpc.rpc_sync("node1", echo, args=([thing, thing],), codec="pickle")
    assert first is second


@pytest.mark.parametrize("to", ["node0", "node1"])
def test_arrays_travel_beside_it_and_are_nobody_elses(on, to):
    array = numpy.zeros(1_000_000)
    assert rpc.rpc_sync(to, overwrite, args=(array,), codec="pickle") == (1_000_000.0, True)
    assert array.sum() == 0
    back = rpc.rpc_sync(to, echo, args=({"x": [array, Thing(array)]},), codec="pickle")
    back["x"][0][:] = 2
    assert array.sum() == 0 and back["x"][1].value.flags.writeable and (back["x"][1].value == back["x"][0]).all()
    text = rpc.rpc_sync(to, echo, args=(numpy.array(["a", "ü"]),), codec="pickle")
    assert text.tolist() == ["a", "ü"]


def test_an_array_is_let_go_when_it_is_answered(on):
    gone = threading.Event()
    array = numpy.zeros(1_000_000)
    reference = weakref.ref(array, lambda _: gone.set())
    call = rpc.rpc_async("node1", kind, args=(array,), codec="pickle")
    del array
    assert call.wait() == "ndarray"
    del call
    assert gone.wait(20) and reference() is None


def test_exceptions_arrive(on):
    with pytest.raises(Failure, match="it failed") as caught:
        rpc.rpc_sync("node1", fail, codec="pickle")
    assert "in fail" in "\n".join(caught.value.__notes__)


@pytest.mark.parametrize("what, why", [("lambda", "lambda"), ("stubborn", "never")])
def test_what_cannot_be_pickled_is_an_error(on, what, why):
    with pytest.raises(onward.InvalidArgument, match=f"the arguments of .*echo cannot be sent: it cannot be pickled: .*{why}"):
        rpc.rpc_sync("node1", echo, args=(give(what),), codec="pickle")
    with pytest.raises(onward.InvalidArgument, match=f"the result of .*give cannot be sent: it cannot be pickled: .*{why}"):
        rpc.rpc_sync("node1", give, args=(what,), codec="pickle")


def test_a_result_that_needs_it(on):
    assert rpc.rpc_sync("node1", give, args=("thing",), codec="pickle") == Thing(1)
    with pytest.raises(onward.InvalidArgument, match="test_pickle.Thing cannot be sent"):
        rpc.rpc_sync("node1", give, args=("thing",))


def test_a_class_that_the_callee_lacks(on):
    class Local:
        pass

    Local.__qualname__ = "NotThere"
    globals()["NotThere"] = Local
    with pytest.raises(AttributeError, match="NotThere"):
        rpc.rpc_sync("node1", kind, args=(Local(),), codec="pickle")
    assert rpc.rpc_sync("node1", kind, args=(1,), codec="pickle") == "int"


def test_both_codecs_at_once(on):
    calls = [rpc.rpc_async("node1", echo, args=(i,), codec=codec) for i in range(50) for codec in (None, "pickle", "flex")]
    assert rpc.wait_all(calls) == [i for i in range(50) for _ in range(3)]
