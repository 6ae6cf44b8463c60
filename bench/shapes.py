"""What is measured: the shapes, how their processes are placed and called, what each must reach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

MIB = 1024 * 1024
BUSY_POLL_US = 1000
PARKED_REQUESTS = 100_000
RAW_SUFFIX = "_raw"

CALL_METRICS = ("p50_us", "p99_us", "req_per_s", "server_cpu_us", "client_cpu_us")


class Against(Enum):
    """What a target's limit is multiplied with."""

    NOTHING = ""
    REFERENCE = "reference"
    ONE_CORE_CALL = "L1_one_core"  # Onward's own p50 of that shape


@dataclass(frozen=True)
class Target:
    metric: str
    limit: float
    against: Against = Against.NOTHING
    at_least: bool = False

    def text(self) -> str:
        sign = ">=" if self.at_least else "<="
        if self.against is Against.NOTHING:
            return f"{sign} {self.limit:,.0f}" if self.limit >= 1000 else f"{sign} {self.limit:g}"
        return f"{sign} {self.limit:.2f} x {self.against.value}"

    def reached(self, value: float, base: float | None) -> bool | None:
        """None if what it compares with, `base`, was not measured."""
        if self.against is Against.NOTHING:
            base = 1
        if base is None:
            return None
        limit = self.limit * base
        return value >= limit if self.at_least else value <= limit


@dataclass(frozen=True)
class Shape:
    name: str
    meaning: str
    metrics: tuple[str, ...] = CALL_METRICS
    targets: tuple[Target, ...] = ()
    codec: str = "flex"
    in_flight: int = 1
    payload_bytes: int | None = None
    spin: bool = False
    nested: bool = False
    reference: str | None = None  # shape of onward_reference
    client_core: int = 0
    server_core: int = 1  # where B runs, if nested
    middle_core: int = 1

    def is_like(self, name: str) -> bool:
        """Whether someone who asks for `name` wants it: T1_16 brings T1_16_raw along."""
        return self.name == name or self.name == name + RAW_SUFFIX

    def compares_with(self, metric: str) -> bool:
        """Whether the reference's figure for this metric is of the same work."""
        return metric == "gb_per_s" if self.reference == "stream" else self.reference is not None

    # The options of each role, which README.md specifies.

    def onward_server(self) -> list[str]:
        return ["--shape", self.table_name(), "--codec", self.codec, *self._busy_poll()]

    def onward_client(self) -> list[str]:
        options = [*self.onward_server(), "--in-flight", str(self.in_flight)]
        if self.payload_bytes is None:
            return options
        return [*options, "--bytes", str(self.payload_bytes)]

    def reference_server(self) -> list[str]:
        assert self.reference is not None
        return ["--shape", self.reference, *(["--spin"] if self.spin else [])]

    def reference_client(self, congestion: str | None) -> list[str]:
        options = self.reference_server()
        if self.reference != "stream":
            return [*options, "--in-flight", str(self.in_flight)]
        return options if congestion is None else [*options, "--congestion", congestion]

    def table_name(self) -> str:
        return self.name.removesuffix(RAW_SUFFIX)

    def _busy_poll(self) -> list[str]:
        return ["--busy-poll-us", str(BUSY_POLL_US)] if self.spin else []


def _with_raw(shape: Shape) -> tuple[Shape, Shape]:
    """The shape, and the same with codec `raw`, which is reported beside it and has no targets."""
    raw = replace(
        shape,
        name=shape.name + RAW_SUFFIX,
        meaning=shape.meaning + ", codec raw",
        codec="raw",
        targets=(),
    )
    return shape, raw


def _pipelined(in_flight: int, *targets: Target) -> Shape:
    return Shape(
        f"T1_{in_flight}",
        f"pipelined calls, {in_flight} in flight",
        reference="pingpong",
        in_flight=in_flight,
        targets=targets,
    )


def _payload(name: str, payload_bytes: int, in_flight: int, ratio: float) -> Shape:
    return Shape(
        name,
        f"{payload_bytes // MIB} MiB one way, small reply, {in_flight} in flight",
        metrics=("gb_per_s", "p50_us", "p99_us", "server_cpu_us", "client_cpu_us"),
        reference="stream",
        payload_bytes=payload_bytes,
        in_flight=in_flight,
        targets=(Target("gb_per_s", ratio, Against.REFERENCE, at_least=True),),
    )


L1_ONE_CORE = Shape(
    "L1_one_core",
    "serial calls, both processes on one core",
    reference="pingpong",
    server_core=0,
    targets=(Target("p50_us", 1.25, Against.REFERENCE),),
)
L1 = Shape(
    "L1",
    "serial calls across two cores",
    reference="pingpong",
    targets=(Target("p50_us", 1.1, Against.REFERENCE),),
)
L1_SPIN = Shape(
    "L1_spin",
    "serial calls across two cores, polling on both sides",
    reference="pingpong",
    spin=True,
    targets=(Target("p50_us", 1.5, Against.REFERENCE),),
)
N1_ONE_CORE = Shape(
    "N1_one_core",
    "serial calls from client to A to B and back, all on one core; server_cpu_us is A's",
    nested=True,
    server_core=0,
    middle_core=0,
    targets=(Target("p50_us", 2.3, Against.ONE_CORE_CALL),),
)
NT1_128 = Shape(
    "NT1_128",
    "the same with 128 in flight, A on a core of its own, client and B on the other",
    nested=True,
    server_core=0,
    middle_core=1,
    in_flight=128,
    targets=(Target("req_per_s", 400e3, at_least=True), Target("server_cpu_us", 1.8)),
)
M1 = Shape(
    "M1",
    f"bytes of memory per request parked in a handler, {PARKED_REQUESTS:,} of them",
    metrics=("server_bytes", "client_bytes"),
    in_flight=PARKED_REQUESTS,
    targets=(Target("server_bytes", 400), Target("client_bytes", 500)),
)
ALLOCS = Shape(
    "allocs",
    "heap allocations per call, client's and server's together, 128 in flight",
    metrics=("per_call",),
    in_flight=128,
    targets=(Target("per_call", 0),),
)

SHAPES: tuple[Shape, ...] = (
    *_with_raw(L1_ONE_CORE),
    *_with_raw(L1),
    *_with_raw(L1_SPIN),
    *_with_raw(_pipelined(16)),
    *_with_raw(
        _pipelined(128, Target("req_per_s", 1e6, at_least=True), Target("server_cpu_us", 0.8))
    ),
    *_with_raw(_pipelined(1024, Target("req_per_s", 2e6, at_least=True))),
    N1_ONE_CORE,
    NT1_128,
    M1,
    _payload("B1_1MiB", MIB, 1, 0.70),
    _payload("B1_1MiB_8", MIB, 8, 0.90),
    _payload("B1_64MiB", 64 * MIB, 1, 0.75),
    _payload("B1_64MiB_8", 64 * MIB, 8, 0.75),
    ALLOCS,
)


def select(names: list[str]) -> list[Shape]:
    """The named shapes in the table's order, with what their targets compare with; all if none is
    named. Raises KeyError for a name that is none."""
    if not names:
        return list(SHAPES)
    for name in names:
        if not any(shape.is_like(name) for shape in SHAPES):
            raise KeyError(name)
    chosen = {shape.name for shape in SHAPES for name in names if shape.is_like(name)}
    for shape in SHAPES:
        compared = any(target.against is Against.ONE_CORE_CALL for target in shape.targets)
        if compared and shape.name in chosen:
            chosen.add(Against.ONE_CORE_CALL.value)
    return [shape for shape in SHAPES if shape.name in chosen]
