#!/usr/bin/env python3
"""Measures Onward's Python package beside PyTorch RPC, in turn and in one run. See --help."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FrameType

sys.dont_write_bytecode = True  # the source tree stays as it is
HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.append(str(HERE.parent))

from bar_chart import draw  # noqa: E402
from machine import OthersWatch, describe_machine  # noqa: E402
from processes import BenchError, Process, ProcessGroup  # noqa: E402
from results import Figures, Results, Row, as_json, limit_of_tcp, markdown_table, number, text_table  # noqa: E402
from workloads import ARRAY, PAIRS, WORKLOADS, Workload  # noqa: E402

SYSTEMS = {"pytorch": "torch.distributed.rpc", "onward": "onward.rpc"}
ROLES = ("client", "a", "b")
START_TIMEOUT_S = 60.0
SLACK_S = 30.0  # over what a measurement should take, before it counts as stuck
PAGE = REPOSITORY / "docs" / "PYTHON_BENCHMARKS.md"
PLOT = REPOSITORY / "docs" / "python-benchmarks.svg"
BEGIN, END = "<!-- begin: ./dev bench python --docs -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Settings:
    package: Path  # the folder that has onward/
    cores: list[int]
    seconds: float
    warmup: float
    workloads: list[Workload]
    transports: list[str]


def free_port() -> int:
    """Where the nodes meet. Of two: Onward's own rank 0 may take the one behind it."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def pin(process: Process, cores: list[int]) -> None:
    """All its threads, and so those that they start."""
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), cores)
        except ProcessLookupError:
            pass  # a thread that has just ended


def start_nodes(group: ProcessGroup, system: str, transport: str, settings: Settings) -> list[Process]:
    """The client first."""
    where = ["--port", str(free_port())]
    command = [sys.executable, str(HERE / "node.py"), system, transport]
    nodes = [group.start(f"{system} {role}", [*command, role, *where], settings.cores[0]) for role in ROLES]
    for node in nodes:
        node.expect("ready", START_TIMEOUT_S)
    return nodes


def measure(system: str, transport: str, settings: Settings, results: Results) -> None:
    """All workloads in three fresh processes, which are then killed: PyTorch's shutdown() may hang."""
    os.environ["BENCH_RPC"] = SYSTEMS[system]
    os.environ["PYTHONPATH"] = str(settings.package)
    names = dict.fromkeys(each.name if system == "onward" else each.counterpart for each in settings.workloads)
    with ProcessGroup() as group:
        nodes = start_nodes(group, system, transport, settings)
        client = nodes[0]
        for name in names:
            for node in nodes:
                pin(node, settings.cores[:1] if name.endswith("_one_core") else settings.cores)
            order = {"workload": name, "seconds": settings.seconds, "warmup": settings.warmup}
            client.write_line(json.dumps(order))
            figures: Figures = client.read_json(settings.seconds + settings.warmup + SLACK_S)
            results.add(system, transport, name, figures)
            shown = ", ".join(f"{metric} {number(value)}" for metric, value in figures.items())
            print(f"  {system:8} {transport}/{name}: {shown}", file=sys.stderr, flush=True)


def measure_sockets(settings: Settings, results: Results) -> None:
    """What TCP itself takes for the array."""
    with ProcessGroup() as group:
        timing = ["--seconds", str(settings.seconds), "--warmup", str(settings.warmup)]
        bare = group.start("sockets", [sys.executable, str(HERE / "bare_sockets.py"), *timing], settings.cores[0])
        figures = bare.read_json(settings.seconds + settings.warmup + SLACK_S)
        bare.finish()
    results.add("sockets", "tcp", ARRAY, figures)
    print(f"  sockets  tcp/{ARRAY}: gb_per_s {number(figures['gb_per_s'])}", file=sys.stderr, flush=True)


def measure_round(transport: str, settings: Settings, results: Results, failures: list[str]) -> None:
    for system in SYSTEMS:
        try:
            measure(system, transport, settings, results)
        except BenchError as error:
            failures.append(f"{system} {transport}: {error}")
            print(f"  {system:8} {transport}: FAILED: {str(error).splitlines()[0]}", file=sys.stderr)
    if transport == "tcp" and any(each.counterpart == ARRAY for each in settings.workloads):
        measure_sockets(settings, results)


