"""PyTorch's ways to say how nodes talk. Onward needs none of them: init_rpc() takes the same by name."""

from __future__ import annotations

import enum
from typing import Any, Optional

from .._errors import InvalidArgument
from . import constants


class BackendType(enum.Enum):
    """PyTorch's backends. There is one here, and it takes its place."""

    TENSORPIPE = "TENSORPIPE"
    ONWARD = "ONWARD"


class RpcBackendOptions:
    """How long calls wait, and where the nodes meet."""

    def __init__(self, rpc_timeout: float = constants.DEFAULT_RPC_TIMEOUT_SEC,
                 init_method: str = constants.DEFAULT_INIT_METHOD) -> None:
        self.rpc_timeout = rpc_timeout
        self.init_method = init_method
        self.num_worker_threads: Optional[int] = None


class TensorPipeRpcBackendOptions(RpcBackendOptions):
    """The same, and how many threads run plain functions. Onward's tensors are in the CPU's memory."""

    def __init__(self, *, num_worker_threads: int = constants.DEFAULT_NUM_WORKER_THREADS,
                 rpc_timeout: float = constants.DEFAULT_RPC_TIMEOUT_SEC,
                 init_method: str = constants.DEFAULT_INIT_METHOD,
                 device_maps: Optional[dict[str, Any]] = None, devices: Optional[list[Any]] = None,
                 _transports: Optional[list[str]] = None, _channels: Optional[list[str]] = None) -> None:
        super().__init__(rpc_timeout, init_method)
        if device_maps or devices:
            raise InvalidArgument("device_maps, devices: tensors are sent from the CPU's memory only")
        self.num_worker_threads = num_worker_threads
        self.transports = _transports

    def set_device_map(self, to: str, device_map: Any) -> None:
        raise InvalidArgument("set_device_map(): tensors are sent from the CPU's memory only")

    def set_devices(self, devices: Any) -> None:
        raise InvalidArgument("set_devices(): tensors are sent from the CPU's memory only")
