"""Onward: remote calls whose functions may answer later.

    import onward.rpc as rpc

    rpc.init_rpc("front", peers={"worker": "tcp://127.0.0.1:7001"})
    rpc.rpc_sync("worker", "rfc.my_add_2", args=(1, 2))
    rpc.shutdown()

``onward.rpc`` has it all; ``onward.futures`` has what ``torch.futures`` has.
"""

import os
import sys

# Modules in C++ that a node loads find Onward in this process.
_flags = sys.getdlopenflags()
sys.setdlopenflags(_flags | os.RTLD_GLOBAL)
try:
    from . import _core
finally:
    sys.setdlopenflags(_flags)

from ._core import Future
from ._errors import (
    Aborted, AlreadyExists, Cancelled, DataLoss, DeadlineExceeded, FailedPrecondition, Hop, Internal,
    InvalidArgument, NotFound, OutOfRange, PermissionDenied, ResourceExhausted, RpcError, StatusCode,
    Unauthenticated, Unavailable, Unimplemented, Unknown,
)

__version__ = "0.1.0"

__all__ = [
    "Aborted", "AlreadyExists", "Cancelled", "DataLoss", "DeadlineExceeded", "FailedPrecondition", "Future", "Hop",
    "Internal", "InvalidArgument", "NotFound", "OutOfRange", "PermissionDenied", "ResourceExhausted", "RpcError",
    "StatusCode", "Unauthenticated", "Unavailable", "Unimplemented", "Unknown",
]
