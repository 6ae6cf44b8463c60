"""What is measured, and what each must reach."""

from __future__ import annotations

from dataclasses import dataclass

# Onward's transport, and TensorPipe's that stands beside it.
PAIRS = {"tcp": "uv", "shm": "shm"}


@dataclass(frozen=True)
class Workload:
    name: str
    meaning: str
    metrics: tuple[str, ...]  # the first is the one with a target
    at_least: float  # times PyTorch's
    pytorch: str = ""  # the workload of PyTorch's that it is held against, if that is another one

    @property
    def counterpart(self) -> str:
        return self.pytorch or self.name


WORKLOADS = (
    Workload("serial", "one call at a time", ("calls_per_s", "p50_us"), 4),
    Workload("serial_one_core", "one call at a time, all on one core", ("calls_per_s", "p50_us"), 4),
    Workload("in_flight_500", "500 calls in flight", ("calls_per_s",), 6),
    Workload("nested_500", "500 nested calls in flight", ("calls_per_s",), 6),
    Workload("array_16MiB", "a numpy array of 16 MiB, there and back", ("gb_per_s",), 3, "tensor_16MiB"),
    Workload("tensor_16MiB", "a torch tensor of 16 MiB, there and back", ("gb_per_s",), 3),
)
ARRAY = "tensor_16MiB"  # what bare sockets are measured with, too
UNITS = {"calls_per_s": "calls/s", "p50_us": "µs, median", "gb_per_s": "GB/s"}
LESS_IS_BETTER = ("p50_us",)
