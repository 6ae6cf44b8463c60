"""Nodes in processes of their own: each runs one function of a test module, which all of them import.

    def client(world):                     # rank 0
        assert rpc.rpc_sync("node1", add, args=(1, 2)) == 3

    def test_a_call():
        run_world(client, size=2)          # node1 only serves
"""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

TIME_LIMIT_S = 120
HERE = Path(__file__).resolve().parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Member:
    """One of the processes, as its function sees it: `world.rank`, `world.size`, `world.argument`."""

    def __init__(self, rank, size, argument):
        self.rank, self.size, self.argument = rank, size, argument
        self.name = f"node{rank}"


def start(module, function, rank, size, port, argument=None, options=None):
    """A process that joins the world, runs the function of the module, if any, and calls shutdown()."""
    job = {"module": Path(module.__file__).stem, "folder": str(Path(module.__file__).parent),
           "function": function.__qualname__ if function else None, "rank": rank, "size": size, "port": port,
           "argument": argument, "options": options or {}}
    return subprocess.Popen([sys.executable, str(HERE / "world.py"), json.dumps(job)], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def finish(process, time_limit=TIME_LIMIT_S):
    """What it printed; fails if it fails, or does not end in time."""
    try:
        printed, _ = process.communicate(timeout=time_limit)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # faulthandler prints the stacks
        printed, _ = process.communicate()
        raise AssertionError(f"the process did not end within {time_limit} s:\n{printed}") from None
    assert process.returncode == 0, f"the process ended with {process.returncode}:\n{printed}"
    return printed


@contextlib.contextmanager
def processes():
    """A list for what is started; whatever still runs in the end is killed."""
    started = []
    try:
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.communicate()
            elif process.stdout:
                process.stdout.close()


def run_world(*functions, size=None, argument=None, **options):
    """Runs function i as rank i; ranks beyond serve. Returns what each printed."""
    size = size or len(functions)
    port = free_port()
    with processes() as started:
        module = sys.modules[functions[0].__module__]
        for rank in range(size):
            function = functions[rank] if rank < len(functions) else None
            started.append(start(module, function, rank, size, port, argument, options))
        return [finish(process) for process in started]


def main():
    import faulthandler
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    job = json.loads(sys.argv[1])
    sys.path.insert(0, job["folder"])
    import importlib

    import onward.rpc as rpc
    module = importlib.import_module(job["module"])
    rpc.init_rpc(f"node{job['rank']}", rank=job["rank"], world_size=job["size"],
                 init_method=f"tcp://127.0.0.1:{job['port']}", **job["options"])
    failed = False
    if job["function"]:
        function = module
        for part in job["function"].split("."):
            function = getattr(function, part)
        try:
            function(Member(job["rank"], job["size"], job["argument"]))
        except BaseException:
            traceback.print_exc()
            failed = True
    rpc.shutdown(graceful=not failed, timeout=TIME_LIMIT_S)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
