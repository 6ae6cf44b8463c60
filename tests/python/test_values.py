"""Values of every kind, there and back: to another process, and to this node itself."""

import collections
import dataclasses
import enum
import gc
import math
import random
import re
import sys
import threading
import typing
import weakref

import numpy
import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours


@pytest.fixture(scope="module")
def two():
    with neighbours(__name__):
        yield


@pytest.fixture(params=["node0", "node1"], ids=["itself", "another"])
def to(request, two):
    return request.param


class Color(enum.Enum):
    RED = 1
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


Point = collections.namedtuple("Point", "x y")


class Named(typing.NamedTuple):
    name: str
    tags: tuple = ()


@dataclasses.dataclass
class Order:
    number: int
    lines: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    number: int
    order: typing.Optional[Order] = None


@dataclasses.dataclass(slots=True)
class Slotted:
    number: int


@dataclasses.dataclass
class Computed:
    number: int
    double: int = dataclasses.field(init=False)

    def __post_init__(self):
        self.double = 2 * self.number


@dataclasses.dataclass
class Whole:
    """What the class has at the receiver is more than what comes."""
    number: int
    note: str = "none"


def echo(value):
    return value


def sent_to(to, value):
    return rpc.rpc_sync(to, echo, args=(value,))


def same(a, b):
    """Equal, and of the same types throughout."""
    if type(a) is not type(b):
        return False
    if isinstance(a, numpy.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b) or math.isnan(a) and math.isnan(b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(a))
    return a == b


NUMBERS = [0, 1, -1, 2**31, 2**63 - 1, -2**63, 2**63, 2**64 - 1, True, False, 0.0, -0.0, 1.5, 5e-324, math.inf, -math.inf,
           math.nan, None]
TEXTS = ["", "a", "ü€😀", "a\0b", "x" * 100_000, b"", b"\0\xff", bytes(4095), bytes(4096), bytes(range(256)) * 4096]
NESTED = [[], [1, [2, [3]]], (), (1,), ((), ((),)), (1, [2, (3, {"x": (4,)})]), [None] * 5000]
MAPS = [{}, {"a": 1, "b": {"c": []}}, {"": 0, "a\0": 1, "ü": 2}, {1: 2}, {1: 2, "a": 3}, {(1, 2): "x", None: 3, b"k": 4},
        {True: {2.5: ()}}, {"x": {1: {"y": {2: 3}}}}, {str(i): i for i in range(1000)}]
SETS = [set(), {1, 2}, frozenset(), frozenset({1, "a", (2, 3)}), {frozenset({1})}, [{1}, {2}]]
CLASSES = [Order(1), Order(1, [Order(2, [3]), "x"]), Frozen(1), Frozen(1, Order(2)), Slotted(3), Computed(4),
           {"orders": [Order(1), Frozen(2)]}, Whole(1), Color.RED, Color.BLUE, Level.LOW, Right.READ | Right.WRITE,
           [Color.RED, Order(1, [Color.BLUE])]]
TUPLES = [Point(1, [2]), Named("a"), Named("b", (1, 2)), [Point(Point(1, 2), 3)]]


def short(value):
    return type(value).__name__ + "-" + re.sub(r"\W+", "_", repr(value))[:20]


@pytest.mark.parametrize("value", NUMBERS + TEXTS + NESTED + MAPS + SETS + CLASSES + TUPLES, ids=short)
def test_comes_back_as_it_was(to, value):
    assert same(sent_to(to, value), value)


def type_there(value):
    return type(value).__name__, repr(value)


@pytest.mark.parametrize("value", [3, 2.5, "ü", b"x", None, True, (1, [2]), {"a": 1}, {1: 2}, {1}, frozenset({2}), Order(1),
                                   Frozen(1), Slotted(1), Color.RED], ids=short)
def test_the_function_gets_what_was_sent(to, value):
    assert rpc.rpc_sync(to, type_there, args=(value,)) == (type(value).__name__, repr(value))


def test_arguments_by_name(to):
    assert rpc.rpc_sync(to, sorted_keywords, kwargs={"b": (1,), "a": {2: 3}, "c": None}) == [
        ("a", {2: 3}), ("b", (1,)), ("c", None)]


def sorted_keywords(**keywords):
    return sorted(keywords.items())


class Count(int):
    pass


@pytest.mark.parametrize("value, plain", [
    (bytearray(b"ab"), b"ab"), (memoryview(b"abc"), b"abc"), (memoryview(b"abcdef")[::2], b"ace"),
    (bytearray(8000), bytes(8000)), (memoryview(bytes(8000)), bytes(8000)), (Count(3), 3),
    (collections.OrderedDict(a=1), {"a": 1}), (numpy.float32(1.5), 1.5), (numpy.float16(0.5), 0.5), (numpy.int8(-3), -3),
    (numpy.uint64(2**64 - 1), 2**64 - 1), (numpy.bool_(True), True), (numpy.str_("a"), "a"), (numpy.bytes_(b"x"), b"x"),
], ids=short)
def test_comes_back_plain(to, value, plain):
    assert same(sent_to(to, value), plain)


