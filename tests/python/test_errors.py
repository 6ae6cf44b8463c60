"""Exceptions, on their way to the caller."""

import gc
import logging
import pickle
import subprocess
import sys
import threading

import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours


@pytest.fixture(scope="module", autouse=True)
def four():
    with neighbours(__name__, count=3):
        yield


class Plain(Exception):
    pass


class Other(Exception):
    """Made of other arguments than it keeps."""

    def __init__(self, a, *, b):
        super().__init__(f"{a} and {b}")
        self.a, self._b = a, b

    @property
    def b(self):
        return self._b


class Changing(ValueError):
    """Makes others of its arguments."""

    def __init__(self, what):
        super().__init__(f"no {what}")


class OfTheSystem(OSError):
    def __init__(self, where):
        super().__init__(5, "broken", where)
        self.where = where


class Dumb(Exception):
    def __str__(self):
        raise RuntimeError("it says nothing")


class NoCake(onward.NotFound):
    """An RpcError with a signature of its own."""

    def __init__(self, kind):
        super().__init__(f"no {kind}", details={"kind": kind})
        self.kind = kind


def raising(kind):
    if kind == "chain":
        try:
            return {}["key"]
        except KeyError as error:
            raise ValueError("outer") from error
    if kind == "state":
        error = Plain("text")
        error.extra, error.stuck = [1, {"a": (2,)}], object()
        raise error
    if kind == "group":
        raise ExceptionGroup("many", [ValueError("a"), ExceptionGroup("inner", [KeyError("b"), Other(1, b=2)])])
    if kind == "stuck":
        raise ValueError(object(), 3)
    if kind == "long":
        raise ValueError("x" * 200_000)
    made = {
        "plain": lambda: Plain("text", 2, [3]), "none": Plain, "other": lambda: Other(1, b=2),
        "changing": lambda: Changing("cake"), "system": lambda: OfTheSystem("/there"), "dumb": lambda: Dumb("x"),
        "file": lambda: FileNotFoundError(2, "No such file", "/not/there"), "surrogate": lambda: ValueError("\ud800"),
        "exit": lambda: SystemExit(3), "interrupt": KeyboardInterrupt, "stop": lambda: StopIteration(5),
        "unicode": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "generator": GeneratorExit,
        "cake": lambda: NoCake("apple"), "code": lambda: onward.DataLoss("lost", details={"n": (1, 2)}),
        "coded": lambda: onward.RpcError("lost", details=[1], code=rpc.StatusCode.DATA_LOSS),
        "stuck details": lambda: onward.Aborted("aborted", details=[object()])}
    raise made[kind]()


@rpc.async_function
def raising_later(kind):
    return rpc.rpc_async("node0", str, args=(1,)).then(lambda _: raising(kind))


async def raising_in_a_coroutine(kind):
    raising(kind)


def caught(function, *args, to="node1"):
    """What the call raises, as a whole."""
    with pytest.raises(BaseException) as info:
        rpc.rpc_sync(to, function, args=args)
    return info.value


def notes(error):
    return "\n".join(getattr(error, "__notes__", []))


FUNCTIONS = [raising, raising_later, raising_in_a_coroutine]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_exception_has_its_type_its_arguments_and_the_remote_traceback(function):
    error = caught(function, "plain")
    assert type(error) is Plain and error.args == ("text", 2, [3])
    assert f'Remote traceback (node "node1", test_errors.{function.__name__})' in notes(error)
    assert "in raising" in notes(error) and "test_errors.py" in notes(error)


def test_exceptions_keep_what_they_are_made_of():
    assert type(caught(raising, "none")) is Plain
    other = caught(raising, "other")
    assert type(other) is Other and (other.a, other.b, str(other)) == (1, 2, "1 and 2")
    changing = caught(raising, "changing")
    assert type(changing) is Changing and str(changing) == "no cake"
    system = caught(raising, "system")
    assert type(system) is OfTheSystem and (system.errno, system.strerror, system.where) == (5, "broken", "/there")
    missing = caught(raising, "file")
    assert type(missing) is FileNotFoundError and (missing.errno, missing.filename) == (2, "/not/there")
    text = caught(raising, "unicode")
    assert type(text) is UnicodeDecodeError and text.object == b"\xff" and text.reason == "invalid"


def test_attributes_travel_but_those_that_cannot():
    error = caught(raising, "state")
    assert type(error) is Plain and error.extra == [1, {"a": (2,)}] and not hasattr(error, "stuck")


