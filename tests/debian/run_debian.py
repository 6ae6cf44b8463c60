#!/usr/bin/env python3
"""What debian/ says, beside the project that it packages.

usage: run_debian.py --root DIR --onward PROGRAM --version VERSION

Prints TAP; GTEST_FILTER selects cases by names like `Debian.versions`.
"""

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parent / "package")]
from run_package import Wrong, expect, run
from tap import Tap, selected

# Ten times what `systemd-analyze security` may find the service to be exposed.
MOST_EXPOSED = 15
# In build_packages of ./dev, but for tests, benchmarks and what they are run with.
NOT_PACKAGED = {"dpkg-dev", "libgtest-dev", "libgmock-dev", "libbenchmark-dev", "python3"}


class Source:
    """Cases. Each method that begins with test_ is one."""

    def __init__(self, options, folder):
        self.root, self.onward, self.version, self.folder = Path(options.root), options.onward, options.version, folder
        self.debian = self.root / "debian"

    def unit(self):
        """A copy of it that runs the program that was built, where systemd-analyze takes it for what it is."""
        unit = self.folder / "onward@.service"
        unit.write_text((self.debian / unit.name).read_text().replace("/usr/bin/onward", self.onward))
        return unit

    def test_versions(self):
        first = (self.debian / "changelog").read_text().splitlines()[0]
        found = re.fullmatch(r"onward \((\S+)\) (\S+); urgency=\w+", first)
        if found is None:
            raise Wrong(f"debian/changelog begins with: {first}")
        expect(found[1], self.version, "the version in debian/changelog, beside that in meson.build,")
        sections = re.findall(r"^## \[(.*?)\]", (self.root / "CHANGELOG.md").read_text(), re.MULTILINE)
        expect(sections[0], "Unreleased" if found[2] == "UNRELEASED" else self.version, "the newest section of CHANGELOG.md")

    def test_build_dependencies(self):
        control = (self.debian / "control").read_text()
        wanted = re.search(r"^Build-Depends:(.*?)^\S", control, re.MULTILINE | re.DOTALL)[1]
        named = {each.split()[0] for each in wanted.split(",")} - {"debhelper-compat", "dh-python"}
        listed = set(re.search(r"^build_packages=\((.*?)\)", (self.root / "dev").read_text(), re.MULTILINE | re.DOTALL)[1].split())
        expect("\n".join(sorted(named)), "\n".join(sorted(listed - NOT_PACKAGED)), "Build-Depends, beside what ./dev installs,")

    def test_example_configuration(self):
        run([self.onward, "node", "--check", "--config", self.debian / "example.toml"])

    def test_unit(self):
        if shutil.which("systemd-analyze"):
            verify = f"systemd-analyze verify --man=no '{self.unit()}' 2>&1"  # a warning leaves its status 0
            expect(run(["sh", "-c", verify]), "", "what systemd says of the service")

    def test_unit_is_hardened(self):
        if shutil.which("systemd-analyze"):
            run(["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", self.unit()])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", required=True, help="of this project")
    parser.add_argument("--onward", required=True, help="the program")
    parser.add_argument("--version", required=True, help="of this project")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onward-debian-") as folder:
        return run_cases(Source(options, Path(folder)))


def run_cases(subject, order=None):
    """Those of `subject`, in this order, or that of their names; the exit status."""
    names = order or [name.removeprefix("test_") for name in dir(subject) if name.startswith("test_")]
    names = [name for name in names if selected("Debian." + name)]
    tap = Tap(len(names))
    for name in names:
        try:
            getattr(subject, "test_" + name)()
            complaint = ""
        except Wrong as wrong:
            complaint = str(wrong)
        tap.report("Debian." + name, complaint)
    tap.repeat_failures()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