def test_a_class_that_the_receiver_lacks_is_what_it_consists_of(to):
    @dataclasses.dataclass
    class Local:
        number: int
        inner: Order

    assert same(sent_to(to, Local(1, Order(2))), {"number": 1, "inner": Order(2)})

    class Shade(enum.Enum):
        DARK = 7

    assert sent_to(to, Shade.DARK) == [7]


def test_members_that_are_missing_have_their_defaults_and_others_are_dropped(two, monkeypatch):
    @dataclasses.dataclass
    class Other:
        number: int
        colour: str

    Other.__module__, Other.__qualname__ = __name__, "Whole"  # another release's
    monkeypatch.setattr(sys.modules[__name__], "Whole", Other)
    assert rpc.rpc_sync("node1", type_there, args=(Other(3, "red"),)) == ("Whole", "Whole(number=3, note='none')")


DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_of_each_type(to, dtype):
    array = (numpy.arange(24).reshape(2, 3, 4) % 7).astype(dtype)
    assert same(sent_to(to, array), array)
    assert same(sent_to(to, {"x": [array, array]}), {"x": [array, array]})


@pytest.mark.parametrize("array", [
    numpy.array(5.5), numpy.zeros(0), numpy.zeros((0, 3), "int8"), numpy.zeros((3, 0, 2)), numpy.arange(10)[::2],
    numpy.arange(10)[::-1], numpy.arange(12).reshape(3, 4).T, numpy.asfortranarray(numpy.arange(12.0).reshape(3, 4)),
    numpy.arange(4000.0).reshape(40, 100)[:, ::3], numpy.broadcast_to(numpy.float32(2), (3, 3)),
    numpy.frombuffer(b"x" + bytes(range(80)), "int64", offset=1, count=10), numpy.ones((1,) * 8)],
    ids=lambda array: f"{array.dtype}-{array.shape}-{array.strides}")
def test_an_array_of_any_layout(to, array):
    assert same(sent_to(to, array), numpy.ascontiguousarray(array).reshape(array.shape))


