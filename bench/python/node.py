"""One node of the benchmark: the client, A or B. run.py starts it, and tells it on its standard input what to do."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections import deque
from typing import Any, Callable

sys.dont_write_bytecode = True  # the source tree stays as it is

import functions  # noqa: E402
from functions import rpc  # noqa: E402

RANKS = {"client": 0, "a": 1, "b": 2}
WORLD_SIZE = len(RANKS)
IN_FLIGHT = 500
ARRAY_BYTES = 16 << 20
Figures = dict[str, float]

# Of TensorPipe, what stands beside each transport of Onward.
TENSORPIPE = {
    "tcp": {"_transports": ["uv"], "_channels": ["basic"]},
    "shm": {"_transports": ["shm"], "_channels": ["cma", "basic"]},
}


def start(system: str, transport: str, role: str, port: int) -> None:
    where = f"tcp://127.0.0.1:{port}"
    if system == "onward":
        rpc.init_rpc(role, rank=RANKS[role], world_size=WORLD_SIZE, init_method=where, transport=transport)
        check_transport(transport, role)
        return
    options = rpc.TensorPipeRpcBackendOptions(init_method=where, **TENSORPIPE[transport])
    rpc.init_rpc(role, rank=RANKS[role], world_size=WORLD_SIZE, rpc_backend_options=options)


def check_transport(transport: str, role: str) -> None:
    """That calls take the transport that is measured."""
    for other in RANKS:
        address = "" if other == role else rpc.rpc_sync(other, functions.caller_address)
        if address and not address.startswith(transport + ":"):
            sys.exit(f"calls from {role} to {other} do not go over {transport}, but over {address}")


def repeat(call: Callable[[], Any], seconds: float) -> tuple[list[int], float]:
    """One call at a time: how long each took in nanoseconds, and all of them in seconds."""
    clock = time.perf_counter_ns
    taken = []
    begin = before = clock()
    end = begin + round(seconds * 1e9)
    while before < end:
        call()
        after = clock()
        taken.append(after - before)
        before = after
    return taken, (before - begin) / 1e9


def serial(seconds: float) -> Figures:
    def call() -> None:
        assert rpc.rpc_sync("b", functions.add, args=(1, 2)) == 3

    taken, elapsed_s = repeat(call, seconds)
    return {"calls_per_s": len(taken) / elapsed_s, "p50_us": statistics.median(taken) / 1000}


def in_flight(to: str, function: Callable[..., Any], expected: int, seconds: float) -> Figures:
    """A new call for each that is over, the oldest first."""
    window = deque(rpc.rpc_async(to, function, args=(1, 2)) for _ in range(IN_FLIGHT))
    done = 0
    begin = time.perf_counter()
    end = begin + seconds
    while (now := time.perf_counter()) < end:
        for _ in range(IN_FLIGHT // 10):
            assert window.popleft().wait() == expected
            window.append(rpc.rpc_async(to, function, args=(1, 2)))
            done += 1
    for future in window:
        future.wait()
    return {"calls_per_s": done / (now - begin)}


def there_and_back(array: Any, seconds: float) -> Figures:
    def call() -> Any:
        return rpc.rpc_sync("b", functions.same, args=(array,))

    answer = call()
    assert type(answer) is type(array) and bool((answer == array).all())
    del answer
    taken, elapsed_s = repeat(call, seconds)
    return {"gb_per_s": 2 * ARRAY_BYTES * len(taken) / elapsed_s / 1e9}


def numpy_array(seconds: float) -> Figures:
    import numpy

    return there_and_back(numpy.arange(ARRAY_BYTES // 4, dtype=numpy.float32), seconds)


def torch_tensor(seconds: float) -> Figures:
    import torch

    rpc.rpc_sync("b", functions.import_torch)
    return there_and_back(torch.arange(ARRAY_BYTES // 4, dtype=torch.float32), seconds)


WORK: dict[str, Callable[[float], Figures]] = {
    "serial": serial,
    "serial_one_core": serial,  # where run.py has pinned all three
    "in_flight_500": lambda seconds: in_flight("b", functions.add, 3, seconds),
    "nested_500": lambda seconds: in_flight("a", functions.add_at_b, 4, seconds),
    "array_16MiB": numpy_array,
    "tensor_16MiB": torch_tensor,
}


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=("onward", "pytorch"))
    parser.add_argument("transport", choices=tuple(TENSORPIPE))
    parser.add_argument("role", choices=tuple(RANKS))
    parser.add_argument("--port", type=int, required=True, help="where the nodes meet")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # run.py pins where that is wanted
    start(arguments.system, arguments.transport, arguments.role, arguments.port)
    say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        work = WORK[order["workload"]]
        work(order["warmup"])
        say(json.dumps(work(order["seconds"])))
    os._exit(0)  # at once, without shutdown(), where PyTorch may hang


if __name__ == "__main__":
    main()