def test_what_cannot_be_sent_leaves_type_message_and_traceback():
    for kind, text in (("stuck", "<object object at"), ("long", "xxxxxxxx"), ("surrogate", "\\ud800")):
        error = caught(raising, kind)
        assert type(error) is onward.Unknown and error.type == "ValueError" and text in error.message
        assert "in raising" in notes(error)


def test_an_exception_that_cannot_be_described_arrives():
    error = caught(raising, "dumb")
    assert type(error) is Dumb and error.args == ("x",)


def test_a_chain_is_in_the_note():
    error = caught(raising, "chain")
    assert type(error) is ValueError and "KeyError: 'key'" in notes(error) and "direct cause" in notes(error)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_group_has_its_exceptions(function):
    with pytest.raises(ExceptionGroup, match="many") as info:
        rpc.rpc_sync("node1", function, args=("group",))
    assert [type(each) for each in info.value.exceptions] == [ValueError, ExceptionGroup]
    key, other = info.value.exceptions[1].exceptions
    assert type(key) is KeyError and key.args == ("b",) and other.b == 2
    assert "KeyError: 'b'" in notes(info.value)


@pytest.mark.parametrize("function", FUNCTIONS[:2])
@pytest.mark.parametrize("kind, name", [("exit", "SystemExit"), ("interrupt", "KeyboardInterrupt"), ("stop", "StopIteration"),
                                        ("generator", "GeneratorExit")])
def test_what_ends_a_program_ends_neither(function, kind, name):
    error = caught(function, kind)
    assert type(error) is onward.Unknown and error.type == name and "in raising" in notes(error)
    assert rpc.rpc_sync("node1", str, args=(1,)) == "1"


def test_a_coroutine_that_exits_does_not_end_the_node():
    error = caught(raising_in_a_coroutine, "exit")
    assert type(error) is onward.Unknown and error.type == "SystemExit"
    assert rpc.rpc_sync("node1", echo_in_a_coroutine, args=(1,)) == 1


async def echo_in_a_coroutine(value):
    return value


@pytest.mark.parametrize("function", FUNCTIONS)
def test_codes_and_details(function):
    error = caught(function, "code")
    assert type(error) is onward.DataLoss and error.code == rpc.StatusCode.DATA_LOSS
    assert error.message == "lost" and error.details == {"n": (1, 2)}
    assert [(hop.node, hop.function) for hop in error.trail] == [("node1", f"test_errors.{function.__name__}")]
    cake = caught(function, "cake")
    assert type(cake) is NoCake and isinstance(cake, LookupError) and cake.code == rpc.StatusCode.NOT_FOUND
    assert (cake.message, cake.kind, cake.details) == ("no apple", "apple", {"kind": "apple"})
    coded = caught(function, "coded")
    assert type(coded) is onward.DataLoss and coded.message == "lost" and coded.details == [1]


def test_details_that_cannot_be_sent_are_named():
    error = caught(raising, "stuck details")
    assert type(error) is onward.Aborted and error.message.startswith("aborted") and error.details is None
    assert "at ['details'][0]: an object of type object cannot be sent" in error.message
    assert "in raising" in notes(error)


def test_codes_have_pythons_classes():
    for code, base in (("InvalidArgument", ValueError), ("DeadlineExceeded", TimeoutError), ("NotFound", LookupError),
                       ("PermissionDenied", PermissionError), ("OutOfRange", IndexError), ("Unavailable", ConnectionError),
                       ("Unimplemented", NotImplementedError), ("Unauthenticated", PermissionError)):
        assert issubclass(getattr(onward, code), base) and issubclass(getattr(onward, code), onward.RpcError)
    for code in rpc.StatusCode:
        if code != rpc.StatusCode.OK:
            name = "".join(word.capitalize() for word in code.name.split("_"))
            assert getattr(onward, name)("x").code == code


# Of a class that the caller has not imported.


def load_and_raise(text):
    import types
    module = types.ModuleType("test_errors_only_there")
    exec("class Remote(ValueError): pass", module.__dict__)
    sys.modules[module.__name__] = module
    raise module.Remote(text)


def test_a_class_that_is_not_imported_here():
    error = caught(load_and_raise, "far")
    assert type(error) is onward.Unknown and error.type == "test_errors_only_there.Remote"
    assert error.message == "far" and "[test_errors_only_there.Remote]" in str(error) and "in load_and_raise" in notes(error)
    assert "test_errors_only_there" not in sys.modules  # nothing is imported because somebody says so


