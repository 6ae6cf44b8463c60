"""Nodes in C++ and nodes in Python call each other."""

import dataclasses
import json
import os
import subprocess

import numpy
import onward
import onward.rpc as rpc
import pytest

PROGRAM = os.environ.get("ONWARD_PROGRAM", "")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="run_python.py --onward says where the program is")
TIME_LIMIT_S = 60

CONFIGURATION = """
name = "cpp"
listen = ["tcp://127.0.0.1:0", "shm://@onward-test-{pid}"]

[[modules]]
name = "rfc"
batch_size = 1

[[modules]]
name = "search"
folder = "notes"

[log]
level = "error"

[access]
"*" = "*"
"rfc.identity" = ["nobody"]
"""


@pytest.fixture(scope="module")
def cpp(tmp_path_factory):
    """The URLs of a node in C++."""
    folder = tmp_path_factory.mktemp("cpp")
    (folder / "notes").mkdir()
    (folder / "notes" / "car.txt").write_text("The warranty ends in May.\nnothing\n")
    (folder / "node.toml").write_text(CONFIGURATION.format(pid=os.getpid()))
    process = subprocess.Popen([PROGRAM, "node", "--config", "node.toml"], cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        words = process.stdout.readline().split()
        assert words[:2] == ["ready", "cpp"]
        yield words[2:]
    finally:
        process.terminate()
        assert process.wait(TIME_LIMIT_S) == 0
        process.stdout.close()


@pytest.fixture(params=["tcp", "shm"])
def url(cpp, request):
    [found] = [url for url in cpp if url.startswith(request.param + ":")]
    return found


@pytest.fixture(scope="module")
def me(cpp):
    """This process as a node, with functions of Python and modules of C++. Its URL."""
    rpc.init_rpc("both", listen="tcp://127.0.0.1:0", peers={"cpp": cpp}, timeout=20, config={
        "modules": [{"name": "rfc", "dst": "cpp", "dst2": "both"}, {"name": "search", "shards": ["cpp"]}],
        "log": {"level": "error"}})
    rpc.register(local_shout, "shout")
    yield [url for url in onward._core.listening() if url.startswith("tcp:")][0]
    rpc.shutdown()


# Python calls C++.


def test_functions_of_cpp_modules_are_called_by_name(me, url):
    assert rpc.rpc_sync("cpp", "rfc.my_add_2", args=(1, 2)) == 3
    assert rpc.rpc_sync("cpp", "rfc.my_add_3", args=(1, 2, 3)) == 6
    assert rpc.rpc_sync(url, "rfc.my_add_3", args=(1, 2, 3)) == 6
    assert sorted(rpc.rpc_sync("cpp", "rfc.fan_out.my_add_4", args=(1, 2, 3, 4))) == [3, 7]


def test_structs_of_cpp_arrive_as_dicts(me):
    found = rpc.rpc_sync("cpp", "search", args=("warranty", 10))
    assert found["hits"] == [{"shard": "cpp", "file": "car.txt", "line": 1, "text": "The warranty ends in May."}]
    assert found["files_searched"] == 1 and found["truncated"] is False and found["failures"] == []


def test_tensors_go_both_ways(me, url):
    a, b = numpy.arange(10_000, dtype="float32"), numpy.ones(10_000, "float32")
    total = rpc.rpc_sync(url, "rfc.batch.batch_add", args=(a, b))
    assert total.dtype == numpy.float32 and (total == a + 1).all() and total.flags.writeable


@pytest.mark.parametrize("args", [(1,), (1, 2, 3), ("a", 2), (2**31, 0), (None, 1), ((1,), 2)], ids=str)
def test_arguments_that_cpp_does_not_take_are_refused(me, args):
    with pytest.raises(onward.InvalidArgument) as caught:
        rpc.rpc_sync("cpp", "rfc.my_add_2", args=args)
    assert caught.value.code == rpc.StatusCode.INVALID_ARGUMENT
    assert [(hop.node, hop.function) for hop in caught.value.trail] == [("cpp", "rfc.my_add_2")]


def test_keywords_are_refused_by_cpp(me):
    with pytest.raises(onward.InvalidArgument):
        rpc.rpc_sync("cpp", "rfc.my_add_2", args=(1,), kwargs={"b": 2})


def test_a_function_that_cpp_lacks(me, url):
    with pytest.raises(onward.Unimplemented, match='"rfc.my_ad" is not registered at .* no Python node'):
        rpc.rpc_sync(url, "rfc.my_ad", args=(1, 2))
    with pytest.raises(NotImplementedError):  # as people catch it
        rpc.rpc_sync("cpp", local_shout, args=("x",))


def test_what_cpp_denies_is_a_permission_error(me):
    with pytest.raises(PermissionError, match="rfc.identity") as caught:
        rpc.rpc_sync("cpp", "rfc.identity", args=(1,))
    assert type(caught.value) is onward.PermissionDenied


def test_an_error_of_cpp_two_hops_away_has_its_trail(me):
    # This node's module asks cpp for rfc.identity, which cpp denies.
    with pytest.raises(onward.PermissionDenied) as caught:
        rpc.rpc_sync("both", "rfc.nested.my_add_2", args=(1, 2))
    assert [(hop.node, hop.function) for hop in caught.value.trail] == [
        ("cpp", "rfc.identity"), ("both", "rfc.nested.my_add_2")]


# Modules of C++ in this process.


def test_modules_of_cpp_in_a_python_node(me):
    assert rpc.rpc_sync("both", "rfc.my_add_2", args=(1, 2)) == 3
    assert rpc.rpc_sync("both", "rfc.chained.my_add_3", args=(1, 2, 3)) == 6  # asks cpp
    hits = rpc.rpc_sync("both", "search", args=("warranty", 10))["hits"]
    assert [(hit["shard"], hit["file"]) for hit in hits] == [("cpp", "car.txt")]


# C++ calls Python.


def local_shout(text: str):
    """Says it loudly."""
    return text.upper()


@rpc.function("test.describe")
def describe(value):
    """Tells the type."""
    return [type(value).__name__, value]


@rpc.function("test.later")
@rpc.async_function
def later(value):
    """Answers later."""
    return rpc.rpc_async("both", describe, args=(value,))


@rpc.function("test.coroutine")
async def coroutine(a, b):
    return await rpc.rpc_async("cpp", "rfc.my_add_2", args=(a, b))


@rpc.function("test.many")
def many():
    return {"set": {1}, "tuple": (1, (2,)), "bytes": b"hello", "array": numpy.arange(3, dtype="int32"),
            "order": Order(1), "pairs": {1: 2}}


@dataclasses.dataclass
class Order:
    number: int


@rpc.function("test.fail")
def fail(kind):
    if kind == "code":
        raise onward.ResourceExhausted("sold out", details={"left": 0})
    raise ZeroDivisionError("by nobody")


def unregistered(a, b):
    return a + b


def onward_program(*arguments, code=0):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=TIME_LIMIT_S)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def call(me, *arguments, options=(), code=0):
    printed = onward_program("call", "--json", *options, me, *arguments, code=code)
    return json.loads(printed) if code == 0 else printed


