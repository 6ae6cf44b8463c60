"""What users rely on, 21: shutdown."""

import linecache
import sys
import threading

import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours
from world import free_port, processes, run_world, start

parked = []
came = threading.Semaphore(0)
go = threading.Event()
PATIENCE = 60


@pytest.fixture(autouse=True)
def nothing_parked():
    go.clear()
    yield
    go.set()
    parked.clear()
    while came.acquire(blocking=False):
        pass
    rpc.shutdown(graceful=False)


def begin(drain_ms=PATIENCE * 1000, **options):
    rpc.init_rpc("me", config={"shutdown": {"drain_ms": drain_ms}}, timeout=PATIENCE, **options)


@rpc.async_function
def park():
    parked.append(rpc.Future())
    came.release()
    return parked[-1]


def block():
    came.release()
    go.wait()
    return "went on"


def add(a, b):
    return a + b


def in_flight(function, to="me", **options):
    call = rpc.rpc_async(to, function, **options)
    assert came.acquire(timeout=PATIENCE)
    return call


def shutdown_in_a_thread():
    """Returns once that waits for calls in flight."""
    thread = threading.Thread(target=rpc.shutdown)
    thread.start()
    while True:
        frame = sys._current_frames().get(thread.ident)
        assert thread.is_alive(), "shutdown() did not wait"
        if frame and "_core.stop(" in linecache.getline(frame.f_code.co_filename, frame.f_lineno):
            return thread


# In-flight calls finish or reach the deadline.


def test_21_a_parked_call_finishes():
    begin()
    call = in_flight(park)
    thread = shutdown_in_a_thread()
    parked[0].set_result("finished")
    assert call.wait() == "finished"
    thread.join()


def test_21_a_call_on_a_thread_finishes():
    begin()
    call = in_flight(block)
    thread = shutdown_in_a_thread()
    go.set()
    assert call.wait() == "went on"
    thread.join()


@rpc.async_function
def park_then_call():
    future = rpc.Future()
    parked.append(future)
    came.release()
    return future.then(lambda _: rpc.rpc_async("me", add, args=(1, 2)))


def test_21_what_is_in_flight_may_still_call():
    begin()
    rpc.rpc_sync("me", add, args=(0, 0))
    call = in_flight(park_then_call)
    thread = shutdown_in_a_thread()
    parked[0].set_result(None)
    assert call.wait() == 3
    thread.join()


def test_21_a_call_in_flight_reaches_its_deadline():
    begin()
    call = in_flight(park, timeout=0.5)
    rpc.shutdown()  # waits for that
    with pytest.raises(onward.DeadlineExceeded):
        call.value()


def test_21_shutdown_without_anything_in_flight_waits_for_nothing():
    begin(drain_ms=3_600_000)
    rpc.rpc_sync("me", add, args=(1, 2))
    rpc.shutdown()


# Every Future completes.


@pytest.mark.parametrize("options", [{"drain_ms": 50}, {"drain_ms": 0}, {"graceful": False}],
                         ids=["drained", "no time to drain", "not graceful"])
def test_21_parked_calls_end_with_unavailable_or_cancelled(options):
    begin(options.get("drain_ms", PATIENCE * 1000))
    calls = [in_flight(park) for _ in range(100)]
    rpc.shutdown(options.get("graceful", True))
    for call in calls:
        assert call.done() and isinstance(call.exception(), (onward.Unavailable, onward.Cancelled))


def test_21_a_call_on_a_thread_that_does_not_end_fails():
    begin(drain_ms=50)
    call = in_flight(block)
    rpc.shutdown()
    assert call.done() and isinstance(call.exception(), (onward.Unavailable, onward.Cancelled))


def test_21_callbacks_of_parked_calls_run():
    begin(drain_ms=50)
    child = in_flight(park).then(lambda done: type(done.exception()))
    rpc.shutdown()
    assert child.wait(PATIENCE) in (onward.Unavailable, onward.Cancelled)


def test_21_parked_handlers_hear_of_it():
    begin(drain_ms=50)
    call = in_flight(park_and_listen)
    rpc.shutdown()
    assert isinstance(call.exception(), (onward.Unavailable, onward.Cancelled))
    assert came.acquire(timeout=PATIENCE)


