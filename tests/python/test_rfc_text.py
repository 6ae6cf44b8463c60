"""The text of the RFC, as printed: its API block and its four examples are taken out of the document, written to
modules, and run by three nodes. What is changed is the line that imports, and in the batch example the two repairs that
the document itself asks for; what the text leaves out as given stands in front of each."""

import importlib
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from neighbours import neighbours
from world import finish, free_port, processes, start

HERE = Path(__file__).resolve().parent
TEXT = (HERE / "rfc-async-user-function.md").read_text()
BATCH = "Batch RPC requests"
TRANSPORTS = ["tcp", "shm", "unix"]

# In front of each example: what the text takes as given.
GIVEN = '''
import threading
import onward.rpc as rpc
from onward.rpc import async_function, rpc_async
dst = dst1 = "node1"
dst2 = "node2"

'''

GIVEN_TORCH = '''
try:
    import torch
except ImportError:
    import numpy

    class torch:
        stack = numpy.stack
        tensor = numpy.array
'''

# Behind each: what rank 0 does.
CHECKS = {
    "api": '''
def check():
    run_printed_call()
    assert rpc.rpc_sync(dst1, my_add_3, args=(1, 2, 3)) == 6
    assert my_add_3(4, 5, 6).wait() == 15  # here, which is a caller of dst2 as well
    assert printed_result.pop() == 6
''',
    "Nested async user functions": '''
def check():
    for to in (0, 1, 2):
        assert rpc.rpc_sync(to, my_add_3, args=(1, 2, 3)) == 6
        assert rpc.rpc_sync(to, my_add_2, args=("a", "b")) == "ab"
''',
    "Multiple async calls in one user function": '''
def check():
    for to in (0, 1, 2):
        assert rpc.rpc_sync(to, my_add_3, args=(1, 2, 3)) == 6  # (a + b) + (a + b)
        assert rpc.rpc_sync(to, my_add_3, args=(10, 5, 0)) == 30
''',
    "Async RPC fan-out": '''
def check():
    for to in (0, 1, 2):
        assert sorted(rpc.rpc_sync(to, my_add_4, args=(1, 2, 3, 4))) == [3, 7]
''',
    BATCH: '''
def check():
    for batch in range(3):
        futures = [rpc_async(dst, batch_add, args=(torch.tensor([i, batch]), torch.tensor([2 * i, 1])))
                   for i in range(batch_size - 1)]
        assert not any(future.done() for future in futures)  # the last of a batch is missing
        futures.append(rpc_async(dst, batch_add, args=(torch.tensor([9, batch]), torch.tensor([18, 1]))))
        for i, future in enumerate(futures):
            assert future.wait().tolist() == [3 * i, batch + 1]
''',
}


IN_WORLD = '''
def check_in_world(world):
    check()
'''


def printed(title):
    """The code under a heading."""
    level = "## API" if title == "api" else f"### {title}"
    return re.search(re.escape(level) + r"\n```python\n(.*?)```", TEXT, re.DOTALL)[1]


def replaced(code, old, new):
    assert code.count(old) == 1, f"{old!r} is not in the text once"
    return code.replace(old, new)


def api():
    """Its last line is a call of a client: nodes run it when they have joined, and only rank 0."""
    code = replaced(printed("api"), "import torch.distributed.rpc as rpc", "import onward.rpc as rpc")
    code, call, rest = code.partition("rpc.rpc_sync(dst1, my_add_3, args=(1, 2, 3))")
    assert call and not rest.strip()
    return code + f"printed_result = []\ndef run_printed_call():\n    printed_result.append({call})\n"


def batch():
    code = replaced(printed(BATCH), "def batch_add(a, b):\n",
                    "def batch_add(a, b):\n    global a_list, b_list, fut_rets\n")
    first, second = code.split("    if flag:\n")
    for name in ("a_list", "b_list"):
        second = replaced(second, name, f"tmp_{name}")
    second = second.replace("fut_rets", "tmp_fut_rets")
    return first + "    if flag:\n" + second


def write_module(folder, title):
    """The path of a module of the text, which all nodes import under one name."""
    path = folder / f"rfc_{re.sub('[^a-z]+', '_', title.lower())}.py"
    code = GIVEN + (api() if title == "api" else batch() if title == BATCH else printed(title)) + CHECKS[title]
    path.write_text(GIVEN_TORCH + code if title == BATCH else code)
    return path


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """The modules of the text by title, and one that imports all of them, for the other nodes."""
    folder = tmp_path_factory.mktemp("rfc")
    names = {title: write_module(folder, title).stem for title in CHECKS}
    (folder / "rfc_all.py").write_text("".join(f"import {name}\n" for name in names.values()))
    sys.path.insert(0, str(folder))
    yield {title: importlib.import_module(name) for title, name in names.items()}
    sys.path.remove(str(folder))


@pytest.fixture(scope="module", params=TRANSPORTS)
def nodes(request, examples):
    """Three: this process is node0."""
    importlib.import_module("rfc_all")
    with neighbours("rfc_all", count=2, timeout=60, transport=request.param):
        yield


@pytest.mark.parametrize("title", CHECKS)
def test_the_text_runs(nodes, examples, title):
    examples[title].check()


def run_alone(folder, title):
    """In a world of its own, from the text as it is now."""
    path = write_module(folder, title)
    port = free_port()
    with processes() as started:
        for rank in range(3):
            check = None if rank else SimpleNamespace(__qualname__="check_in_world")
            started.append(start(SimpleNamespace(__file__=str(path)), check, rank, 3, port, options={"timeout": 60}))
        for process in started:
            finish(process)


def test_all_python_blocks_of_the_document_are_run():
    assert TEXT.count("```python") == len(CHECKS) == 5


def test_a_wrong_answer_is_noticed(tmp_path, monkeypatch):
    """The world fails where an example answers otherwise."""
    title = "Nested async user functions"
    monkeypatch.setitem(CHECKS, title, CHECKS[title].replace("== 6", "== 7") + IN_WORLD)
    with pytest.raises(AssertionError, match="AssertionError"):
        run_alone(tmp_path, title)


def test_the_batch_example_as_printed_needs_its_repairs(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "batch", lambda: printed(BATCH))
    monkeypatch.setitem(CHECKS, BATCH, CHECKS[BATCH] + IN_WORLD)
    with pytest.raises(AssertionError, match="UnboundLocalError"):
        run_alone(tmp_path, BATCH)