@pytest.mark.parametrize("argument, answer", [
    ("7", ["int", 7]), ("2.5", ["float", 2.5]), ('"ü"', ["str", "ü"]), ("null", ["NoneType", None]), ("true", ["bool", True]),
    ('[1, "a"]', ["list", [1, "a"]]), ('{"a": {"b": []}}', ["dict", {"a": {"b": []}}]),
    ('{"bytes": "aGVsbG8="}', ["bytes", {"bytes": "aGVsbG8="}]),
    ('{"dtype": "float32", "shape": [2], "data": [1, 2]}',
     ["ndarray", {"dtype": "float32", "shape": [2], "data": [1.0, 2.0]}]),
    ("18446744073709551615", ["int", 2**64 - 1])])
def test_values_from_cpp(me, argument, answer):
    assert call(me, "test.describe", argument) == answer
    assert call(me, "test.later", argument) == answer


def test_values_for_cpp(me):
    assert call(me, "test.many") == {
        "set": [1], "tuple": [1, [2]], "bytes": {"bytes": "aGVsbG8="}, "order": {"number": 1}, "pairs": [[1, 2]],
        "array": {"dtype": "int32", "shape": [3], "data": [0, 1, 2]}}


def test_a_coroutine_for_cpp(me):
    assert call(me, "test.coroutine", "20", "22") == 42


def test_a_function_without_registration_once_it_is_known(me):
    name = f"{__name__}.unregistered"
    assert "UNIMPLEMENTED" in call(me, name, "1", "2", options=["--unchecked"], code=1)
    assert rpc.rpc_sync("both", unregistered, args=(1, 2)) == 3
    assert call(me, name, "1", "2") == 3


def test_list_shows_functions_of_python(me):
    assert {"shout", "test.describe", "test.later", "rfc.my_add_2"} <= set(
        onward_program("list", "--names", me).splitlines())
    told = onward_program("list", me, "test.later")
    assert "test.later(any...) -> any" in told and "Answers later." in told and "runs  async" in told
    assert "runs  blocking" in onward_program("list", me, "shout")


def test_errors_of_python_at_cpp(me):
    code = call(me, "test.fail", "code", code=1)
    assert "RESOURCE_EXHAUSTED: sold out" in code and "at node both, function test.fail" in code
    assert '"details": {"left": 0}' in code
    other = call(me, "test.fail", "x", code=1)
    assert "UNKNOWN" in other and "by nobody" in other and "ZeroDivisionError" in other


def test_wrong_arguments_from_cpp_are_pythons_type_error(me):
    assert "takes 1 positional argument but 2 were given" in call(me, "test.describe", "1", "2", code=1)
