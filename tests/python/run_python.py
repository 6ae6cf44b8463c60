#!/usr/bin/env python3
"""Runs the tests of the Python package, and prints TAP. GTEST_FILTER selects cases by names like
`Python/test_futures.test_callbacks_run_in_order`, as it does for the tests in C++.

usage: run_python.py --package FOLDER [--onward PROGRAM] [PYTEST ARGUMENT…]
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.dont_write_bytecode = True
from tap import Tap, selected  # noqa: E402


def name_of(item):
    module, _, case = item.nodeid.partition("::")
    return f"Python/{Path(module).stem}.{case.replace('::', '.')}"


class TapPlugin:
    """Prints a line for each case instead of pytest's report."""

    def __init__(self):
        self.tap = None
        self.problems = {}

    def pytest_addoption(self, parser):
        # The terminal's, which is switched off; comparisons of what is unequal ask for it.
        parser.addoption("--verbose", action="count", default=0, dest="verbose")

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if selected(name_of(item))]

    def pytest_collection_finish(self, session):
        self.tap = Tap(len(session.items))
        self.names = {item.nodeid: name_of(item) for item in session.items}

    def pytest_runtest_logreport(self, report):
        if report.failed:
            text = str(report.longrepr) + "".join(f"\n--- {title}\n{text}" for title, text in report.sections)
            self.problems.setdefault(report.nodeid, []).append(f"{report.when}:\n{text}")
        if report.when == "teardown":
            self.tap.report(self.names[report.nodeid], "\n".join(self.problems.get(report.nodeid, [])))

    def pytest_collectreport(self, report):
        if report.failed:
            print(f"# {report.nodeid} cannot be read:\n{report.longrepr}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--package", required=True, help="the folder that `import onward` finds the package in")
    parser.add_argument("--root", help="the project's folder")
    parser.add_argument("--onward", help="the program `onward`, for the tests that call C++ nodes")
    options, rest = parser.parse_known_args()
    package = str(Path(options.package).resolve())
    sys.path.insert(0, package)
    # For the processes that tests start.
    os.environ["PYTHONPATH"] = os.pathsep.join([package, str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    if options.onward:
        os.environ["ONWARD_PROGRAM"] = str(Path(options.onward).resolve())
    try:
        import pytest
    except ImportError:
        print("1..0 # SKIP pytest is missing: ./dev test installs it")
        return 0
    plugin = TapPlugin()
    with tempfile.TemporaryDirectory(prefix="onward-python-") as folder:
        status = pytest.main(["-p", "no:cacheprovider", "-p", "no:terminal", "--rootdir", str(HERE), "--basetemp",
                              f"{folder}/pytest", *(rest or [str(HERE)])], plugins=[plugin])
    if plugin.tap is None:
        print("1..0 # SKIP nothing could be collected")
        return 1
    plugin.tap.repeat_failures()
    return 0 if status in (0, 5) else 1


if __name__ == "__main__":
    sys.exit(main())