@pytest.mark.parametrize("count", [4, 511, 512, 513, 1_000_000])
def test_what_arrives_is_writable_and_nobody_elses(to, count):
    array = numpy.arange(count)
    assert rpc.rpc_sync(to, overwrite, args=(array,)) == (True, count * (count - 1) // 2)
    assert array[-1] == count - 1  # though the function has written into its own
    back = sent_to(to, array)
    back[:] = 7
    assert array[0] == 0 and back.flags.writeable and not numpy.shares_memory(array, back)


def overwrite(array):
    total = int(array.sum())
    array[:] = -1
    return array.flags.writeable, total


kept = []


def keep(array):
    kept.append(array)


def kept_are_right():
    return [bool((array == i).all()) for i, array in enumerate(kept)]


def test_arrays_that_are_kept_stay_as_they_came(two):
    for i in range(20):
        rpc.rpc_sync("node1", keep, args=(numpy.full(200_000, i),))
    assert rpc.rpc_sync("node1", kept_are_right) == [True] * 20


parked = []


@rpc.async_function
def park(value):
    parked.append(rpc.Future())
    return parked[-1]


@rpc.async_function
def release():
    answer = rpc.Future()
    answer.set_result(len(parked))
    while parked:
        parked.pop().set_result(None)
    return answer


@pytest.mark.parametrize("make", [lambda: numpy.zeros(100_000), lambda: memoryview(numpy.zeros(100_000)).cast("B"),
                                  lambda: Shared(numpy.zeros(100_000))], ids=["array", "memoryview", "dlpack"])
def test_large_memory_is_sent_from_where_it_is(two, make):
    value = make()
    owner = value.obj if isinstance(value, memoryview) else getattr(value, "array", value)
    gone = threading.Event()
    reference = weakref.ref(owner, lambda _: gone.set())
    call = rpc.rpc_async("node1", park, args=(value,))
    del value, owner
    gc.collect()
    assert reference() is not None  # the call keeps it
    rpc.rpc_sync("node1", release)
    call.wait()
    del call
    assert gone.wait(20)


def test_large_bytes_are_sent_from_where_they_are(two):
    large, small = bytes([1]) * 100_000, bytes([1]) * 1000
    before = sys.getrefcount(large), sys.getrefcount(small)
    call = rpc.rpc_async("node1", park, args=([large, small],))
    assert sys.getrefcount(large) > before[0] and sys.getrefcount(small) == before[1]
    rpc.rpc_sync("node1", release)
    call.wait()


class Shared:
    """Anybody's tensor: it has __dlpack__, and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self):
        return self.array.__dlpack__()


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "float16", "float32", "float64"])
def test_what_has_dlpack_arrives_as_an_array(to, dtype):
    for count in (6, 6000):
        array = numpy.arange(count).reshape(2, -1).astype(dtype)
        assert same(sent_to(to, Shared(array)), array)


def test_what_has_dlpack_but_is_not_contiguous_is_refused(two):
    with pytest.raises(onward.InvalidArgument, match=r"at args\[0\]: .*not contiguous.*copy it"):
        sent_to("node0", Shared(numpy.arange(10)[::2]))


def deep(levels):
    return [deep(levels - 1)] if levels else []


class Opaque:
    pass


@pytest.mark.parametrize("args, where, why", [
    ((2**64,), "args[0]", "does not fit 64 bits cannot be sent: send it as a string"),
    ((0, -2**63 - 1), "args[1]", "does not fit 64 bits"),
    ((0, {"x": [Opaque()]}), "args[1]['x'][0]", "test_values.Opaque cannot be sent: send what it consists of"),
    (([Opaque()],), "args[0][0]", 'dataclass, or switch on the codec "pickle" at both nodes'),
    ((Order(Opaque()),), "args[0]['number']", "test_values.Opaque cannot be sent"),
    (([1, (2, Opaque())],), "args[0][1][1]", "cannot be sent"),
    (("\ud800",), "args[0]", "lone surrogate cannot be sent: encode it as bytes"),
    (({"k": "\ud800"},), "args[0]['k']", "lone surrogate"),
    (([1j],), "args[0][0]", "type complex cannot be sent"),
    ((numpy.zeros(2, "complex64"),), "args[0]", '"Zf" cannot be sent: convert it to a type of numbers'),
    ((["a", numpy.arange(3, dtype=">i4")],), "args[0][1]", '">i" cannot be sent'),
    ((numpy.array(["a"]),), "args[0]", "cannot be sent"),
    ((numpy.array([object()]),), "args[0]", '"O" cannot be sent'),
    ((echo,), "args[0]", "type function cannot be sent"),
    ((Order,), "args[0]", "type type cannot be sent"),
    ((range(3),), "args[0]", "type range cannot be sent"),
    ((deep(100),), "args[0][0][0]", "values nest deeper than 64 levels"),
    (({1: Opaque()},), "args[0][1]:", "cannot be sent"),
    ((rpc.Future(),), "args[0]", "a Future cannot be sent: send its value"),
], ids=lambda value: short(value) if isinstance(value, tuple) else "")
def test_what_cannot_be_sent_is_named_with_its_place(two, args, where, why):
    with pytest.raises(onward.InvalidArgument) as caught:
        rpc.rpc_async("node1", echo, args=args)
    text = str(caught.value)
    assert f"the arguments of test_values.echo cannot be sent: at {where}" in text and why in text


def test_of_keywords_too(two):
    with pytest.raises(onward.InvalidArgument, match=r"at kwargs\['value'\]\[1\]"):
        rpc.rpc_async("node1", echo, kwargs={"value": [1, Opaque()]})


def give_an_object():
    return [1, Opaque()]


def give_a_large_number():
    return {"n": 2**64}


def test_a_result_that_cannot_be_sent_is_named_with_its_place(to):
    with pytest.raises(onward.InvalidArgument, match=r"the result of test_values.give_an_object .*at \[1\]: .*Opaque"):
        rpc.rpc_sync(to, give_an_object)
    with pytest.raises(onward.InvalidArgument, match=r"at \['n'\]: an int that does not fit 64 bits"):
        rpc.rpc_sync(to, give_a_large_number)


def test_a_list_that_holds_itself_is_refused(two):
    endless = []
    endless.append(endless)
    with pytest.raises(onward.InvalidArgument, match="nest deeper"):
        sent_to("node1", endless)


def made_up(chance, depth):
    """A value by chance."""
    kinds = [lambda: None, lambda: chance.random() < 0.5, lambda: chance.randint(-2**63, 2**64 - 1),
             lambda: chance.uniform(-1e300, 1e300), lambda: chance.randint(-200, 200),
             lambda: "".join(chr(chance.choice([0, 65, 0xfc, 0x20ac, 0x1f600])) for _ in range(chance.randint(0, 20))),
             lambda: chance.randbytes(chance.choice([0, 1, 100, 4095, 4096, 5000])),
             lambda: chance.choice([Color.RED, Level.LOW]),
             lambda: numpy.frombuffer(chance.randbytes(chance.choice([0, 8, 8000])), chance.choice(["int8", "int64"]))]
    if depth == 0:
        return chance.choice(kinds)()

    def some():
        return [made_up(chance, depth - 1) for _ in range(chance.randint(0, 4))]

    nested = [some, lambda: tuple(some()), lambda: {str(chance.random()): each for each in some()},
              lambda: {chance.randint(0, 99): each for each in some()}, lambda: {chance.random() for _ in range(3)},
              lambda: Order(chance.randint(0, 9), some()), lambda: Frozen(made_up(chance, depth - 1))]
    return chance.choice(nested + kinds[:1])()


@pytest.mark.parametrize("seed", range(100))
def test_made_up_values(to, seed):
    value = made_up(random.Random(seed), seed % 6)
    assert same(sent_to(to, value), value)
