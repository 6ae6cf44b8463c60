"""What users rely on, 17: timeouts. Calls wait at functions of this process, which tell when they have come."""

import datetime
import threading

import onward
import onward.rpc as rpc
import pytest

parked = []
came = threading.Semaphore(0)
count = 0


@pytest.fixture(autouse=True)
def nothing_parked():
    global count
    count = 0
    parked.clear()
    yield
    parked.clear()
    while came.acquire(blocking=False):
        pass


@rpc.async_function
def park():
    parked.append(rpc.Future())
    came.release()
    return parked[-1]


def add_one():
    global count
    count += 1
    return count


def parked_call(node, **options):
    call = rpc.rpc_async(node, park, **options)
    assert came.acquire(timeout=20)
    return call


def start(timeout):
    """A node whose default is that; it knows the functions already."""
    rpc.init_rpc("me", timeout=timeout)
    parked_call("me", timeout=None)
    parked.pop().set_result(0)
    rpc.rpc_sync("me", add_one, timeout=None)
    return "me"


@pytest.fixture
def patient():
    yield start(600)
    rpc.shutdown()


@pytest.fixture
def hasty():
    yield start(0.2)
    rpc.shutdown()


@rpc.async_function
def remaining():
    future = rpc.Future()
    future.set_result(rpc.current_call().remaining)
    return future


# The default.


def test_17_the_default_is_the_nodes(hasty):
    with pytest.raises(onward.DeadlineExceeded):
        rpc.rpc_sync(hasty, park)


def test_17_the_default_without_a_word_is_a_minute():
    rpc.init_rpc("me")
    try:
        assert 30 < rpc.rpc_sync("me", remaining) <= 60
    finally:
        rpc.shutdown()


def test_17_the_default_of_the_backends_options():
    rpc.init_rpc("me", rpc_backend_options=rpc.TensorPipeRpcBackendOptions(rpc_timeout=7))
    try:
        assert 3 < rpc.rpc_sync("me", remaining) <= 7
    finally:
        rpc.shutdown()


@pytest.mark.parametrize("none", [None, 0])
def test_17_the_default_may_be_none(none):
    rpc.init_rpc("me", timeout=none)
    try:
        assert rpc.rpc_sync("me", remaining) is None
    finally:
        rpc.shutdown()


# That of a call.


@pytest.mark.parametrize("timeout", [50, 50.0, datetime.timedelta(seconds=50)])
def test_17_a_call_may_have_its_own(patient, timeout):
    assert 20 < rpc.rpc_sync(patient, remaining, timeout=timeout) <= 50


def test_17_a_call_may_wait_less_than_the_default(patient):
    with pytest.raises(onward.DeadlineExceeded):
        rpc.rpc_sync(patient, park, timeout=0.05)


def test_17_a_call_may_wait_longer_than_the_default(hasty):
    call = parked_call(hasty, timeout=600)
    with pytest.raises(onward.DeadlineExceeded):  # time for a default goes by
        rpc.rpc_sync(hasty, park)
    assert not call.done()
    parked[0].set_result("patient")
    assert call.wait() == "patient"


@pytest.mark.parametrize("unset", [-1, -1.0, rpc.UNSET_RPC_TIMEOUT])
def test_17_minus_one_is_the_default(patient, unset):
    assert 300 < rpc.rpc_sync(patient, remaining, timeout=unset) <= 600


@pytest.mark.parametrize("none", [None, 0, 0.0])
def test_17_none_is_for_ever(patient, none):
    assert rpc.rpc_sync(patient, remaining, timeout=none) is None


def test_17_none_outlives_the_default(hasty):
    call = parked_call(hasty, timeout=None)
    with pytest.raises(onward.DeadlineExceeded):
        rpc.rpc_sync(hasty, park)
    assert not call.done()
    parked[0].set_result(1)
    assert call.wait() == 1


@pytest.mark.parametrize("over", [datetime.timedelta(0), datetime.timedelta(seconds=-1), -2, -0.5])
def test_17_what_is_over_fails_at_once_and_is_not_sent(patient, over):
    before = rpc.rpc_sync(patient, add_one)
    call = rpc.rpc_async(patient, add_one, timeout=over)
    with pytest.raises(onward.DeadlineExceeded):
        call.wait(60)
    assert rpc.rpc_sync(patient, add_one) == before + 1


@pytest.mark.parametrize("wrong", ["soon", [1], object()])
def test_17_what_is_no_time_is_refused(patient, wrong):
    with pytest.raises(TypeError, match="timeout"):
        rpc.rpc_async(patient, add_one, timeout=wrong)


def test_17_nan_is_refused(patient):
    with pytest.raises(ValueError, match="timeout"):
        rpc.rpc_async(patient, add_one, timeout=float("nan"))


# A new default.


@pytest.mark.parametrize("name", ["set_rpc_timeout", "_set_rpc_timeout"])
def test_17_a_new_shorter_default_affects_only_new_calls(patient, name):
    old = parked_call(patient)
    getattr(rpc, name)(0.1)
    with pytest.raises(onward.DeadlineExceeded):
        rpc.rpc_sync(patient, park)
    assert not old.done()
    parked[0].set_result("old")
    assert old.wait() == "old"


def test_17_a_new_longer_default_affects_only_new_calls(hasty):
    old = parked_call(hasty)
    rpc.set_rpc_timeout(600)
    new = parked_call(hasty)
    with pytest.raises(onward.DeadlineExceeded):
        old.wait()
    assert not new.done()
    parked[1].set_result("new")
    assert new.wait() == "new"


# What the error says.


def test_17_the_error_names_function_peer_and_limit(patient):
    with pytest.raises(onward.DeadlineExceeded) as caught:
        rpc.rpc_sync(patient, park, timeout=0.05)
    for part in ("park", "me", "50 ms"):
        assert part in caught.value.message
    assert caught.value.code == rpc.StatusCode.DEADLINE_EXCEEDED


def test_17_the_error_of_what_was_over_names_function_and_peer(patient):
    with pytest.raises(onward.DeadlineExceeded) as caught:
        rpc.rpc_sync(patient, park, timeout=datetime.timedelta(0))
    assert "park" in caught.value.message and "me" in caught.value.message


def test_17_it_is_a_timeout_error_of_python(patient):
    with pytest.raises(TimeoutError):
        rpc.rpc_sync(patient, park, timeout=0.05)
