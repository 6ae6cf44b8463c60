#!/usr/bin/env python3
"""Measures Onward beside its references, in turn and in one run. See README.md, or --help."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

sys.dont_write_bytecode = True  # the source tree stays as it is

from processes import BenchError, Process, ProcessGroup  # noqa: E402
from report import Figures, Measured, Report  # noqa: E402
from shapes import PARKED_REQUESTS, SHAPES, Shape, select  # noqa: E402

TRANSPORTS = ("tcp",)
START_TIMEOUT_S = 15.0
SLACK_S = 60.0  # over what a run should take, before it counts as stuck
REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    build: Path
    cores: list[int]
    seconds: float
    warmup: float
    congestion: str | None
    selftest: bool


@dataclass(frozen=True)
class Command:
    """How one program is called for one shape."""

    program: Path
    server: list[str]
    client: list[str]


def reference_command(shape: Shape, settings: Settings) -> Command:
    program = settings.build / "onward_reference"
    return Command(program, shape.reference_server(), shape.reference_client(settings.congestion))


def onward_command(shape: Shape, settings: Settings) -> Command:
    if settings.selftest:
        return reference_command(shape, settings)
    return Command(settings.build / "onward_bench", shape.onward_server(), shape.onward_client())


def measure(shape: Shape, command: Command, settings: Settings) -> Figures:
    """One run in fresh processes. Raises BenchError, and leaves no process behind."""
    program = str(command.program)
    with ProcessGroup() as group:
        server_command = [program, "server", *command.server]
        server = group.start("server", server_command, settings.cores[shape.server_core])
        servers = [server]
        url = server.expect("listening", START_TIMEOUT_S)
        if shape.nested:
            middle_command = [program, "middle", *command.server, "--connect", url]
            middle = group.start("middle", middle_command, settings.cores[shape.middle_core])
            servers.append(middle)
            url = middle.expect("listening", START_TIMEOUT_S)
        timing = ["--seconds", str(settings.seconds), "--warmup", str(settings.warmup)]
        client_command = [program, "client", *command.client, "--connect", url, *timing]
        client = group.start("client", client_command, settings.cores[shape.client_core])
        figures = watch(shape, client, servers[-1], settings)
        client.finish()
        for each in reversed(servers):
            at_end = each.stop()
            if "per_call" in shape.metrics:
                figures["per_call"] += required(at_end, "per_call", each.role)
        return {metric: figures[metric] for metric in shape.metrics if metric in figures}


def watch(shape: Shape, client: Process, server: Process, settings: Settings) -> Figures:
    """From the client's `measuring` to its result, with the server's clock or memory read."""
    client.expect("measuring", settings.warmup + SLACK_S)
    if "server_bytes" in shape.metrics:
        before = server.private_bytes()
        client.expect("parked", SLACK_S)
        parked_bytes = server.private_bytes() - before
        client.write_line()
        figures = client.read_json(SLACK_S)
        figures["server_bytes"] = parked_bytes / PARKED_REQUESTS
        required(figures, "client_bytes", client.role)
        return figures
    cpu_before_ns = server.cpu_ns()
    figures = client.read_json(settings.seconds + SLACK_S)
    cpu_ns = server.cpu_ns() - cpu_before_ns
    figures["server_cpu_us"] = cpu_ns / 1000 / max(required(figures, "requests", client.role), 1)
    required(figures, shape.metrics[0], client.role)
    return figures


def required(figures: Figures, key: str, role: str) -> float:
    if not isinstance(figures.get(key), (int, float)):
        raise BenchError(f"{role} did not report {key}: {figures}")
    return figures[key]


def run_round(measured: list[Measured], settings: Settings, failures: list[str]) -> None:
    """One shape, once: its reference, then Onward; with both codecs against the same reference."""
    base = measured[0].shape
    reference: Figures = {}
    if base.reference is not None:
        command = reference_command(base, settings)
        reference = measure_or_note(base, "reference", command, settings, failures)
    for each in measured:
        if reference:
            each.reference.append(reference)
        command = onward_command(each.shape, settings)
        onward = measure_or_note(each.shape, "onward", command, settings, failures)
        if onward:
            each.onward.append(onward)


def measure_or_note(
    shape: Shape, who: str, command: Command, settings: Settings, failures: list[str]
) -> Figures:
    try:
        figures = measure(shape, command, settings)
    except BenchError as error:
        failures.append(f"{shape.name}, {who}: {error}")
        first_line = str(error).split("\n", 1)[0]
        print(f"  {who:9} {shape.name}: FAILED: {first_line}", file=sys.stderr)
        return {}
    first = shape.metrics[0]
    print(f"  {who:9} {shape.name}: {first} {figures[first]:.4g}", file=sys.stderr, flush=True)
    return figures


def run_shapes(
    shapes: list[Shape], rounds: int, report: Report, settings: Settings
) -> list[str]:
    """Fills the report; returns what failed. A shape that fails is not tried again."""
    failures: list[str] = []
    groups: dict[str, list[Measured]] = {}
    for shape in shapes:
        measured = Measured(shape)
        report.shapes.append(measured)
        groups.setdefault(shape.table_name(), []).append(measured)
    for name, group in groups.items():
        failed_before = len(failures)
        for number in range(1, rounds + 1):
            print(f"{name}, round {number} of {rounds}", file=sys.stderr)
            run_round(group, settings, failures)
            if len(failures) > failed_before:
                break
    return failures


def describe_machine(settings: Settings) -> str:
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{model}, Linux {platform.release()}, cores {settings.cores[0]} and {settings.cores[1]}, "
        f"load {load}, TCP {congestion}"
    )


class OthersWatch:
    """How much CPU time other programs took meanwhile: they are what spoils a measurement."""

    WORTH_MENTIONING = 0.03

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        self._others_at_start = self._others_s()

    def describe(self) -> str | None:
        share = (self._others_s() - self._others_at_start) / (time.monotonic() - self._started_at)
        if share < self.WORTH_MENTIONING:
            return None
        return (
            f"Other programs took {share:.0%} of a core meanwhile: the spread shows what that did, "
            "and absolute figures are worth less for it."
        )

    @staticmethod
    def _others_s() -> float:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        user, nice, system, _, _, irq, softirq, steal = (int(value) for value in fields)
        busy_s = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            busy_s -= usage.ru_utime + usage.ru_stime
        return busy_s


def list_shapes(shapes: list[Shape]) -> None:
    for shape in shapes:
        print(f"{shape.name:16} {shape.meaning}")
        for target in shape.targets:
            print(f"{'':16}   {target.metric} {target.text()}")


def check_selftest(report: Report) -> list[str]:
    """Reference against reference: every first metric must come out near 1."""
    strange = []
    for measured in report.shapes:
        metric = measured.shape.metrics[0]
        ratio = measured.ratio(metric)
        if ratio is None or not 0.5 < ratio < 2:
            strange.append(f"{measured.shape.name}: {metric}, reference to itself: ratio {ratio}")
    return strange


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Measures Onward beside hand-written references, in turn and in one run.",
    )
    add = parser.add_argument
    add("shapes", nargs="*", metavar="SHAPE", help="what to measure (default: all; see --list)")
    add("--json", type=Path, metavar="FILE", help="also write the medians as JSON")
    add("--seconds", type=float, default=2.0, help="length of one measurement (default: 2)")
    add("--warmup", type=float, default=0.5, help="seconds to run before each (default: 0.5)")
    add("--rounds", type=int, default=3, help="how often (default: 3)")
    add("--transport", choices=TRANSPORTS, default="tcp")
    add("--list", action="store_true", help="print the shapes and their targets, measure nothing")
    add("--build", type=Path, default=REPOSITORY / "build" / "release" / "bench", metavar="DIR",
        help="where the programs are (default: build/release/bench)")
    add("--congestion", metavar="NAME", default="reno",
        help="congestion control of the stream reference (default: reno, as Onward's tcp takes on loopback)")
    add("--selftest", action="store_true",
        help="check the runner: measure the reference against itself")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.seconds <= 0 or arguments.warmup < 0:
        parser.error("--rounds and --seconds must be positive, --warmup not negative")
    try:
        arguments.shapes = select(arguments.shapes)
    except KeyError as error:
        parser.error(f"no shape is called {error}; --list prints them")
    if arguments.selftest:
        arguments.shapes = [
            each for each in arguments.shapes if each.reference and each.codec == "flex"
        ]
    return arguments


def check_programs(settings: Settings) -> None:
    names = ["onward_reference"] if settings.selftest else ["onward_reference", "onward_bench"]
    for name in names:
        if not os.access(settings.build / name, os.X_OK):
            raise BenchError(
                f"there is no program {settings.build / name}; run ./dev build, or pass --build DIR"
            )


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    arguments = parse_arguments()
    if arguments.list:
        list_shapes(arguments.shapes)
        return 0
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("the benchmarks need two cores")
    settings = Settings(
        build=arguments.build.resolve(),
        cores=cores[:2],
        seconds=arguments.seconds,
        warmup=arguments.warmup,
        congestion=arguments.congestion,
        selftest=arguments.selftest,
    )
    check_programs(settings)
    signal.signal(signal.SIGTERM, interrupt)
    print(describe_machine(settings))
    report = Report(arguments.transport)
    others = OthersWatch()
    failures = run_shapes(arguments.shapes, arguments.rounds, report, settings)
    noise = others.describe()
    print(f"\nmedians of {arguments.rounds} rounds of {arguments.seconds:g} s\n")
    report.print_table()
    if noise:
        print(f"\n{noise}")
    if arguments.json:
        report.write_json(arguments.json)
    if settings.selftest:
        failures += check_selftest(report)
    for failure in failures:
        print(f"\nFAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as bench_error:
        sys.exit(f"bench: {bench_error}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
