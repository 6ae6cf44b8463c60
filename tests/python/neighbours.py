"""Other nodes for the tests of one module: this process is node0, and processes of their own are node1, node2 …"""

import contextlib
import sys

import onward.rpc as rpc
from world import TIME_LIMIT_S, finish, free_port, processes, start


@contextlib.contextmanager
def neighbours(module, count=1, timeout=20, **options):
    """`module` is the name of the test module, which the others import. Gives the list of their processes."""
    port = free_port()
    options["timeout"] = timeout
    with processes() as started:
        for rank in range(1, count + 1):
            started.append(start(sys.modules[module], None, rank, count + 1, port, options=options))
        rpc.init_rpc("node0", rank=0, world_size=count + 1, init_method=f"tcp://127.0.0.1:{port}", **options)
        try:
            yield started
        except BaseException:
            rpc.shutdown(graceful=False)
            raise
        rpc.shutdown(timeout=TIME_LIMIT_S)
        for process in started:
            if process.poll() is None or process.returncode >= 0:  # those that a test has killed have nothing to say
                finish(process)
