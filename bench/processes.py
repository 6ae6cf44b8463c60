"""The processes of a measurement: started on a core, read with a time limit, ended by their pid."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

STOP_TIMEOUT_S = 10.0
STDERR_TAIL_BYTES = 2000

_libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """A measurement that did not happen; the message says what did."""


class Process:
    """One bench program. Its standard input stays open until `stop`, its standard error is kept."""

    def __init__(self, role: str, command: list[str], core: int) -> None:
        self.role = role
        self.command = command
        self._stderr = tempfile.TemporaryFile()
        self._unread = b""
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
                process_group=0,  # Ctrl-C reaches the runner only, which then ends the others
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BenchError(f"{role} does not start: {error}: {' '.join(command)}") from error

    @property
    def pid(self) -> int:
        return self._child.pid

    def read_line(self, timeout_s: float) -> str:
        """The next line of its output. The runner sleeps meanwhile, since it shares the cores."""
        assert self._child.stdout is not None
        give_up_at = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            left_s = give_up_at - time.monotonic()
            if left_s <= 0 or not select.select([self._child.stdout], [], [], left_s)[0]:
                raise BenchError(f"{self.role} printed nothing for {timeout_s:.0f} s")
            chunk = os.read(self._child.stdout.fileno(), 65536)
            if not chunk:
                raise BenchError(f"{self.role} ended before it printed what was expected")
            self._unread += chunk
        line, self._unread = self._unread.split(b"\n", 1)
        return line.decode(errors="replace")

    def expect(self, word: str, timeout_s: float) -> str:
        """Reads a line that must start with `word`, and returns what follows it."""
        line = self.read_line(timeout_s)
        if line.split(" ", 1)[0] != word:
            raise BenchError(f"{self.role} printed '{line}' instead of a line '{word}'")
        return line[len(word):].strip()

    def read_json(self, timeout_s: float) -> dict[str, float]:
        line = self.read_line(timeout_s)
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise BenchError(f"{self.role} printed '{line}' instead of a line of JSON") from error
        if not isinstance(value, dict):
            raise BenchError(f"{self.role} printed '{line}' instead of a JSON object")
        return value

    def write_line(self, text: str = "") -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(text.encode() + b"\n")
        except OSError as error:
            raise BenchError(f"{self.role} no longer reads its standard input") from error

    def cpu_ns(self) -> int:
        """User and system time of all its threads so far, in nanoseconds."""
        clock = ctypes.c_int()
        failure = _libc.clock_getcpuclockid(self.pid, ctypes.byref(clock))
        if failure != 0:
            raise BenchError(f"no CPU clock for {self.role}: {os.strerror(failure)}")
        return time.clock_gettime_ns(clock.value)

    def ran(self) -> tuple[int, int]:
        """How long its threads were on a core so far, in nanoseconds, and how often."""
        try:
            each = [path.read_text().split() for path in Path(f"/proc/{self.pid}/task").glob("*/schedstat")]
        except OSError as error:
            raise BenchError(f"cannot read when {self.role} ran: {error}") from error
        if not each:
            raise BenchError("this system has no /proc/PID/task/*/schedstat (CONFIG_SCHED_INFO)")
        return sum(int(fields[0]) for fields in each), sum(int(fields[2]) for fields in each)

    def private_bytes(self) -> int:
        """Memory that belongs to it alone and that it has written to."""
        try:
            text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        except OSError as error:
            raise BenchError(f"cannot read the memory of {self.role}: {error}") from error
        for line in text.splitlines():
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
        raise BenchError(f"no Private_Dirty in the smaps_rollup of {self.role}")

    def close_input(self) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()

    def finish(self) -> None:
        """Waits for its own end, which must be a good one."""
        self.close_input()
        try:
            code = self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{self.role} did not end in {STOP_TIMEOUT_S:.0f} s") from error
        if code != 0:
            raise BenchError(f"{self.role} ended with {describe_exit(code)}")

    def stop(self) -> dict[str, float]:
        """Tells a server to stop, and returns what it reports at its end."""
        self.close_input()
        report = self.read_json(STOP_TIMEOUT_S)
        self.finish()
        return report

    def kill(self) -> None:
        """Ends it at once if it still runs, and releases what it held."""
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self.close_input()
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._stderr.close()

    def describe(self) -> str:
        """What can be said about it after a failure."""
        code = self._child.poll()
        state = "still running" if code is None else f"ended with {describe_exit(code)}"
        lines = [f"  {self.role} ({state}): {' '.join(self.command)}"]
        size = os.fstat(self._stderr.fileno()).st_size
        start = max(0, size - STDERR_TAIL_BYTES)
        tail = os.pread(self._stderr.fileno(), STDERR_TAIL_BYTES, start)
        lines += [f"    stderr: {line}" for line in tail.decode(errors="replace").splitlines()]
        return "\n".join(lines)


class ProcessGroup:
    """The processes of one measurement. At its end, whatever the reason, none of them is left."""

    def __init__(self) -> None:
        self._processes: list[Process] = []

    def start(self, role: str, command: list[str], core: int) -> Process:
        process = Process(role, command, core)
        self._processes.append(process)
        return process

    def __enter__(self) -> ProcessGroup:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        details = ""
        if isinstance(error, BenchError):
            details = "\n".join(process.describe() for process in self._processes)
        for process in reversed(self._processes):
            process.kill()
        if details:
            raise BenchError(f"{error}\n{details}") from error


def describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
