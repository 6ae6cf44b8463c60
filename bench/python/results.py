"""What was measured, as a table for people, as Markdown and as JSON."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field

from workloads import ARRAY, LESS_IS_BETTER, PAIRS, UNITS, Workload

Figures = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One metric of one workload on one pair of transports: the medians of all rounds."""

    transport: str
    workload: Workload
    metric: str
    onward: float | None
    pytorch: float | None
    spread: tuple[str, str]

    @property
    def times(self) -> float | None:
        """How many times as good as PyTorch."""
        if not self.onward or not self.pytorch:
            return None
        return self.pytorch / self.onward if self.metric in LESS_IS_BETTER else self.onward / self.pytorch

    @property
    def target(self) -> float | None:
        return self.workload.at_least if self.metric == self.workload.metrics[0] else None

    @property
    def reached(self) -> bool | None:
        return None if self.times is None or self.target is None else self.times >= self.target


@dataclass
class Results:
    rounds: dict[tuple[str, str, str], list[Figures]] = field(default_factory=dict)

    def add(self, system: str, transport: str, workload: str, figures: Figures) -> None:
        self.rounds.setdefault((system, transport, workload), []).append(figures)

    def _values(self, system: str, transport: str, workload: str, metric: str) -> list[float]:
        return [each[metric] for each in self.rounds.get((system, transport, workload), []) if metric in each]

    def median(self, system: str, transport: str, workload: str, metric: str) -> float | None:
        return _median(self._values(system, transport, workload, metric))

    def rows(self, transports: list[str], workloads: list[Workload]) -> list[Row]:
        rows = []
        for transport in transports:
            for workload in workloads:
                for metric in workload.metrics:
                    onward = self._values("onward", transport, workload.name, metric)
                    pytorch = self._values("pytorch", transport, workload.counterpart, metric)
                    rows.append(Row(transport, workload, metric, _median(onward), _median(pytorch),
                                    (_spread(onward), _spread(pytorch))))
        return rows


def text_table(rows: list[Row]) -> str:
    lines = [f"{'':34}{'Onward':>12}{'spread':>8}{'PyTorch':>12}{'spread':>8}{'times':>8}  must reach"]
    transport = ""
    for row in rows:
        if row.transport != transport:
            transport = row.transport
            lines.append(f"\nOnward {transport}, PyTorch {PAIRS[transport]}")
        name = f"  {row.workload.name} {row.metric}"
        verdict = "" if row.target is None else f"  {row.target:g}: {_verdict(row)}"
        figures = f"{number(row.onward):>12}{row.spread[0]:>8}{number(row.pytorch):>12}{row.spread[1]:>8}"
        lines.append(f"{name:34}{figures}{number(row.times):>8}{verdict}")
    judged = [row for row in rows if row.target is not None]
    lines.append(f"\n{sum(1 for row in judged if row.reached)} of {len(judged)} targets reached")
    return "\n".join(lines)


def markdown_table(rows: list[Row]) -> str:
    lines = ["| transports | workload | unit | Onward | PyTorch | times | must reach |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        pair = f"{row.transport}, {PAIRS[row.transport]}"
        target = "" if row.target is None else f"{row.target:g}{'' if row.reached else ' (missed)'}"
        cells = (pair, row.workload.meaning, UNITS[row.metric], number(row.onward), number(row.pytorch),
                 number(row.times), target)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def limit_of_tcp(results: Results) -> str:
    """What bare sockets reach with the array, and how much of it the two do; empty if that was not measured."""
    bare = results.median("sockets", "tcp", ARRAY, "gb_per_s")
    onward = results.median("onward", "tcp", ARRAY, "gb_per_s")
    pytorch = results.median("pytorch", "tcp", ARRAY, "gb_per_s")
    if not bare or not onward or not pytorch:
        return ""
    return (f"Two bare TCP sockets with warm memory take the same 16 MiB there and back at {number(bare)} GB/s: Onward's "
            f"tensors reach {onward / bare:.0%} of that, PyTorch's {pytorch / bare:.0%}.")


def as_json(rows: list[Row]) -> str:
    objects = [
        {
            "transport": row.transport,
            "pytorch_transport": PAIRS[row.transport],
            "workload": row.workload.name,
            "metric": row.metric,
            "onward": _rounded(row.onward),
            "pytorch": _rounded(row.pytorch),
            "times": _rounded(row.times),
            "must_reach": row.target,
        }
        for row in rows
    ]
    return "[\n" + ",\n".join("  " + json.dumps(each) for each in objects) + "\n]\n"


def number(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _verdict(row: Row) -> str:
    return {True: "reached", False: "MISSED", None: "not measured"}[row.reached]


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def _spread(values: list[float]) -> str:
    """From the lowest to the highest round, as a share of the median."""
    if len(values) < 2 or not statistics.median(values):
        return ""
    return f"{(max(values) - min(values)) / statistics.median(values):.0%}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