def run_rounds(rounds: int, settings: Settings, results: Results) -> list[str]:
    """What failed."""
    failures: list[str] = []
    for number_of_round in range(1, rounds + 1):
        for transport in settings.transports:
            print(f"{transport}, round {number_of_round} of {rounds}", file=sys.stderr)
            measure_round(transport, settings, results, failures)
    return failures


def write_page(rows: list[Row], how: str, limit: str, page: Path = PAGE, plot: Path = PLOT) -> None:
    """The table of the page anew, and the picture."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or not after:
        raise BenchError(f"{page} has no lines `{BEGIN.strip()}` and `{END.strip()}`")
    page.write_text(f"{before}{BEGIN}{how}\n\n{markdown_table(rows)}\n\n{limit}\n{END}{after}", encoding="utf-8")
    plot.write_text(draw(rows), encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench python",
        description="Measures Onward's Python package beside PyTorch RPC, which it installs: python3-torch.",
        epilog="workloads: " + "; ".join(f"{each.name}: {each.meaning}" for each in WORKLOADS),
    )
    names = [each.name for each in WORKLOADS]
    add = parser.add_argument
    add("workloads", nargs="*", metavar="WORKLOAD", help="what to measure (default: all)")
    add("--transport", action="append", choices=tuple(PAIRS), help="may be repeated (default: all)")
    add("--seconds", type=float, default=2.0, help="length of one measurement (default: 2)")
    add("--warmup", type=float, default=0.5, help="seconds to run before each (default: 0.5)")
    add("--rounds", type=int, default=3, help="how often (default: 3)")
    add("--json", type=Path, metavar="FILE", help="also write the medians as JSON")
    add("--markdown", type=Path, metavar="FILE", help="also write the table as Markdown")
    add("--svg", type=Path, metavar="FILE", help="also draw the ratios")
    add("--docs", action="store_true", help=f"write table and picture into {PAGE.relative_to(REPOSITORY)}")
    add("--package", type=Path, default=REPOSITORY / "build" / "release" / "python", metavar="DIR",
        help="where the package onward is (default: build/release/python)")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.seconds <= 0 or arguments.warmup <= 0:
        parser.error("--rounds, --seconds and --warmup must be positive")
    if unknown := [name for name in arguments.workloads if name not in names]:
        parser.error(f"there is no workload {', '.join(unknown)}; there are {', '.join(names)}")
    if arguments.docs and (arguments.workloads or arguments.transport):
        parser.error("--docs is for a run of everything")
    return arguments


def make_settings(arguments: argparse.Namespace) -> Settings:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("the benchmarks need two cores")
    if not (arguments.package / "onward").is_dir():
        raise BenchError(f"there is no package onward in {arguments.package}; run ./dev build, or pass --package DIR")
    return Settings(
        package=arguments.package.resolve(),
        cores=cores,
        seconds=arguments.seconds,
        warmup=arguments.warmup,
        workloads=[each for each in WORKLOADS if not arguments.workloads or each.name in arguments.workloads],
        transports=arguments.transport or list(PAIRS),
    )


def interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    arguments = parse_arguments()
    settings = make_settings(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    machine = describe_machine(settings.cores)
    print(machine)
    results = Results()
    others = OthersWatch()
    failures = run_rounds(arguments.rounds, settings, results)
    noise = others.describe()
    rows = results.rows(settings.transports, settings.workloads)
    limit = limit_of_tcp(results)
    print(f"\nmedians of {arguments.rounds} rounds of {arguments.seconds:g} s\n\n{text_table(rows)}\n{limit}")
    if noise:
        print(f"\n{noise}")
    if arguments.json:
        arguments.json.write_text(as_json(rows))
    if arguments.markdown:
        arguments.markdown.write_text(markdown_table(rows) + "\n")
    if arguments.svg:
        arguments.svg.write_text(draw(rows))
    if arguments.docs and not failures:
        how = f"{date.today()}, medians of {arguments.rounds} rounds of {arguments.seconds:g} s: {machine}."
        write_page(rows, how, limit)
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
