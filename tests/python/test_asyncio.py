"""Calls awaited in asyncio, and coroutine functions as handlers."""
# size: the tests share the node and what it tells

import asyncio
import contextvars
import threading
import time

import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours


@pytest.fixture(scope="module", autouse=True)
def three():
    with neighbours(__name__, count=2):
        yield


def add(a, b):
    return a + b


class Mishap(Exception):
    pass


def fail():
    raise Mishap("in a plain function")


@rpc.async_function
def never():
    kept["never"] = rpc.Future()
    return kept["never"]


# What handlers of this process have told.
told = []
changed = threading.Condition()


def tell(what):
    with changed:
        told.append(what)
        changed.notify_all()


def wait_told(*what):
    """Until all of it has been told; then forgets it."""
    with changed:
        assert changed.wait_for(lambda: all(each in told for each in what), timeout=20), (told, what)
        for each in what:
            told.remove(each)


# Awaiting.


def test_a_call_is_awaited_in_the_main_thread():
    async def main():
        return await rpc.rpc_async("node1", add, args=(1, 2))

    assert asyncio.run(main()) == 3


def test_a_thousand_at_once():
    async def main():
        return await asyncio.gather(*(rpc.rpc_async(f"node{1 + i % 2}", add, args=(i, 1)) for i in range(1000)))

    assert asyncio.run(main()) == [i + 1 for i in range(1000)]


def test_errors_are_raised():
    async def main():
        with pytest.raises(Mishap, match="in a plain function"):
            await rpc.rpc_async("node1", fail)
        done = await asyncio.gather(rpc.rpc_async("node1", fail), rpc.rpc_async("node1", add, args=(1, 1)),
                                    return_exceptions=True)
        assert type(done[0]) is Mishap and done[1] == 2
        with pytest.raises(onward.DeadlineExceeded):
            await rpc.rpc_async("node1", never, timeout=0.02)

    asyncio.run(main())


def test_a_future_can_be_awaited_by_many_and_again():
    async def main():
        future = rpc.Future()

        async def one():
            return await future

        tasks = [asyncio.create_task(one()) for _ in range(10)]
        await asyncio.sleep(0)
        threading.Thread(target=future.set_result, args=(7,)).start()
        assert await asyncio.gather(*tasks) == [7] * 10
        assert await future == 7 and future.wait() == 7

    asyncio.run(main())