@rpc.async_function
def park_and_listen():
    parked.append(rpc.Future())
    parked.append(rpc.current_call().on_cancel(lambda reason: came.release()))
    came.release()
    return parked[-2]


def test_21_threads_that_wait_are_woken():
    begin(drain_ms=50)
    call = in_flight(park)
    errors, ready = [], threading.Semaphore(0)

    def wait(future):
        ready.release()
        try:
            future.wait()
        except onward.RpcError as error:
            errors.append(error)

    never = rpc.Future()
    threads = [threading.Thread(target=wait, args=(future,)) for future in (call, call, never)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    rpc.shutdown()
    for thread in threads[:2]:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert all(isinstance(error, (onward.Unavailable, onward.Cancelled)) for error in errors) and len(errors) >= 2
    if not never.done():
        never.set_result(0)
    threads[2].join(PATIENCE)
    assert not threads[2].is_alive()


def park_and_leave(world):
    """Of the callee: ends while it has a parked request."""
    assert came.acquire(timeout=PATIENCE)
    rpc.shutdown(graceful=False)


def test_21_calls_to_a_peer_that_shuts_down_fail():
    this = sys.modules[__name__]
    port = free_port()
    with processes() as started:
        started.append(start(this, park_and_leave, 1, 2, port))
        rpc.init_rpc("node0", rank=0, world_size=2, init_method=f"tcp://127.0.0.1:{port}", timeout=PATIENCE)
        call = rpc.rpc_async("node1", park)
        with pytest.raises((onward.Unavailable, onward.Cancelled)):
            call.wait()
        rpc.shutdown()


# A call afterwards.


@pytest.mark.parametrize("how", [rpc.rpc_async, rpc.rpc_sync])
def test_21_a_call_after_shutdown_fails_at_once_with_a_clear_error(how):
    begin()
    rpc.rpc_sync("me", add, args=(1, 2))
    rpc.shutdown()
    with pytest.raises(onward.Unavailable, match='node "me" has shut down'):
        how("me", add, args=(1, 2), timeout=None)


def test_21_a_node_may_start_again():
    for number in range(3):
        begin()
        assert rpc.rpc_sync("me", add, args=(number, 1)) == number + 1
        rpc.shutdown()


def test_21_a_second_node_in_the_process_is_refused():
    begin()
    with pytest.raises(onward.FailedPrecondition, match='node "me"'):
        begin()


# Twice, and by several.


def test_21_shutdown_twice_is_fine():
    begin()
    rpc.shutdown()
    rpc.shutdown()
    rpc.shutdown(graceful=False)


def test_21_shutdown_without_a_node_is_fine():
    rpc.shutdown()


def test_21_shutdown_by_several_threads_is_fine():
    begin(drain_ms=50)
    in_flight(park).then(lambda done: done.exception())
    problems = []

    def shutdown():
        try:
            rpc.shutdown()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=shutdown) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


# Where nodes have ranks, it waits for all.


@rpc.async_function
def ask(to, a, b):
    return rpc.rpc_async(to, add, args=(a, b))


def works_for_long(world):
    """The other nodes have called shutdown() long before this has done its work, by calls to them."""
    for number in range(300):
        assert rpc.rpc_sync(f"node{1 + number % 2}", ask, args=(f"node{2 - number % 2}", number, 1)) == number + 1


def test_21_nodes_that_have_ranks_serve_until_all_call_it():
    run_world(works_for_long, size=3)


def shuts_down_itself(world):
    rpc.rpc_sync("node0" if world.rank else "node1", add, args=(1, 2))
    rpc.shutdown()
    with pytest.raises(onward.Unavailable):
        rpc.rpc_sync("node0", add, args=(1, 2))


def test_21_all_may_call_it_twice():
    run_world(shuts_down_itself, shuts_down_itself)


def test_21_rank_0_may_wait_with_a_limit(caplog):
    with neighbours(__name__) as started:
        rpc.rpc_sync("node1", add, args=(1, 2))
        started[0].kill()
        started[0].wait()
        rpc.shutdown(timeout=PATIENCE)
    with pytest.raises(onward.Unavailable):
        rpc.rpc_async("node1", add, args=(1, 2))

