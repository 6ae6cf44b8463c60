"""How processes end, whatever they are at; and forks, other processes, and notebooks."""

import os
import random
import signal
import subprocess
import sys
import textwrap

import pytest

TIME_LIMIT_S = 60
ROUNDS = 5

# What the scripts begin with; "{delay}" is a small time, another in each round.
BEGIN = """
import asyncio, os, signal, sys, threading, time
import onward, onward.rpc as rpc

kept = []
came = threading.Semaphore(0)

def echo(value):
    return value

@rpc.async_function
def park():
    kept.append(rpc.Future())
    came.release()
    return kept[-1]

def sleep_long():
    came.release()
    time.sleep(1000)

def busy():
    came.release()
    while True:
        pass

async def sleep_in_a_coroutine():
    came.release()
    await asyncio.sleep(1000)

def pause():
    time.sleep({delay})

if __name__ == "__main__":
"""


def started(text, delay=0.0, **options):
    script = BEGIN.format(delay=delay) + textwrap.indent(textwrap.dedent(text), "    ")
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def ended(process, code=0):
    """What it printed; it ended in time, as it should, and said nothing of crashes."""
    try:
        out, err = process.communicate(timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end:\n{out}{err}") from None
    for word in ("Fatal Python error", "terminate called", "Segmentation", "Sanitizer", "Traceback" if code == 0 else "\0"):
        assert word not in err, err
    assert process.returncode == code, f"it ended with {process.returncode}:\n{out}{err}"
    return out, err


IN_FLIGHT = """
rpc.init_rpc("me", threads=4)
calls = [rpc.rpc_async("me", {function}, timeout=None) for _ in range({count})]
"""

CASES = {
    "right after init_rpc": ('rpc.init_rpc("me")\npause()', 0),
    "before any node": ("rpc.Future()", 0),
    "with calls in flight": ('rpc.init_rpc("me")\ncalls = [rpc.rpc_async("me", echo, (i,)) for i in range(300)]\npause()', 0),
    "with calls whose Futures are gone": ('rpc.init_rpc("me")\nfor i in range(300): rpc.rpc_async("me", echo, (i,)).then(echo)\npause()', 0),
    "with calls to nobody": ('rpc.init_rpc("me", peers={{"no": "tcp://127.0.0.1:1"}})\ncall = rpc.rpc_async("no", echo, (1,))\npause()', 0),
    "with parked requests": (IN_FLIGHT.format(function="park", count=50) + "came.acquire()\npause()", 0),
    "with a handler that sleeps": (IN_FLIGHT.format(function="sleep_long", count=1) + "came.acquire()\npause()", 0),
    "with a handler that is busy": (IN_FLIGHT.format(function="busy", count=1) + "came.acquire()\npause()", 0),
    "with handlers on all threads": (
        IN_FLIGHT.format(function="sleep_long", count=8) + "[came.acquire() for _ in range(4)]\npause()", 0),
    "with both, and parked": (IN_FLIGHT.format(function="sleep_long", count=1) + """
rpc.rpc_async("me", busy, timeout=None).add_done_callback(print)
parked = rpc.rpc_async("me", park, timeout=None)
[came.acquire() for _ in range(3)]
pause()""", 0),
    "by an exception": (IN_FLIGHT.format(function="park", count=2) + "came.acquire()\npause()\nraise ValueError('the end')", 1),
    "by sys.exit": (IN_FLIGHT.format(function="park", count=2) + "came.acquire()\npause()\nsys.exit(7)", 7),
    "by sys.exit in a thread": (
        IN_FLIGHT.format(function="park", count=2) + "threading.Thread(target=sys.exit, args=(3,)).start()\npause()", 0),
    "by os._exit": (IN_FLIGHT.format(function="park", count=2) + "came.acquire()\npause()\nos._exit(5)", 5),
    "by SIGTERM": (IN_FLIGHT.format(function="sleep_long", count=2) + """
came.acquire()
pause()
os.kill(os.getpid(), signal.SIGTERM)
calls[0].wait()""", -signal.SIGTERM),
    "by a handler of SIGTERM": (IN_FLIGHT.format(function="sleep_long", count=2) + """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))
came.acquire()
threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGTERM)).start()
calls[0].wait()""", 4),
    "with daemon threads that call": ("""
rpc.init_rpc("me")
def call():
    while True:
        try: rpc.rpc_sync("me", echo, (1,))
        except onward.RpcError: pass
        came.release()
for _ in range(4): threading.Thread(target=call, daemon=True).start()
[came.acquire() for _ in range(20)]
pause()""", 0),
    "with daemon threads that wait": ("""
rpc.init_rpc("me")
def wait():
    try: rpc.rpc_sync("me", park, timeout=None)
    except onward.RpcError: pass
for _ in range(4): threading.Thread(target=wait, daemon=True).start()
[came.acquire() for _ in range(4)]
pause()""", 0),
    "with coroutines": (IN_FLIGHT.format(function="sleep_in_a_coroutine", count=5) + "came.acquire()\npause()", 0),
    "within asyncio.run": ("""
rpc.init_rpc("me")
async def main():
    task = asyncio.create_task(asyncio.wait_for(rpc.rpc_async("me", park, timeout=None), None))
    await asyncio.sleep({delay})
asyncio.run(main())""", 0),
    "in the middle of callbacks": ("""
rpc.init_rpc("me")
def again(_=None):
    rpc.rpc_async("me", echo, (1,)).then(again)
for _ in range(5): again()
pause()""", 0),
    "after shutdown": ('rpc.init_rpc("me")\nrpc.rpc_sync("me", echo, (1,))\nrpc.shutdown()\npause()', 0),
}


@pytest.mark.parametrize("case", CASES)
def test_ends(case):
    text, code = CASES[case]
    chance = random.Random(case)
    delays = [0, *(chance.uniform(0, 0.05) for _ in range(ROUNDS - 1))]
    for delay in delays:
        _, err = ended(started(text.replace("{delay}", str(delay)).replace("{{", "{").replace("}}", "}"), delay), code)
        assert ("ValueError: the end" in err) == (case == "by an exception")


@pytest.mark.parametrize("wait", [
    'rpc.rpc_sync("me", park, timeout=None)', 'rpc.rpc_async("me", park, timeout=None).wait()',
    'rpc.rpc_async("me", park).wait(timeout=1000)', 'asyncio.run(in_a_task())'])
def test_ctrl_c_interrupts_a_wait(wait):
    process = started(f"""
        async def in_a_task():
            print("ready", flush=True)
            await rpc.rpc_async("me", park, timeout=None)
        rpc.init_rpc("me")
        try:
            if "asyncio" not in {wait!r}:
                print("ready", flush=True)
            {wait}
        except KeyboardInterrupt:
            print("interrupted", rpc.rpc_sync("me", echo, (1,)))
        """)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == "interrupted 1\n"


def test_ctrl_c_that_another_thread_gets_interrupts_a_wait():
    out, _ = ended(started("""
        def get_it():
            came.acquire()
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        rpc.init_rpc("me")
        threading.Thread(target=get_it).start()
        try:
            rpc.rpc_sync("me", park, timeout=None)
        except KeyboardInterrupt:
            print("interrupted")
        """))
    assert out == "interrupted\n"


def test_ctrl_c_ends_a_program_that_does_not_catch_it():
    process = started("""
        rpc.init_rpc("me")
        print("ready", flush=True)
        rpc.rpc_sync("me", sleep_long, timeout=None)
        """)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = ended(process, -signal.SIGINT)
    assert "KeyboardInterrupt" in err


def test_a_signal_handler_runs_while_a_call_is_waited_for():
    out, _ = ended(started("""
        rpc.init_rpc("me")
        def told(*_):
            kept.pop().set_result("woken")
        signal.signal(signal.SIGALRM, told)
        call = rpc.rpc_async("me", park, timeout=None)
        came.acquire()
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        print(call.wait())
        """))
    assert out == "woken\n"


# Forks, and other processes.


def test_the_child_of_a_fork_is_told_and_ends():
    out, _ = ended(started("""
        rpc.init_rpc("me", listen="tcp://127.0.0.1:0")
        call = rpc.rpc_async("me", park, timeout=None)
        came.acquire()
        child = os.fork()
        if child == 0:
            refused = 0
            for use in (lambda: rpc.rpc_sync("me", echo, (1,)), lambda: rpc.rpc_async("me", echo, (1,)),
                        lambda: rpc.init_rpc("you"), lambda: rpc.set_rpc_timeout(1), lambda: rpc.get_worker_info("x")):
                try:
                    use()
                except onward.FailedPrecondition as error:
                    assert "forked" in str(error), error
                    refused += 1
            rpc.shutdown()
            print("refused", refused, flush=True)
            sys.exit(6)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 6
        kept.pop().set_result("still here")
        print(call.wait(), rpc.rpc_sync("me", echo, (2,)))
        rpc.shutdown()
        """))
    assert out == "refused 5\nstill here 2\n"


def test_a_node_may_begin_in_the_child_of_an_earlier_fork():
    out, _ = ended(started("""
        child = os.fork()
        rpc.init_rpc("me")
        assert rpc.rpc_sync("me", echo, (1,)) == 1
        if child:
            assert os.waitpid(child, 0)[1] == 0
        print("done", flush=True)
        """))
    assert out == "done\ndone\n"


SPAWNED = BEGIN.split("kept = []")[0].replace("{delay}", "0") + """
import multiprocessing

def node(i):
    rpc.init_rpc(f"node{i}")
    try:
        return rpc.rpc_sync(f"node{i}", square, args=(i,))
    finally:
        rpc.shutdown()

def square(i):
    return i * i

if __name__ == "__main__":
    rpc.init_rpc("parent")
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=node, args=(1,))
    process.start()
    process.join()
    with context.Pool(2) as pool:
        print(process.exitcode, pool.map(node, range(4)), rpc.rpc_sync("parent", square, args=(5,)))
"""


def test_processes_that_multiprocessing_spawns(tmp_path):
    (tmp_path / "spawned.py").write_text(SPAWNED)
    process = subprocess.Popen([sys.executable, "spawned.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env={**os.environ, "PYTHONPATH": os.path.abspath(os.environ["PYTHONPATH"].split(":")[0])})
    assert ended(process)[0] == "0 [0, 1, 4, 9] 25\n"


def test_init_again_after_shutdown():
    out, _ = ended(started("""
        async def coroutine(value):
            await asyncio.sleep(0)
            return value
        for i in range(4):
            rpc.init_rpc(f"me{i}", listen="tcp://127.0.0.1:0")
            assert rpc.rpc_sync(f"me{i}", echo, (i,)) == rpc.rpc_sync(f"me{i}", coroutine, (i,)) == i
            left = rpc.rpc_async(f"me{i}", park, timeout=None)
            rpc.shutdown(graceful=False)
            try:
                left.wait()
            except onward.RpcError as error:
                print(error.code.name)
        """))
    assert set(out.split()) <= {"UNAVAILABLE", "CANCELLED"} and len(out.split()) == 4


def test_threads_call_at_once():
    out, _ = ended(started("""
        rpc.init_rpc("me", threads=2)
        begin = threading.Barrier(8)
        def call(k):
            begin.wait()
            for i in range(100):
                assert rpc.rpc_sync("me", echo, (k * i,)) == k * i
            came.release()
        threads = [threading.Thread(target=call, args=(k,)) for k in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(sum(came.acquire(blocking=False) for _ in range(9)))
        rpc.shutdown()
        """))
    assert out == "8\n"


# A notebook: cells are run one after the other, in __main__.


def test_a_function_that_is_defined_again_is_served_anew():
    ended(started("""
        import code
        sys.modules["__main__"].__dict__.update(code=code)
        notebook = code.InteractiveInterpreter(sys.modules["__main__"].__dict__)
        def cell(source):
            notebook.runcode(compile(source, "cell", "exec"))
        cell("def price(n): return n")
        cell("@rpc.async_function\\ndef later(n):\\n  f = rpc.Future(); f.set_result(n); return f")
        cell("rpc.init_rpc('me')")
        cell("seen = [rpc.rpc_sync('me', price, (1,)), rpc.rpc_sync('me', later, (1,))]")
        cell("def price(n): return 10 * n")
        cell("@rpc.async_function\\ndef later(n):\\n  f = rpc.Future(); f.set_result(20 * n); return f")
        cell("seen += [rpc.rpc_sync('me', price, (1,)), rpc.rpc_sync('me', later, (1,))]")
        cell("async def price(n): return 100 * n")
        cell("def later(n): return 200 * n")
        cell("seen += [rpc.rpc_sync('me', price, (1,)), rpc.rpc_sync('me', later, (1,))]")
        cell("@rpc.function('named')\\ndef first(n): return n")
        cell("seen += [rpc.rpc_sync('me', 'named', (1,))]")
        cell("@rpc.function('named')\\ndef first(n): return -n")
        cell("seen += [rpc.rpc_sync('me', 'named', (1,)), rpc.rpc_sync('me', first, (1,))]")
        assert seen == [1, 1, 10, 20, 100, 200, 1, -1, -1], seen
        cell("rpc.shutdown()")
        """))
