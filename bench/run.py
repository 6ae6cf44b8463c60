#!/usr/bin/env python3
"""Measures Onward beside its references, in turn and in one run. See README.md, or --help."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

sys.dont_write_bytecode = True  # the source tree stays as it is

from machine import OthersWatch, describe_machine  # noqa: E402
from processes import BenchError, Process, ProcessGroup  # noqa: E402
from report import Figures, Measured, Report  # noqa: E402
from shapes import PARKED_REQUESTS, REFERENCES, Shape, select  # noqa: E402

TRANSPORTS = tuple(REFERENCES)
START_TIMEOUT_S = 15.0
SETTLE_S = 0.3  # what a call leaves to do must be over by then
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
    certs: Path  # of the nodes, for tls


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
    certs = ["--certs", str(settings.certs)] if shape.transport == "tls" else []
    return Command(
        settings.build / "onward_bench",
        [*shape.onward_server(), *certs],
        [*shape.onward_client(), *certs],
    )


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
        return watch_parked(client, server)
    if "idle_cpu_us" in shape.metrics:
        return watch_idle(client, server, settings)
    cpu_before_ns = server.cpu_ns()
    figures = client.read_json(settings.seconds + SLACK_S)
    cpu_ns = server.cpu_ns() - cpu_before_ns
    figures["server_cpu_us"] = cpu_ns / 1000 / max(required(figures, "requests", client.role), 1)
    required(figures, shape.metrics[0], client.role)
    return figures


def watch_parked(client: Process, server: Process) -> Figures:
    before = server.private_bytes()
    client.expect("parked", SLACK_S)
    parked_bytes = server.private_bytes() - before
    client.write_line()
    figures = client.read_json(SLACK_S)
    figures["server_bytes"] = parked_bytes / PARKED_REQUESTS
    required(figures, "client_bytes", client.role)
    return figures


def watch_idle(client: Process, server: Process, settings: Settings) -> Figures:
    """A thread that has not run has called nothing of the system either, so no trace is needed."""
    time.sleep(max(settings.warmup, SETTLE_S))
    before = [client.ran(), server.ran()]
    time.sleep(settings.seconds)
    after = [client.ran(), server.ran()]
    client.write_line()
    client.read_json(SLACK_S)
    ran_ns = sum(ns for ns, _ in after) - sum(ns for ns, _ in before)
    runs = sum(count for _, count in after) - sum(count for _, count in before)
    return {"idle_cpu_us": ran_ns / 1000, "idle_wakeups": runs}


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
        failures.append(f"{shape.full_name}, {who}: {error}")
        first_line = str(error).split("\n", 1)[0]
        print(f"  {who:9} {shape.full_name}: FAILED: {first_line}", file=sys.stderr)
        return {}
    first = shape.metrics[0]
    print(f"  {who:9} {shape.full_name}: {first} {figures[first]:.4g}", file=sys.stderr, flush=True)
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
        groups.setdefault(f"{shape.transport}/{shape.table_name()}", []).append(measured)
    for name, group in groups.items():
        failed_before = len(failures)
        for number in range(1, rounds + 1):
            print(f"{name}, round {number} of {rounds}", file=sys.stderr)
            run_round(group, settings, failures)
            if len(failures) > failed_before:
                break
    return failures


def list_shapes(shapes: list[Shape]) -> None:
    for shape in shapes:
        print(f"{shape.full_name:20} {shape.meaning}")
        for target in shape.targets:
            print(f"{'':20}   {target.metric} {target.text()}")


def check_selftest(report: Report) -> list[str]:
    """Reference against reference: every first metric must come out near 1."""
    strange = []
    for measured in report.shapes:
        metric = measured.shape.metrics[0]
        ratio = measured.ratio(metric)
        if ratio is None or not 0.5 < ratio < 2:
            strange.append(f"{measured.shape.full_name}: {metric}, reference to itself: ratio {ratio}")
    return strange


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Measures Onward beside hand-written references, in turn and in one run.",
        epilog="./dev bench python measures the Python package beside PyTorch RPC; see ./dev bench python --help.",
    )
    add = parser.add_argument
    add("shapes", nargs="*", metavar="SHAPE", help="what to measure, as T1_128 or tls/T1_128 (default: all; see --list)")
    add("--json", type=Path, metavar="FILE", help="also write the medians as JSON")
    add("--seconds", type=float, default=2.0, help="length of one measurement (default: 2)")
    add("--warmup", type=float, default=0.5, help="seconds to run before each (default: 0.5)")
    add("--rounds", type=int, default=3, help="how often (default: 3)")
    add("--transport", action="append", choices=(*TRANSPORTS, "all"), metavar="NAME",
        help=f"one of {', '.join(TRANSPORTS)}; may be repeated (default: those of the shapes, or all that onward_bench has)")
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
    return arguments


def find_transports(arguments: argparse.Namespace, build: Path) -> list[str]:
    """Those that --transport names, or else every shape; else all that there are."""
    wanted = set(arguments.transport or ())
    if not wanted and all("/" in name for name in arguments.shapes):
        wanted = {name.split("/")[0] for name in arguments.shapes}
    if not wanted or "all" in wanted:
        if arguments.list or arguments.selftest:
            return list(TRANSPORTS)
        command = [build / "onward_bench", "transports"]
        wanted = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    return [name for name in TRANSPORTS if name in wanted]


def select_shapes(arguments: argparse.Namespace, build: Path) -> list[Shape]:
    transports = find_transports(arguments, build)
    try:
        shapes = select(arguments.shapes, transports)
    except KeyError as error:
        raise BenchError(
            f"no shape of {', '.join(transports or TRANSPORTS)} is called {error}; --list prints them"
        ) from error
    if arguments.selftest:
        shapes = [shape for shape in shapes if shape.reference and shape.codec == "flex"]
    return shapes


def check_programs(build: Path, selftest: bool) -> None:
    names = ["onward_reference"] if selftest else ["onward_reference", "onward_bench"]
    for name in names:
        if not os.access(build / name, os.X_OK):
            raise BenchError(
                f"there is no program {build / name}; run ./dev build, or pass --build DIR"
            )


def make_certificates(build: Path, folder: Path) -> None:
    """For the nodes of all roles, as `onward certs` makes them."""
    program = build.parent / "node" / "onward"
    if not os.access(program, os.X_OK):
        raise BenchError(f"tls needs certificates from {program}, which is not there; run ./dev build")
    for command in (["init", str(folder)], ["issue", str(folder), "server", "middle", "client"]):
        made = subprocess.run([program, "certs", *command], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise BenchError(f"{program} certs {' '.join(command)}: {made.stderr.strip()}")


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    arguments = parse_arguments()
    build = arguments.build.resolve()
    if not arguments.list:
        check_programs(build, arguments.selftest)
    shapes = select_shapes(arguments, build)
    if arguments.list:
        list_shapes(shapes)
        return 0
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("the benchmarks need two cores")
    signal.signal(signal.SIGTERM, interrupt)
    with tempfile.TemporaryDirectory(prefix="onward-bench-") as folder:
        settings = Settings(
            build=build,
            cores=cores[:2],
            seconds=arguments.seconds,
            warmup=arguments.warmup,
            congestion=arguments.congestion,
            selftest=arguments.selftest,
            certs=Path(folder) / "certs",
        )
        if not settings.selftest and any(shape.transport == "tls" for shape in shapes):
            make_certificates(build, settings.certs)
        return run(shapes, arguments, settings)


def run(shapes: list[Shape], arguments: argparse.Namespace, settings: Settings) -> int:
    print(describe_machine(settings.cores))
    report = Report()
    others = OthersWatch()
    failures = run_shapes(shapes, arguments.rounds, report, settings)
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
