"""What must be reached: limits by shape and transport."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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


def _of_reference(metric: str, limit: float, *, at_least: bool = False) -> Target:
    return Target(metric, limit, Against.REFERENCE, at_least)


def _at_least(metric: str, limit: float) -> Target:
    return Target(metric, limit, at_least=True)


# By TRANSPORT/SHAPE, or SHAPE for those of every transport. Others have none.
TARGETS: dict[str, tuple[Target, ...]] = {
    "idle": (Target("idle_cpu_us", 0), Target("idle_wakeups", 0)),
    "tcp/L1_one_core": (_of_reference("p50_us", 1.25),),
    "tcp/L1": (_of_reference("p50_us", 1.1),),
    "tcp/L1_spin": (_of_reference("p50_us", 1.5),),
    "tcp/T1_128": (_at_least("req_per_s", 1e6), Target("server_cpu_us", 0.8)),
    "tcp/T1_1024": (_at_least("req_per_s", 2e6),),
    "tcp/N1_one_core": (Target("p50_us", 2.3, Against.ONE_CORE_CALL),),
    "tcp/NT1_128": (_at_least("req_per_s", 400e3), Target("server_cpu_us", 1.8)),
    "tcp/M1": (Target("server_bytes", 400), Target("client_bytes", 500)),
    "tcp/B1_1MiB": (_of_reference("gb_per_s", 0.70, at_least=True),),
    "tcp/B1_1MiB_8": (_of_reference("gb_per_s", 0.90, at_least=True),),
    "tcp/B1_64MiB": (_of_reference("gb_per_s", 0.75, at_least=True),),
    "tcp/B1_64MiB_8": (_of_reference("gb_per_s", 0.75, at_least=True),),
    "tcp/allocs": (Target("per_call", 0),),
    "tls/L1_one_core": (_of_reference("p50_us", 1.2),),
    "tls/T1_128": (_at_least("req_per_s", 700e3),),
    "tls/B1_1MiB_8": (_of_reference("gb_per_s", 0.90, at_least=True),),
    "shm/L1_one_core": (_of_reference("p50_us", 1.6),),
    "shm/L1_spin": (Target("p50_us", 2),),
    "shm/T1_128": (_at_least("req_per_s", 1.5e6),),
    "shm/B1_1MiB": (_at_least("gb_per_s", 15),),
    "shm/B1_64MiB": (_of_reference("gb_per_s", 0.80, at_least=True),),
}
