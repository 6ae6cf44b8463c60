"""What the cases of suite package are made of: commands, what they should print, an installation."""

import difflib
import os
import subprocess
from pathlib import Path

TIME_LIMIT_S = 300
# What the consumer's programs print.
RPC = "add: 5\nnothing: no such function\n"
GREETED = RPC + "greet: Hello, Ada\n"
CONSUMER = Path(__file__).resolve().parent / "consumer"


class Wrong(Exception):
    """What is wrong, for the reader of the test's output."""


def run(command, cwd=None, **variables):
    """Its standard output; Wrong if it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, cwd=cwd, env=os.environ | variables, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as expired:
        raise Wrong(f"took more than {TIME_LIMIT_S} s: {' '.join(words)}") from expired
    if done.returncode != 0:
        raise Wrong(f"ended with status {done.returncode}: {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(found, wanted, what):
    if found != wanted:
        difference = difflib.unified_diff(str(wanted).splitlines(), str(found).splitlines(), n=0, lineterm="")
        lines = [line for line in difference if not line.startswith(("---", "+++", "@@"))]
        raise Wrong(f"{what} is not what it should be (- is wanted, + was found)\n" + "\n".join(lines))


def needed_libraries(program):
    lines = run(["readelf", "-d", program]).splitlines()
    return [line.split("[")[1].rstrip("]") for line in lines if "(NEEDED)" in line]


class Installation:
    """What `meson install` gives, moved to where it was not made for: everything must find the rest from where it is."""

    def __init__(self, options, folder):
        self.root, self.build, self.folder = Path(options.root), Path(options.build), folder
        self.compiler = options.compiler
        stage = folder / "stage"
        run(["meson", "install", "--no-rebuild", "--quiet", "-C", self.build, "--destdir", stage])
        self.prefix = folder / "onward"
        (stage / options.prefix.lstrip("/")).rename(self.prefix)
        self.libdir = self.prefix / options.libdir

    def pkg_config(self, *arguments):
        return run(["pkg-config", *arguments], PKG_CONFIG_PATH=str(self.libdir / "pkgconfig")).split()
