#!/usr/bin/env python3
"""Runs the fuzz targets, or takes what they found into the corpus. Called by `./dev fuzz`, which builds them.

The last line is `N passed, N failed`, one for each target; the exit status is 0 only if none failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree stays as it is

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "asan" / "fuzz"
PROGRAMS = ROOT / "build" / "asan" / "tests" / "fuzz"
AT_A_TIME = 2
# Bounds of each target: memory, one input's time and size, and what it may take to start and stop.
RSS_LIMIT_MB = 1024
INPUT_TIMEOUT_S = 10
MAX_INPUT_BYTES = 16 << 10
SLACK_S = 120
LOG_TAIL_LINES = 60

DONE = re.compile(r"^#(\d+)\s+DONE\s+cov: (\d+).*?corp: (\d+)/(\S+).*?exec/s: (\d+)", re.MULTILINE)
ARTIFACT = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True)
class Target:
    name: str

    @property
    def program(self) -> Path:
        return PROGRAMS / f"{self.name}_fuzz"

    @property
    def corpus(self) -> Path:
        """In git."""
        return HERE / "corpus" / self.name

    @property
    def finds(self) -> Path:
        """Of earlier runs here: a run begins with them, too."""
        return BUILD / "corpus" / self.name

    @property
    def log(self) -> Path:
        return BUILD / f"{self.name}.log"

    def command(self, *options: str) -> list[str]:
        limits = [f"-rss_limit_mb={RSS_LIMIT_MB}", f"-timeout={INPUT_TIMEOUT_S}"]
        crashes = BUILD / "crashes"
        crashes.mkdir(parents=True, exist_ok=True)
        return [str(self.program), *limits, f"-artifact_prefix={crashes}/{self.name}-", *options]


def all_targets() -> list[Target]:
    return [Target(path.name.removesuffix("_fuzz.cpp")) for path in sorted(HERE.glob("*_fuzz.cpp"))]


def environment() -> dict[str, str]:
    values = dict(os.environ)
    values["ASAN_OPTIONS"] = "detect_stack_use_after_return=1:" + values.get("ASAN_OPTIONS", "")
    values["UBSAN_OPTIONS"] = "print_stacktrace=1:" + values.get("UBSAN_OPTIONS", "")
    values["ASAN_SYMBOLIZER_PATH"] = "/usr/lib/llvm-19/bin/llvm-symbolizer"
    return values


def run(target: Target, seconds: int, seed: int) -> bool:
    """Fuzzes, and prints one line, or what was found. True if nothing was."""
    target.finds.mkdir(parents=True, exist_ok=True)
    options = (f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}", f"-seed={seed}")
    command = target.command(*options, str(target.finds), str(target.corpus))
    with target.log.open("w") as log:
        try:
            code = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                  env=environment(), timeout=seconds + SLACK_S, check=False).returncode
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
    text = target.log.read_text(errors="replace")
    done = DONE.search(text)
    if code == 0 and done:
        executions, coverage, inputs, size, rate = done.groups()
        print(f"{target.name}: {int(executions):,} executions, {int(rate):,} a second; coverage {coverage}, "
              f"corpus {inputs} inputs ({size})", flush=True)
        return True
    tail = "\n".join(text.splitlines()[-LOG_TAIL_LINES:])
    artifact = ARTIFACT.search(text)
    print(f"{target.name}: FAILED, ended with {code}; the end of {target.log}:\n{tail}\n"
          + (f"the input: {artifact[1]}\nto see it again: {target.program} {artifact[1]}\n"
             f"when it is mended, keep it in {target.corpus.relative_to(ROOT)}/" if artifact else ""), flush=True)
    return False


def merge(target: Target) -> None:
    """Adds to the corpus in git as few finds as reach what it does not."""
    target.finds.mkdir(parents=True, exist_ok=True)
    before = len(list(target.corpus.iterdir()))
    command = target.command("-set_cover_merge=1", str(target.corpus), str(target.finds))
    with target.log.open("w") as log:
        subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment(), check=True)
    files = list(target.corpus.iterdir())
    size = sum(file.stat().st_size for file in files)
    print(f"{target.name}: {len(files) - before} inputs added, now {len(files)} with {size:,} bytes")
    shutil.rmtree(target.finds)


def parse_arguments() -> argparse.Namespace:
    names = [target.name for target in all_targets()]
    parser = argparse.ArgumentParser(prog="./dev fuzz", description="Runs the fuzz targets, two at a time.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"default: all: {', '.join(names)}")
    parser.add_argument("--seconds", type=int, default=60, help="how long each runs (default: 60)")
    parser.add_argument("--seed", type=int, default=0,
                        help="as CI has it: the same inputs for the same code (default: others each time)")
    parser.add_argument("--merge", action="store_true",
                        help="run nothing; take what earlier runs found into tests/fuzz/corpus")
    arguments = parser.parse_args()
    if arguments.seconds < 1:
        parser.error("--seconds must be positive")
    for name in arguments.targets:
        if name not in names:
            parser.error(f"there is no target {name}; there are {', '.join(names)}")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    targets = [each for each in all_targets() if not arguments.targets or each.name in arguments.targets]
    if arguments.merge:
        for target in targets:
            merge(target)
        return 0
    with ThreadPoolExecutor(AT_A_TIME) as workers:
        passed = sum(workers.map(lambda target: run(target, arguments.seconds, arguments.seed), targets))
    print(f"{passed} passed, {len(targets) - passed} failed")
    return 0 if passed == len(targets) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("fuzz: interrupted")
