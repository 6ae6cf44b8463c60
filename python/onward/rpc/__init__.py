"""Remote calls, in the words of the RFC and of ``torch.distributed.rpc``.

    import onward.rpc as rpc

    def my_add_2(a, b):
        return a + b

    @rpc.async_function
    def my_add_3(a, b, c):
        future_ret = rpc.Future()
        rpc.rpc_async("dst2", my_add_2, args=(a, b)).add_callback(
            lambda ret: future_ret.mark_complete(ret + c)
        )
        return future_ret

    rpc.init_rpc("dst1", rank=0, world_size=2)
    rpc.rpc_sync("dst1", my_add_3, args=(1, 2, 3))
    rpc.shutdown()
"""

from typing import Any

from .. import _core
from .._combinators import collect_all, wait_all, when_all, when_any, with_timeout
from .._core import Call, CallerInfo, CancelSubscription, Future, current_call, rpc_async, rpc_sync
from .._errors import RpcError, StatusCode
from .._functions import async_function, function, register
from .._node import init_rpc, shutdown
from .._workers import WorkerInfo, get_worker_info
from . import constants, functions
from .constants import UNSET_RPC_TIMEOUT
from .options import BackendType, RpcBackendOptions, TensorPipeRpcBackendOptions


def is_available() -> bool:
    """As PyTorch's, which may be built without."""
    return True


def _set_rpc_timeout(seconds: float) -> None:
    """Of calls made from now on that say nothing else; 0: for ever."""
    _core.set_default_timeout(seconds)


set_rpc_timeout = _set_rpc_timeout


def __getattr__(name: str) -> Any:
    if name in ("remote", "RRef", "PyRRef"):
        raise AttributeError(f"onward.rpc has no {name} yet: remote references come later; keep the object in the node "
                             "that owns it, and call a function there")
    raise AttributeError(f"module 'onward.rpc' has no attribute {name!r}")


__all__ = [
    "BackendType", "Call", "CallerInfo", "CancelSubscription", "Future", "RpcBackendOptions", "RpcError", "StatusCode",
    "TensorPipeRpcBackendOptions", "UNSET_RPC_TIMEOUT", "WorkerInfo", "async_function", "collect_all", "constants",
    "current_call", "function", "functions", "get_worker_info", "init_rpc", "is_available", "register", "rpc_async",
    "rpc_sync", "set_rpc_timeout", "shutdown", "wait_all", "when_all", "when_any", "with_timeout",
]
