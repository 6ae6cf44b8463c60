"""The machine that is measured on: what it is, and what else it does meanwhile."""

from __future__ import annotations

import os
import platform
import resource
import time
from pathlib import Path


def describe_machine(cores: list[int]) -> str:
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{model}, Linux {platform.release()}, cores {cores[0]} and {cores[1]}, "
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
