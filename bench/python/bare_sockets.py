"""What the system itself takes for a large array over TCP: two processes, two sockets, warm memory, and no RPC.

Prints one line of JSON, as a node does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import time

ARRAY_BYTES = 16 << 20
MAX_BYTES = 1 << 20  # of one call of the system
TIMEOUT_S = 10.0


def connected_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ends = (socket.create_connection(server.getsockname()), server.accept()[0])
    for end in ends:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # as Onward's tcp does on loopback: the system's own may pace
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")  # type: ignore[attr-defined]
        end.settimeout(TIMEOUT_S)
    return ends


def send(end: socket.socket, view: memoryview) -> None:
    done = 0
    while done < len(view):
        done += end.send(view[done:done + MAX_BYTES])


def receive(end: socket.socket, view: memoryview) -> bool:
    """False at the end of the stream."""
    done = 0
    while done < len(view):
        got = end.recv_into(view[done:done + MAX_BYTES])
        if got == 0:
            return False
        done += got
    return True


def echo(end: socket.socket) -> None:
    view = memoryview(bytearray(ARRAY_BYTES))
    while receive(end, view):
        send(end, view)


def measure(end: socket.socket, seconds: float) -> float:
    """GB/s, in both directions together."""
    there, back = memoryview(bytearray(ARRAY_BYTES)), memoryview(bytearray(ARRAY_BYTES))
    count = 0
    begin = now = time.perf_counter()
    while now < begin + seconds:
        send(end, there)
        receive(end, back)
        count += 1
        now = time.perf_counter()
    return 2 * ARRAY_BYTES * count / (now - begin) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--warmup", type=float, default=0.5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    own, other = connected_pair()
    child = os.fork()
    if child == 0:
        own.close()
        with contextlib.suppress(OSError):
            echo(other)
        os._exit(0)
    other.close()
    measure(own, arguments.warmup)
    print(json.dumps({"gb_per_s": measure(own, arguments.seconds)}), flush=True)
    own.close()  # which ends the child
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
