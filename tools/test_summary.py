#!/usr/bin/env python3
"""Counts single test cases from what `meson test` recorded, and says so in one line.

usage: test_summary.py TESTLOG_JSON MESON_STATUS

Reads Meson's testlog.json: one JSON object a line for each run of each test program. A program's own
output tells its cases: GoogleTest's, or TAP's. A case that began and did not end failed (the program
crashed, hung or called exit). A program that failed although none of its cases did (a leak reported
at exit, say) counts as one more failure. A program that speaks neither format is one case.

The last line printed is `N passed, N failed`; the exit status is 0 only if something ran and nothing
failed.
"""

import json
import re
import sys
from dataclasses import dataclass, field

LOG_TAIL_LINES = 60

GTEST_EVENT = re.compile(r"\[ *(RUN|OK|FAILED|SKIPPED) *\] ([\w/]+\.[\w/]+)")
GTEST_BANNER = re.compile(r"^\[=+\] Running (\d+) tests? from", re.MULTILINE)
TAP_PLAN = re.compile(r"^1\.\.\d+", re.MULTILINE)
TAP_LINE = re.compile(
    r"^(not ok|ok)\b(?:\s+\d+)?(?:\s*-)?\s*([^#\n]*)(#\s*skip)?", re.MULTILINE | re.IGNORECASE
)


@dataclass
class Counts:
    passed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)  # names

    def add(self, other):
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures += other.failures


def count_gtest(output):
    counts = Counts()
    running = None
    not_begun = int(GTEST_BANNER.search(output)[1])
    for event, name in GTEST_EVENT.findall(output):
        if event == "RUN":
            if running:
                counts.failures.append(f"{running} (did not end)")
            running = name
            not_begun -= 1
            continue
        if name != running:
            continue  # the list of failures that GoogleTest repeats at its end
        running = None
        if event == "OK":
            counts.passed += 1
        elif event == "SKIPPED":
            counts.skipped += 1
        else:
            counts.failures.append(name)
    if running:
        counts.failures.append(f"{running} (did not end, {not_begun} cases after it did not run)")
    return counts


def count_tap(output):
    counts = Counts()
    planned = int(TAP_PLAN.search(output).group()[3:])
    for verdict, name, skip in TAP_LINE.findall(output):
        if skip:
            counts.skipped += 1
        elif verdict.lower() == "ok":
            counts.passed += 1
        else:
            counts.failures.append(name.strip() or "unnamed")
    seen = counts.passed + counts.skipped + len(counts.failures)
    if seen != planned:
        counts.failures.append(f"planned {planned} cases, ran {seen}")
    return counts


def count_program(run):
    """The cases of one run of one test program."""
    output = run.get("stdout") or ""
    result = run["result"]
    if GTEST_BANNER.search(output):
        counts = count_gtest(output)
    elif TAP_PLAN.search(output):
        counts = count_tap(output)
    elif result == "OK":
        return Counts(passed=1)
    elif result == "SKIP":
        return Counts(skipped=1)
    else:
        return Counts(failures=[describe_end(run)])
    if result not in ("OK", "SKIP") and not counts.failures:
        counts.failures.append(f"no case failed, but the program {describe_end(run)}")
    return counts


def describe_end(run):
    if run["result"] == "TIMEOUT":
        return f"did not end within {run['duration']:.0f} s"
    status = run.get("returncode", 0)
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"


def print_log(run):
    print(f"\n---- {run['name']}: the end of its output")
    for stream in ("stdout", "stderr"):
        lines = (run.get(stream) or "").rstrip().splitlines()
        if lines:
            print(f"-- {stream}")
            print("\n".join(lines[-LOG_TAIL_LINES:]))


def main():
    path, meson_status = sys.argv[1], int(sys.argv[2])
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            runs = [json.loads(line) for line in log if line.strip()]
    except FileNotFoundError:
        runs = []

    total = Counts()
    failed_lines = []
    for run in runs:
        counts = count_program(run)
        total.add(counts)
        if counts.failures:
            print_log(run)
            failed_lines += [f"FAILED {run['name']}: {name}" for name in counts.failures]
    if meson_status != 0 and not total.failures:
        failed_lines.append(f"FAILED meson test itself ended with status {meson_status}")
        total.failures.append("meson")

    print()
    for line in failed_lines:
        print(line)
    if total.skipped:
        print(f"{total.skipped} skipped")
    if total.passed == 0 and not total.failures:
        print("No test ran: nothing matches, or no test is registered. Check the suite and the filter.")
    print(f"{total.passed} passed, {len(total.failures)} failed", flush=True)
    return 0 if total.passed and not total.failures else 1


if __name__ == "__main__":
    sys.exit(main())
