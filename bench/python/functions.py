"""What the nodes call: written once, for Onward and for PyTorch."""

from __future__ import annotations

import importlib
import os
from typing import Any

rpc: Any = importlib.import_module(os.environ["BENCH_RPC"])  # onward.rpc or torch.distributed.rpc


def add(a: int, b: int) -> int:
    return a + b


@rpc.functions.async_execution
def add_at_b(a: int, b: int) -> Any:
    """What A does: it asks B, and answers when B has."""
    return rpc.rpc_async("b", add, args=(a, b)).then(lambda future: future.value() + 1)


def same(array: Any) -> Any:
    return array


def caller_address() -> str:
    """Where a call of Onward comes from: tells which transport it took."""
    return str(rpc.current_call().caller.address)


def import_torch() -> bool:
    """So that tensors arrive as tensors."""
    importlib.import_module("torch")
    return True
