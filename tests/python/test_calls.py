"""Calls between nodes of processes of their own."""

import onward.rpc as rpc
import pytest
from world import run_world


def my_add_2(a, b):
    return a + b


@rpc.async_function
def my_add_3(a, b, c):
    future_ret = rpc.Future()
    rpc.rpc_async("node2", my_add_2, args=(a, b)).add_callback(lambda ret: future_ret.mark_complete(ret + c))
    return future_ret


def client(world):
    assert rpc.rpc_sync("node1", my_add_2, args=(1, 2)) == 3
    assert rpc.rpc_sync("node1", my_add_3, args=(1, 2, 3)) == 6
    assert rpc.rpc_sync(1, my_add_2, args=(1,), kwargs={"b": 2}) == 3
    assert rpc.rpc_sync(rpc.get_worker_info("node2"), my_add_2, args=("a", "b")) == "ab"


def test_three_nodes():
    run_world(client, size=3)


def test_a_node_calls_itself(node):
    assert rpc.rpc_sync(node, my_add_2, args=(1, 2)) == 3


def test_what_a_program_for_pytorch_may_ask():
    assert rpc.is_available()
    assert not hasattr(rpc, "remote") and not hasattr(rpc, "RRef")
    with pytest.raises(AttributeError, match="remote references come later"):
        rpc.remote("me", print)
