"""Peers that die or freeze while calls are in flight."""

import os
import queue
import signal
import threading

import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours

PATIENCE = 60
TRANSPORTS = ["tcp", "shm", "unix"]

parked = []
came = queue.Queue()  # in node0: what handlers of the others tell
cancelled = queue.Queue()


@pytest.fixture(params=TRANSPORTS)
def two(request):
    with neighbours(__name__, count=2, timeout=PATIENCE, transport=request.param, threads=4) as started:
        yield started
        for process in started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)


def add(a, b):
    return a + b


def done(value):
    future = rpc.Future()
    future.set_result(value)
    return future


@rpc.async_function
def tell(what):
    came.put(what)
    return done(None)


@rpc.async_function
def park():
    """Never answers."""
    parked.append(rpc.Future())
    rpc.rpc_async("node0", tell, args=("parked",))
    return parked[-1]


@rpc.async_function
def park_and_listen():
    """Of node0: never answers, and tells when nobody waits any more."""
    future = rpc.Future()
    parked.append((future, rpc.current_call().on_cancel(cancelled.put)))
    came.put("parked")
    return future


def block():
    rpc.rpc_async("node0", tell, args=("blocked",))
    threading.Event().wait()


@rpc.async_function
def hold_a_call(function):
    """Has node0 park a request of this node's."""
    rpc.rpc_async("node0", function, timeout=None).then(lambda future: future.exception())
    return done(None)



@rpc.async_function
def park_at(to):
    return rpc.rpc_async(to, park, timeout=None)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def in_flight(to, function, args=(), **options):
    call = rpc.rpc_async(to, function, args=args, **options)
    came.get(timeout=PATIENCE)
    return call


def check_works(*names):
    for name in names:
        assert rpc.rpc_sync(name, add, args=(1, 2)) == 3


# Killed.


@pytest.mark.parametrize("function", [park, block])
def test_calls_in_flight_to_a_killed_peer_are_unavailable(two, function):
    calls = [in_flight("node1", function, timeout=None) for _ in range(4)]
    other = in_flight("node2", park)
    kill(two[0])
    for call in calls:
        with pytest.raises(onward.Unavailable) as caught:
            call.wait(PATIENCE)
        assert "node1" in str(caught.value)
    assert not other.done()
    other.cancel()
    with pytest.raises(onward.Cancelled):
        other.wait(PATIENCE)
    check_works("node2", "node0")


def test_new_calls_to_a_killed_peer_fail_and_others_go_on(two):
    check_works("node1")
    kill(two[0])
    with pytest.raises((onward.Unavailable, onward.DeadlineExceeded)):
        rpc.rpc_sync("node1", add, args=(1, 2), timeout=0.5)
    check_works("node2", "node0")


def test_parked_handlers_hear_that_their_caller_was_killed(two):
    for name in ("node1", "node2"):
        rpc.rpc_sync(name, hold_a_call, args=(f"{__name__}.park_and_listen",))
        came.get(timeout=PATIENCE)
    kill(two[0])
    reason = cancelled.get(timeout=PATIENCE)
    assert isinstance(reason, (onward.Cancelled, onward.Unavailable))
    assert cancelled.empty()  # the request of node2 is still parked
    parked.pop(0)[0].set_result("dropped quietly")
    parked.pop(0)[0].set_result("heard")
    check_works("node2", "node0")


def test_the_error_of_a_killed_peer_comes_through_the_one_between(two):
    call = in_flight("node1", park_at, args=("node2",), timeout=None)
    kill(two[1])
    with pytest.raises(onward.Unavailable) as caught:
        call.wait(PATIENCE)
    assert "node2" in str(caught.value)
    check_works("node1", "node0")


def test_a_future_of_several_fails_as_soon_as_one_of_them_is_killed(two):
    calls = [in_flight(name, park, timeout=None) for name in ("node1", "node2")]
    kill(two[1])
    with pytest.raises(onward.Unavailable):
        rpc.collect_all(calls).wait(PATIENCE)
    assert not calls[0].done()
    calls[0].cancel()
    with pytest.raises(onward.Cancelled):
        calls[0].wait(PATIENCE)


def test_many_calls_in_flight_all_end_when_their_peer_is_killed(two):
    check_works("node1")
    calls = [rpc.rpc_async("node1", add, args=(i, 1), timeout=None) for i in range(2_000)]
    calls[0].wait()
    kill(two[0])
    for number, call in enumerate(calls):
        try:
            assert call.wait(PATIENCE) == number + 1
        except onward.Unavailable:
            pass
    check_works("node2")


# Frozen.


def test_calls_to_a_frozen_peer_reach_their_deadlines_and_others_go_on(two):
    check_works("node1", "node2")
    os.kill(two[0].pid, signal.SIGSTOP)
    calls = [rpc.rpc_async("node1", add, args=(1, 2), timeout=0.2) for _ in range(20)]
    check_works("node2", "node0")
    for call in calls:
        with pytest.raises(onward.DeadlineExceeded, match="add"):
            call.wait(PATIENCE)
    os.kill(two[0].pid, signal.SIGCONT)
    check_works("node1")  # it has woken, and is as before


def test_parked_calls_of_a_frozen_peer_reach_their_deadlines_too(two):
    in_flight("node1", park, timeout=None).cancel()  # all functions are known
    call = in_flight("node1", park, timeout=0.5)
    patient = in_flight("node1", park, timeout=None)
    os.kill(two[0].pid, signal.SIGSTOP)
    with pytest.raises(onward.DeadlineExceeded, match="park"):
        call.wait(PATIENCE)
    assert not patient.done()
    os.kill(two[0].pid, signal.SIGCONT)
    check_works("node1")
    patient.cancel()
    with pytest.raises(onward.Cancelled):
        patient.wait(PATIENCE)


def test_a_frozen_peer_that_is_killed_is_unavailable(two):
    call = in_flight("node1", park, timeout=None)
    os.kill(two[0].pid, signal.SIGSTOP)
    kill(two[0])
    with pytest.raises(onward.Unavailable):
        call.wait(PATIENCE)
    check_works("node2")
