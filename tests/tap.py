"""What a test written in Python prints, and which of its cases run: TAP, as tools/test_summary.py counts it."""

import fnmatch
import os

FEW_LINES = 20


def selected(name):
    """Whether GTEST_FILTER wants it: patterns joined by ':', those behind '-' excluded."""
    wanted, _, unwanted = os.environ.get("GTEST_FILTER", "*").partition("-")
    matches = lambda patterns: any(fnmatch.fnmatchcase(name, each) for each in patterns.split(":") if each)
    return matches(wanted or "*") and not matches(unwanted)


class Tap:
    def __init__(self, count):
        self.number = self.failed = 0
        self.complaints = []
        print(f"1..{count}", flush=True)

    def report(self, name, complaint=""):
        self.number += 1
        self.failed += bool(complaint)
        print(f"{'not ok' if complaint else 'ok'} {self.number} - {name}", flush=True)
        if complaint:
            self.complaints.append("".join(f"# {line}\n" for line in complaint.rstrip().split("\n")))
            print(self.complaints[-1], end="", flush=True)

    def repeat_failures(self):
        """At the end, where people look, and to which logs are cut."""
        if self.number > FEW_LINES and self.complaints:
            print("# What failed, again:\n" + "".join(self.complaints), end="", flush=True)
