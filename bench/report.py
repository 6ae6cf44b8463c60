"""What was measured: medians, spread, ratios, targets; as a table for people and as JSON."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from shapes import Shape
from targets import Against, Target

Figures = dict[str, float]


@dataclass
class Measured:
    """The rounds of one shape."""

    shape: Shape
    onward: list[Figures] = field(default_factory=list)
    reference: list[Figures] = field(default_factory=list)

    def onward_median(self, metric: str) -> float | None:
        return _median(self.onward, metric)

    def reference_median(self, metric: str) -> float | None:
        return _median(self.reference, metric) if self.shape.compares_with(metric) else None

    def ratio(self, metric: str) -> float | None:
        onward, reference = self.onward_median(metric), self.reference_median(metric)
        return onward / reference if onward is not None and reference else None


@dataclass
class Report:
    shapes: list[Measured] = field(default_factory=list)
    verdicts: list[tuple[str, bool | None]] = field(default_factory=list)

    def write_json(self, path: Path) -> None:
        rows = [
            {
                "shape": measured.shape.full_name,
                "metric": metric,
                "onward": _rounded(measured.onward_median(metric)),
                "reference": _rounded(measured.reference_median(metric)),
                "ratio": _rounded(measured.ratio(metric)),
            }
            for measured in self.shapes
            for metric in measured.shape.metrics
        ]
        lines = ",\n".join("  " + json.dumps(row) for row in rows)
        path.write_text(f"[\n{lines}\n]\n")

    def print_table(self) -> None:
        print(_line("", "onward", "spread", "reference", "spread", "ratio", "must reach"))
        for measured in self.shapes:
            print(f"\n{measured.shape.full_name}: {measured.shape.meaning}")
            for metric in measured.shape.metrics:
                self._print_row(measured, metric)
        self._print_verdicts()

    def _print_row(self, measured: Measured, metric: str) -> None:
        reference_rounds = measured.reference if measured.shape.compares_with(metric) else []
        targets = [target for target in measured.shape.targets if target.metric == metric]
        row = _line(
            f"  {metric}",
            _number(measured.onward_median(metric)),
            _spread(measured.onward, metric),
            _number(measured.reference_median(metric)),
            _spread(reference_rounds, metric),
            _number(measured.ratio(metric)),
            "; ".join(self._judge(measured, target) for target in targets),
        )
        print(row)

    def _judge(self, measured: Measured, target: Target) -> str:
        value = measured.onward_median(target.metric)
        base = self._base_of(measured, target)
        reached = None if value is None else target.reached(value, base)
        self.verdicts.append((f"{measured.shape.full_name} {target.metric} {target.text()}", reached))
        word = {True: "reached", False: "MISSED", None: "not measured"}[reached]
        if target.against is Against.ONE_CORE_CALL and value is not None and base:
            word += f" at {value / base:.2f}"
        return f"{target.text()}: {word}"

    def _base_of(self, measured: Measured, target: Target) -> float | None:
        if target.against is Against.REFERENCE:
            return measured.reference_median(target.metric)
        for other in self.shapes:
            if other.shape.full_name == f"{measured.shape.transport}/{target.against.value}":
                return other.onward_median(target.metric)
        return None

    def _print_verdicts(self) -> None:
        if not self.verdicts:
            return
        reached = sum(1 for _, verdict in self.verdicts if verdict)
        print(f"\n{reached} of {len(self.verdicts)} targets reached")
        for text, verdict in self.verdicts:
            if not verdict:
                print(f"  {'missed' if verdict is False else 'not measured'}: {text}")


def _line(*cells: str) -> str:
    name, onward, spread, reference, reference_spread, ratio, goal = cells
    figures = f"{onward:>12} {spread:>7} {reference:>12} {reference_spread:>7} {ratio:>7}"
    return f"{name:15} {figures}  {goal}".rstrip()


def _values(rounds: list[Figures], metric: str) -> list[float]:
    return [figures[metric] for figures in rounds if metric in figures]


def _median(rounds: list[Figures], metric: str) -> float | None:
    values = _values(rounds, metric)
    return statistics.median(values) if values else None


def _spread(rounds: list[Figures], metric: str) -> str:
    """From the lowest to the highest round, as a share of the median."""
    values = _values(rounds, metric)
    if len(values) < 2 or not statistics.median(values):
        return ""
    return f"{(max(values) - min(values)) / statistics.median(values):.0%}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"
