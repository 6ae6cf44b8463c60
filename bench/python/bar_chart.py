"""The measured ratios as a picture: an SVG of horizontal bars, one for each workload and pair of transports."""

from __future__ import annotations

import math
from html import escape

from results import Row, number
from workloads import PAIRS, UNITS

WIDTH, LEFT, RIGHT = 860, 270, 190
TOP, BAR, GAP, GROUP_GAP, BOTTOM = 84, 16, 4, 14, 44
COLOURS = {"tcp": "#2a6fbb", "shm": "#d9822b"}
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
TEXT, FAINT, GRID = "#222222", "#666666", "#dddddd"


class Chart:
    def __init__(self, rows: list[Row]) -> None:
        self.rows = [row for row in rows if row.target is not None and row.times is not None]
        drawn = [times for row in self.rows for times in (row.times, row.target) if times]
        self.least = max((tick for tick in TICKS if tick <= min([1, *drawn])), default=TICKS[0])
        self.most = min((tick for tick in TICKS if tick >= max([2, *drawn])), default=TICKS[-1])
        self.names = list(dict.fromkeys(row.workload.name for row in self.rows))
        self.bottom = TOP
        self.parts: list[str] = []

    def x(self, times: float) -> float:
        """On a scale where each doubling is as wide as any other."""
        share = math.log(times / self.least) / math.log(self.most / self.least)
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(share, 0), 1)

    def text(self, x: float, y: float, content: str, size: int = 12, anchor: str = "start", fill: str = TEXT) -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
                          f'fill="{fill}">{escape(content)}</text>')

    def line(self, x: float, top: float, bottom: float, colour: str, width: float) -> None:
        self.parts.append(f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" '
                          f'stroke="{colour}" stroke-width="{width:g}"/>')

    def draw_bars(self) -> None:
        y = float(TOP)
        for name in self.names:
            group = [row for row in self.rows if row.workload.name == name]
            height = len(group) * (BAR + GAP) - GAP
            self.text(LEFT - 10, y + height / 2 + 4, group[0].workload.meaning, anchor="end")
            for row in group:
                begin, end = sorted((self.x(1), self.x(row.times or 1)))
                self.parts.append(f'<rect x="{begin:.1f}" y="{y:.1f}" width="{end - begin:.1f}" height="{BAR}" '
                                  f'fill="{COLOURS[row.transport]}"/>')
                self.line(self.x(row.target or 1), y - 2, y + BAR + 2, TEXT, 2)
                label = f"{number(row.onward)} : {number(row.pytorch)} {UNITS[row.metric]}"
                self.text(max(end, self.x(row.target or 1)) + 6, y + BAR - 4, label, 11, fill=FAINT)
                y += BAR + GAP
            y += GROUP_GAP
        self.bottom = round(y)

    def draw_axis(self) -> None:
        grid = self.parts
        self.parts = []
        for times in (tick for tick in TICKS if self.least <= tick <= self.most):
            self.line(self.x(times), TOP - 6, self.bottom - 6, GRID, 1)
            self.text(self.x(times), self.bottom + 10, f"{times:g}", 11, "middle", FAINT)
        self.line(self.x(1), TOP - 6, self.bottom - 6, FAINT, 1.5)
        self.text(LEFT, self.bottom + 28, "times PyTorch's rate, on a logarithmic scale; black: what must be reached", 11, fill=FAINT)
        self.parts += grid  # the bars lie over the grid

    def draw_legend(self) -> None:
        self.text(16, 28, "Onward's Python package beside PyTorch RPC", 17)
        self.text(16, 48, "how many times as fast; the figures are Onward's : PyTorch's", 12, fill=FAINT)
        x = float(LEFT)
        for transport in dict.fromkeys(row.transport for row in self.rows):
            self.parts.append(f'<rect x="{x:.1f}" y="58" width="12" height="12" fill="{COLOURS[transport]}"/>')
            self.text(x + 18, 68, f"Onward {transport} : PyTorch {PAIRS[transport]}")
            x += 190

    def svg(self) -> str:
        self.draw_bars()
        self.draw_axis()
        self.draw_legend()
        height = self.bottom + BOTTOM
        body = "\n".join("  " + part for part in self.parts)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
                f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">\n'
                f'  <rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n{body}\n</svg>\n')


def draw(rows: list[Row]) -> str:
    return Chart(rows).svg()