def test_two_loops_in_two_threads():
    results = []

    async def main(i):
        results.append(sum(await asyncio.gather(*(rpc.rpc_async("node1", add, args=(i, k)) for k in range(50)))))

    threads = [threading.Thread(target=lambda i=i: asyncio.run(main(i))) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [1225, 1275]


def test_a_call_whose_function_is_still_looked_for_can_be_cancelled():
    gate, first = threading.Event(), rpc.Future()
    first.add_callback(lambda _: gate.wait())
    first.set_result(1)  # keeps the event thread, on which functions are looked for
    call = rpc.rpc_async("node0", f"{__name__}.looked_for")
    while onward._core.statistics()["requests_in_flight"] == 0:
        time.sleep(0.001)
    assert call.cancel()
    gate.set()
    with pytest.raises(onward.Cancelled):
        call.wait()


@rpc.async_function
def looked_for():
    return kept.setdefault("looked for", rpc.Future())


def test_a_loop_that_is_closed_before_the_answer():
    tasks = []

    async def main():
        call = rpc.rpc_async("node0", park, args=("late",))
        tasks.append(asyncio.ensure_future(wait_for(call)))
        await asyncio.get_running_loop().run_in_executor(None, wait_told, ("came", "late"))
        return call

    async def wait_for(call):
        return await call

    call = asyncio.run(main())  # which cancels the task, and so the call
    wait_told(("gone", "late", "Cancelled"))
    with pytest.raises(onward.Cancelled):
        call.wait()


# Cancelling.

kept = {}


@rpc.async_function
def park(key):
    """Is never answered."""
    def gone(reason):
        kept.pop(key, None)
        tell(("gone", key, type(reason).__name__))

    future = rpc.Future()
    kept[key] = future, rpc.current_call().on_cancel(gone)
    tell(("came", key))
    return future


async def sleep_long(key):
    tell(("came", key))
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        tell(("gone", key, "Cancelled"))
        raise


@rpc.async_function
def by_way_of(function, key):
    """Through another node, whose nested call is cancelled with the outer one."""
    return rpc.rpc_async("node0", f"{__name__}.{function}", args=(key,))


async def came(*keys):
    await asyncio.get_running_loop().run_in_executor(None, wait_told, *(("came", key) for key in keys))


@pytest.mark.parametrize("start", [lambda function, key: rpc.rpc_async("node0", f"{__name__}.{function}", args=(key,)),
                                   lambda function, key: rpc.rpc_async("node1", by_way_of, args=(function, key))],
                         ids=["directly", "through another"])
@pytest.mark.parametrize("function", ["park", "sleep_long"])
def test_giving_up_cancels_the_call_at_the_peer(start, function):
    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(start(function, 1), 0.1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await start(function, 2)

        async def one():
            return await start(function, 3)

        task = asyncio.create_task(one())
        await came(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(Mishap):
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.wait_for(start(function, 4), None))
                await came(4)
                raise Mishap
    try:
        asyncio.run(main())
    except* Mishap:
        pass
    wait_told(("came", 1), ("came", 2), *(("gone", key, "Cancelled") for key in (1, 2, 3, 4)))


# Coroutine functions.


async def adds(a, b):
    return await rpc.rpc_async("node2", add, args=(a, b))


async def at_once(value):
    return value


async def fails(after):
    if after:
        await rpc.rpc_async("node2", add, args=(1, 2))
    raise Mishap("in a coroutine")


async def fails_of_another():
    await rpc.rpc_async("node2", fail)


class Shop:
    @staticmethod
    async def static(value):
        return await at_once(value)

    @classmethod
    async def of_class(cls, value):
        return cls.__name__, value

    @rpc.async_function
    @staticmethod
    async def marked(value):
        return value


def test_coroutine_functions_are_served():
    assert rpc.rpc_sync("node1", adds, args=(1, 2)) == 3
    assert rpc.rpc_sync("node1", at_once, kwargs={"value": (1, "a")}) == (1, "a")
    assert rpc.wait_all([rpc.rpc_async("node1", adds, args=(i, i)) for i in range(200)]) == [2 * i for i in range(200)]


def test_static_and_class_methods():
    assert rpc.rpc_sync("node1", Shop.static, args=(1,)) == 1
    assert rpc.rpc_sync("node1", Shop.of_class, args=(2,)) == ("Shop", 2)
    assert rpc.rpc_sync("node1", Shop.marked, args=(3,)) == 3


@pytest.mark.parametrize("after", [False, True])
def test_errors_of_coroutines(after):
    with pytest.raises(Mishap, match="in a coroutine") as caught:
        rpc.rpc_sync("node1", fails, args=(after,))
    assert "in fails" in "\n".join(caught.value.__notes__)
    with pytest.raises(Mishap, match="in a plain function") as caught:
        rpc.rpc_sync("node1", fails_of_another)
    assert 'It passed "node2"' in "\n".join(caught.value.__notes__)


turns = []
doors = {}


async def step(name, other):
    """Each waits for the other in turn."""
    for i in range(3):
        turns.append((name, i))
        doors.setdefault(other, asyncio.Semaphore(0)).release()
        await doors.setdefault(name, asyncio.Semaphore(0)).acquire()
    return name


def test_several_at_once_take_turns():
    turns.clear()
    doors.clear()
    calls = [rpc.rpc_async("node0", step, args=("a", "b")), rpc.rpc_async("node0", step, args=("b", "a"))]
    assert rpc.wait_all(calls) == ["a", "b"]
    assert turns.index(("b", 0)) < turns.index(("a", 1)) and turns.index(("a", 1)) < turns.index(("b", 2))


async def what_it_sees(hops):
    """Of the call it runs for, after it has waited."""
    await asyncio.sleep(0)
    await rpc.rpc_async("node2", add, args=(1, 1))
    call = rpc.current_call()
    seen = [(call.caller.node, call.remaining, call.cancelled())]
    if hops:
        async with asyncio.TaskGroup() as group:  # its tasks belong to the call, too
            inner = group.create_task(asyncio.wait_for(rpc.rpc_async("node2", what_it_sees, args=(hops - 1,)), None))
        seen += inner.result()
    return seen


def test_nested_awaits_inherit_deadline_and_call():
    [(first, left, gone), (second, left_there, _)] = rpc.rpc_sync("node1", what_it_sees, args=(1,), timeout=10)
    assert (first, second, gone) == ("node0", "node1", False)
    assert 0 < left_there <= left <= 10
    assert rpc.rpc_sync("node1", what_it_sees, args=(0,), timeout=None) == [("node0", None, False)]


async def call_of_each(key):
    """Whether the current call is one's own, though others run in between."""
    mine = rpc.current_call().remaining
    for _ in range(5):
        await asyncio.sleep(0)
        await rpc.rpc_async("node2", add, args=(1, 1))
    return abs(rpc.current_call().remaining - mine) < 50, variable.get(None) is None, variable.set(key) and None


variable = contextvars.ContextVar("variable")


def test_each_coroutine_has_its_own_call_and_context():
    calls = [rpc.rpc_async("node1", call_of_each, args=(i,), timeout=100 * (1 + i % 10)) for i in range(100)]
    assert rpc.wait_all(calls) == [(True, True, None)] * 100


async def endless():
    yield 1


def test_an_async_generator_is_refused():
    with pytest.raises(onward.RpcError) as caught:
        rpc.rpc_sync("node1", endless)
    assert "async_generator" in str(caught.value) or "async generator" in str(caught.value)


async def thread_of_a_coroutine():
    before = threading.get_native_id()
    await rpc.rpc_async("node2", add, args=(1, 1))
    return before, threading.get_native_id()


@rpc.async_function
def threads_of_callbacks():
    seen = [threading.get_native_id()]

    def see(value):
        seen.append(threading.get_native_id())
        return value

    call = rpc.rpc_async("node2", add, args=(1, 1))
    call.add_callback(see)
    call.add_done_callback(see)
    return call.then(see).then(lambda _: rpc.rpc_async("node1", thread_of_a_coroutine)).then(
        lambda done: seen + list(done.value()))


def test_callbacks_and_coroutines_run_on_one_thread():
    assert len(set(rpc.rpc_sync("node1", threads_of_callbacks))) == 1
    [first, second] = rpc.rpc_sync("node1", thread_of_a_coroutine)
    assert first == second
    assert len(set(rpc.rpc_sync("node1", threads_of_callbacks))) == 1


async def blocks():
    with pytest.raises(onward.FailedPrecondition, match="event thread"):
        rpc.rpc_sync("node2", add, args=(1, 1))
    with pytest.raises(onward.FailedPrecondition, match="event thread"):
        rpc.Future().wait()
    return "refused"


def test_blocking_in_a_coroutine_is_refused():
    assert rpc.rpc_sync("node1", blocks) == "refused"


async def uses_asyncio():
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(*await small_server())
    writer.write(b"x\n")
    line = await reader.readline()
    writer.close()
    return line, await loop.run_in_executor(None, add, 1, 2), await asyncio.to_thread(add, 3, 4)


async def small_server():
    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()
        server.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[:2]


def test_what_asyncio_has_works_in_coroutines():
    assert rpc.rpc_sync("node1", uses_asyncio) == (b"X\n", 3, 7)
