"""What users rely on, 18 to 20: many requests at once, long chains, and threads that run out. Between two processes."""

import threading

import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours

THREADS = 4
PATIENCE = 60

parked = []
came = threading.Semaphore(0)


@pytest.fixture(scope="module")
def node():
    with neighbours(__name__, timeout=PATIENCE, threads=THREADS):
        yield "node1"


@rpc.async_function
def park(number):
    parked.append((number, rpc.Future()))
    return parked[-1][1]


@rpc.async_function
def parked_count():
    """On the thread that parks."""
    return done(len(parked))


def done(value):
    future = rpc.Future()
    future.set_result(value)
    return future


def release():
    """On a thread of the pool. How many there were."""
    count = len(parked)
    for number, future in parked:
        future.set_result(number + 1)
    parked.clear()
    return count


def add(a, b):
    return a + b


@rpc.async_function
def add_async(a, b):
    return rpc.rpc_async("node0", add, args=(a, b))


async def add_in_a_coroutine(a, b):
    return await rpc.rpc_async("node0", add, args=(a, b))


# 18. Parked requests hold no threads.


@pytest.mark.parametrize("count", [1_000, 100_000])
def test_18_other_calls_are_served_while_requests_are_parked(node, count):
    rpc.rpc_sync(node, add, args=(1, 1))
    calls = [rpc.rpc_async(node, park, args=(number,)) for number in range(count)]
    while rpc.rpc_sync(node, parked_count) < count:
        assert not any(call.done() for call in calls[:10])
    # Of each kind more than there are threads.
    for _ in range(3 * THREADS):
        assert rpc.rpc_sync(node, add, args=(1, 2)) == 3
        assert rpc.rpc_sync(node, add_async, args=(3, 4)) == 7
        assert rpc.rpc_sync(node, add_in_a_coroutine, args=(5, 6)) == 11
    others = [rpc.rpc_async(node, add, args=(i, i)) for i in range(100)]
    assert rpc.wait_all(others) == [2 * i for i in range(100)]
    assert not any(call.done() for call in calls)
    assert rpc.rpc_sync(node, release) == count
    assert rpc.wait_all(calls) == list(range(1, count + 1))
    assert rpc.rpc_sync(node, parked_count) == 0


# 19. Depth and width.


@rpc.async_function
def ping(here, there, depth):
    if depth == 0:
        return done(0)
    future = rpc.Future()
    rpc.rpc_async(there, ping, args=(there, here, depth - 1)).add_callback(
        lambda value: future.mark_complete(value + 1))
    return future


@pytest.mark.parametrize("depth", [100, 10_000])
def test_19_async_ping_pong(node, depth):
    assert rpc.rpc_sync(node, ping, args=("node1", "node0", depth)) == depth


async def coroutine_ping(here, there, depth):
    return 0 if depth == 0 else 1 + await rpc.rpc_async(there, coroutine_ping, args=(there, here, depth - 1))


def test_19_ping_pong_of_coroutines(node):
    assert rpc.rpc_sync(node, coroutine_ping, args=("node1", "node0", 1_000)) == 1_000


def fails():
    raise KeyError("at the bottom")


@rpc.async_function
def ping_to_a_failure(here, there, depth):
    if depth == 0:
        return rpc.rpc_async(there, fails)
    future = rpc.Future()
    rpc.rpc_async(there, ping_to_a_failure, args=(there, here, depth - 1)).add_callback(
        lambda value: future.mark_complete(value))
    return future


def test_19_an_error_comes_back_from_the_depth(node):
    with pytest.raises(KeyError, match="at the bottom") as caught:
        rpc.rpc_sync(node, ping_to_a_failure, args=("node1", "node0", 1_000))
    assert "in fails" in "\n".join(caught.value.__notes__)


@rpc.async_function
def fan_out(to, width):
    calls = [rpc.rpc_async(to, add, args=(number, 1)) for number in range(width)]
    return rpc.collect_all(calls).then(lambda done: [call.value() for call in done.value()])


def test_19_fan_out(node):
    assert rpc.rpc_sync(node, fan_out, args=("node0", 1_000)) == list(range(1, 1_001))