# Over three hops.


def along_sync(way, kind):
    if len(way) == 1:
        return rpc.rpc_sync(way[0], raising, args=(kind,))
    return rpc.rpc_sync(way[0], along_sync, args=(way[1:], kind))


@rpc.async_function
def along_then(way, kind):
    call = (rpc.rpc_async(way[0], raising, args=(kind,)) if len(way) == 1
            else rpc.rpc_async(way[0], along_then, args=(way[1:], kind)))
    return call.then(lambda done: done.value()).then(lambda done: done.value())


async def along_await(way, kind):
    if len(way) == 1:
        return await rpc.rpc_async(way[0], raising, args=(kind,))
    return await rpc.rpc_async(way[0], along_await, args=(way[1:], kind))


@pytest.mark.parametrize("along", [along_sync, along_then, along_await])
def test_three_hops(along):
    error = caught(along, ["node2", "node3"], "other")
    assert type(error) is Other and (error.a, error.b) == (1, 2)
    assert 'Remote traceback (node "node3", test_errors.raising)' in notes(error)
    assert f'It passed "node3" (test_errors.raising), "node2" (test_errors.{along.__name__}), "node1"' in notes(error)
    coded = caught(along, ["node2", "node3"], "cake")
    assert type(coded) is NoCake and coded.kind == "apple" and coded.details == {"kind": "apple"}
    assert [hop.node for hop in coded.trail] == ["node3", "node2", "node1"]
    lost = caught(along, ["node2", "node3"], "stuck")
    assert type(lost) is onward.Unknown and lost.type == "ValueError" and [hop.node for hop in lost.trail] == [
        "node3", "node2", "node1"]


def around(kind):
    try:
        return rpc.rpc_sync("node2", raising, args=(kind,))
    except Plain as error:
        raise onward.Aborted("gave up") from error


def test_an_error_may_be_answered_by_another():
    error = caught(around, "plain")
    assert type(error) is onward.Aborted and error.message == "gave up" and "Plain" in notes(error)
    assert [hop.node for hop in error.trail] == ["node1"]


# Of the kernel.


def test_errors_of_the_kernel_have_classes():
    with pytest.raises(onward.NotFound, match='no peer "nobody"'):
        rpc.rpc_async("nobody", str)
    error = caught(f"{__name__}.not_there")
    assert type(error) is onward.NotFound and "not_there" in error.message
    with pytest.raises(onward.DeadlineExceeded):
        rpc.rpc_sync("node1", threading_wait, timeout=0.01)


def threading_wait():
    threading.Event().wait(0.2)


def test_errors_can_be_pickled():
    for error in (caught(raising, "code"), onward.Aborted("x", details=[1]), NoCake("plum")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error) and again.trail == error.trail
        assert (again.message, again.details, again.code) == (error.message, error.details, error.code)


# Nobody looks.


def test_a_failure_that_nobody_looks_at_is_reported_once(caplog):
    reported = threading.Event()

    class Hook(logging.Handler):
        def emit(self, record):
            reported.set()

    hook = Hook()
    logging.getLogger("onward").addHandler(hook)
    try:
        line = sys._getframe().f_lineno + 1
        call = rpc.rpc_async("node1", raising, args=("plain",))
        del call
        gc.collect()
        assert reported.wait(20)
        barrier = rpc.Future()
        rpc.rpc_async("node0", str, args=(1,)).then(barrier.mark_complete)
        barrier.wait()
    finally:
        logging.getLogger("onward").removeHandler(hook)
    [record] = [record for record in caplog.records if record.name == "onward"]
    assert record.levelno == logging.ERROR and "nobody looked at it" in record.getMessage()
    assert f"test_errors.py:{line} in test_a_failure" in record.getMessage() and "test_errors.Plain" in record.getMessage()


def test_a_failure_that_somebody_looks_at_is_not_reported():
    """In a process of its own, whose log is empty in the end."""
    done = subprocess.run([sys.executable, "-c", f"""
import gc, onward.rpc as rpc
rpc.init_rpc("me")
for look in (lambda f: None, lambda f: f.add_done_callback(lambda _: None), lambda f: f.then(lambda d: 1).wait()):
    f = rpc.rpc_async("me", "not.there"); look(f)
    try: f.wait()
    except LookupError: pass
    del f; gc.collect()
rpc.shutdown()
"""], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
