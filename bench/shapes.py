"""What is measured: the shapes, and how their processes are placed and called on each transport."""

from __future__ import annotations

from dataclasses import dataclass, replace

from targets import TARGETS, Against, Target

MIB = 1024 * 1024
BUSY_POLL_US = 1000
PARKED_REQUESTS = 100_000
RAW_SUFFIX = "_raw"

# Each transport with its references: shapes of onward_reference.
REFERENCES = {
    "tcp": {"calls": "pingpong", "payloads": "stream"},
    "unix": {"calls": "unix-pingpong", "payloads": "unix-stream"},
    "tls": {"calls": "tls-pingpong", "payloads": "tls-stream"},
    "shm": {"calls": "shm-pingpong", "payloads": "memcpy"},
}
CALL_METRICS = ("p50_us", "p99_us", "req_per_s", "server_cpu_us", "client_cpu_us")


@dataclass(frozen=True)
class Shape:
    name: str
    meaning: str
    metrics: tuple[str, ...] = CALL_METRICS
    compared: str | None = None  # with which kind of reference: a key of REFERENCES' values
    codec: str = "flex"
    in_flight: int = 1
    payload_bytes: int | None = None
    spin: bool = False
    nested: bool = False
    client_core: int = 0
    server_core: int = 1  # where B runs, if nested
    middle_core: int = 1
    transport: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.transport}/{self.name}"

    @property
    def reference(self) -> str | None:
        """The shape of onward_reference."""
        return REFERENCES[self.transport][self.compared] if self.compared else None

    @property
    def targets(self) -> tuple[Target, ...]:
        return TARGETS.get(self.full_name, TARGETS.get(self.name, ()))

    def is_like(self, name: str) -> bool:
        """Whether someone who asks for `name` wants it: T1_16 and tcp/T1_16 bring T1_16_raw along."""
        transport, slash, rest = name.rpartition("/")
        if slash and transport != self.transport:
            return False
        return rest in (self.name, self.table_name())

    def compares_with(self, metric: str) -> bool:
        """Whether the reference's figure for this metric is of the same work."""
        return metric == "gb_per_s" if self.compared == "payloads" else self.compared is not None

    # The options of each role, which README.md specifies.

    def onward_server(self) -> list[str]:
        return ["--transport", self.transport, *self._onward()]

    def onward_client(self) -> list[str]:
        options = [*self._onward(), "--in-flight", str(self.in_flight)]
        if self.payload_bytes is None:
            return options
        return [*options, "--bytes", str(self.payload_bytes)]

    def reference_server(self) -> list[str]:
        assert self.reference is not None
        return ["--shape", self.reference, *(["--spin"] if self.spin else [])]

    def reference_client(self, congestion: str | None) -> list[str]:
        options = self.reference_server()
        if self.compared == "calls":
            return [*options, "--in-flight", str(self.in_flight)]
        if self.reference == "memcpy":
            return [*options, "--bytes", str(self.payload_bytes)]
        if congestion is None or self.transport == "unix":
            return options
        return [*options, "--congestion", congestion]

    def table_name(self) -> str:
        return self.name.removesuffix(RAW_SUFFIX)

    def _onward(self) -> list[str]:
        polling = ["--busy-poll-us", str(BUSY_POLL_US)] if self.spin else []
        return ["--shape", self.table_name(), "--codec", self.codec, *polling]


def _pipelined(in_flight: int) -> Shape:
    return Shape(
        f"T1_{in_flight}",
        f"pipelined calls, {in_flight} in flight",
        compared="calls",
        in_flight=in_flight,
    )


def _payload(name: str, payload_bytes: int, in_flight: int) -> Shape:
    return Shape(
        name,
        f"{payload_bytes // MIB} MiB one way, small reply, {in_flight} in flight",
        metrics=("gb_per_s", "p50_us", "p99_us", "server_cpu_us", "client_cpu_us"),
        compared="payloads",
        payload_bytes=payload_bytes,
        in_flight=in_flight,
    )


# Those that codec `raw` is measured with, too.
CALL_SHAPES = (
    Shape(
        "L1_one_core",
        "serial calls, both processes on one core",
        compared="calls",
        server_core=0,
    ),
    Shape("L1", "serial calls across two cores", compared="calls"),
    Shape(
        "L1_spin",
        "serial calls across two cores, polling on both sides",
        compared="calls",
        spin=True,
    ),
    _pipelined(16),
    _pipelined(128),
    _pipelined(1024),
)
OTHER_SHAPES = (
    Shape(
        "N1_one_core",
        "serial calls from client to A to B and back, all on one core; server_cpu_us is A's",
        nested=True,
        server_core=0,
        middle_core=0,
    ),
    Shape(
        "NT1_128",
        "the same with 128 in flight, A on a core of its own, client and B on the other",
        nested=True,
        server_core=0,
        middle_core=1,
        in_flight=128,
    ),
    Shape(
        "M1",
        f"bytes of memory per request parked in a handler, {PARKED_REQUESTS:,} of them",
        metrics=("server_bytes", "client_bytes"),
        in_flight=PARKED_REQUESTS,
    ),
    _payload("B1_1MiB", MIB, 1),
    _payload("B1_1MiB_8", MIB, 8),
    _payload("B1_64MiB", 64 * MIB, 1),
    _payload("B1_64MiB_8", 64 * MIB, 8),
    Shape(
        "allocs",
        "heap allocations per call, client's and server's together, 128 in flight",
        metrics=("per_call",),
        in_flight=128,
    ),
    Shape(
        "idle",
        "connected, and nothing is called: CPU time and runs of both processes in all that time",
        metrics=("idle_cpu_us", "idle_wakeups"),
    ),
)


def _raw(shape: Shape) -> Shape:
    """The same with codec `raw`, which is reported beside it and has no targets."""
    name, meaning = shape.name + RAW_SUFFIX, shape.meaning + ", codec raw"
    return replace(shape, name=name, meaning=meaning, codec="raw")


def shapes_of(transport: str) -> list[Shape]:
    """All that is measured there, in the order of the table."""
    shapes: list[Shape] = []
    for shape in CALL_SHAPES:
        shapes += [shape, _raw(shape)]
    shapes += OTHER_SHAPES
    return [replace(shape, transport=transport) for shape in shapes]


def select(names: list[str], transports: list[str]) -> list[Shape]:
    """The named shapes of these transports in the table's order, with what their targets compare with; all if none
    is named. Raises KeyError for a name that is none."""
    every = [shape for transport in transports for shape in shapes_of(transport)]
    if not names:
        return every
    for name in names:
        if not any(shape.is_like(name) for shape in every):
            raise KeyError(name)
    chosen = {shape.full_name for shape in every for name in names if shape.is_like(name)}
    for shape in every:
        compared = any(target.against is Against.ONE_CORE_CALL for target in shape.targets)
        if compared and shape.full_name in chosen:
            chosen.add(f"{shape.transport}/{Against.ONE_CORE_CALL.value}")
    return [shape for shape in every if shape.full_name in chosen]