@rpc.async_function
def chain(to, steps):
    future = rpc.rpc_async(to, add, args=(0, 0))
    for _ in range(steps):
        future = future.then(lambda done: done.value() + 1)
    return future


def test_19_a_chain_of_steps(node):
    assert rpc.rpc_sync(node, chain, args=("node0", 1_000)) == 1_000


@rpc.async_function
def chain_of_calls(to, steps):
    future = rpc.rpc_async(to, add, args=(0, 0))
    for _ in range(steps):
        future = future.then(lambda done: rpc.rpc_async(to, add, args=(done.value(), 1)))
    return future


def test_19_a_chain_of_steps_that_are_calls(node):
    assert rpc.rpc_sync(node, chain_of_calls, args=("node0", 1_000)) == 1_000


def test_19_a_chain_that_is_given_up_is_taken_apart(node):
    head = rpc.Future()
    future = head
    for _ in range(100_000):
        future = future.then(lambda done: done.value())
    head.set_result(1)
    assert future.wait() == 1
    head, future = rpc.Future(), rpc.Future()
    last = head
    for _ in range(100_000):
        last = last.then(lambda done: done.value())
    last.add_done_callback(lambda done: future.set_result(type(done.exception())))
    del last, head  # nobody can complete it
    assert future.wait() is onward.Aborted


# 20. Threads run out.


def sync_ping(here, there, depth):
    return 0 if depth == 0 else 1 + rpc.rpc_sync(there, sync_ping, args=(there, here, depth - 1))


def test_20_as_deep_as_there_are_threads_a_sync_ping_pong_works(node):
    assert rpc.rpc_sync(node, sync_ping, args=("node1", "node0", 2 * THREADS - 1)) == 2 * THREADS - 1


stuck = threading.Semaphore(0)


def stuck_ping(here, there, depth):
    """As sync_ping(); tells node0 at each step."""
    rpc.rpc_async("node0", note_stuck)
    return 0 if depth == 0 else 1 + rpc.rpc_sync(there, stuck_ping, args=(there, here, depth - 1))


@rpc.async_function
def note_stuck():
    stuck.release()
    return done(None)


def test_20_a_deeper_one_ends_by_its_deadline_and_async_calls_are_served_meanwhile(node):
    for function in (add_async, add_in_a_coroutine, add, parked_count):  # known, so that nothing needs a thread
        rpc.rpc_sync(node, function, args=() if function is parked_count else (1, 1))
    rpc.rpc_sync("node0", stuck_ping, args=("node0", "node1", 1))
    assert stuck.acquire(timeout=PATIENCE) and stuck.acquire(timeout=PATIENCE)
    call = rpc.rpc_async(node, stuck_ping, args=("node1", "node0", 1_000), timeout=2)
    for _ in range(2 * THREADS):  # every thread of both nodes waits now
        assert stuck.acquire(timeout=PATIENCE)
    served = 0
    while not call.done():
        assert rpc.rpc_sync(node, parked_count) == 0
        served += 1
    with pytest.raises(onward.DeadlineExceeded, match="stuck_ping"):
        call.wait()
    assert served > 2
    # It has recovered, as has this one.
    for to in (node, "node0"):
        assert rpc.wait_all([rpc.rpc_async(to, add, args=(i, 1)) for i in range(20)]) == list(range(1, 21))
    assert rpc.rpc_sync(node, sync_ping, args=("node1", "node0", 2 * THREADS - 1)) == 2 * THREADS - 1


def test_20_many_at_once_end_by_their_deadlines_and_the_node_recovers(node):
    calls = [rpc.rpc_async(node, sync_ping, args=("node1", "node0", 50), timeout=0.5) for _ in range(50)]
    assert rpc.rpc_sync(node, parked_count) == 0
    for call in calls:
        with pytest.raises(onward.DeadlineExceeded):
            call.wait()
    assert rpc.rpc_sync(node, add, args=(1, 2)) == 3
    assert rpc.rpc_sync(node, sync_ping, args=("node1", "node0", 2 * THREADS - 1)) == 2 * THREADS - 1
