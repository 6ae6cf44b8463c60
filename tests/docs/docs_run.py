"""Blocks that run: programs, commands, nodes in the background."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

from docs_page import DocsError

TIME_LIMIT_S = 60
READY_LIMIT_S = 20
STOP_LIMIT_S = 10
LOG_TAIL_LINES = 10
# What a node prints when it can be called.
READY = re.compile(r"^ready ", re.MULTILINE)
# A sanitizer's build has no Python package; what needs it is only read.
USES_PACKAGE = re.compile(r"^(?:import|from) onward\b", re.MULTILINE)


def pattern(expected):
    """`…` in a line stands for any text, a line of it alone for any lines."""
    parts = [r"(?:.*\n)*?" if line.strip() == "…" else ".*".join(map(re.escape, line.rstrip().split("…"))) + r"\n"
             for line in expected.strip("\n").split("\n")]
    return re.compile("".join(parts))


def check_output(expected, printed):
    lines = "".join(line.rstrip() + "\n" for line in printed.strip("\n").split("\n"))
    if not pattern(expected).fullmatch(lines):
        raise DocsError(f"it should print:\n{expected.rstrip()}\nbut printed:\n{lines.rstrip()}")


class Session:
    """One page's folder, and the processes that it has started."""

    def __init__(self, folder, onward, slow):
        self.folder, self.slow = folder, slow
        self.directory = folder  # where commands run
        self.environment = dict(os.environ, HOME=str(folder), TMPDIR=str(folder), LC_ALL="C.UTF-8")
        # The folder of the Python package `onward`, where it was built.
        self.package = os.environ.get("ONWARD_PYTHON")
        if self.package:
            self.environment["PYTHONPATH"] = self.package
        self.onward = onward
        if onward:
            self.environment["PATH"] = f"{os.path.dirname(onward)}:{os.environ['PATH']}"
            # Where it is for who stands in a checkout that was built.
            built = folder / "build/release/node"
            built.mkdir(parents=True)
            (built / "onward").symlink_to(onward)
        self.background = []  # (process, log)
        self.printed = ""

    def run(self, command, name):
        """Runs a command to its end, and keeps what it printed."""
        limit = TIME_LIMIT_S * self.slow
        with open(self.folder / "output.log", "w+", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen(command, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                status = None
                end(process)
            log.seek(0)
            self.printed = log.read()
        if status is None:
            raise DocsError(f"{name} took more than {limit} s; it printed:\n{self.printed.rstrip()}")
        if status != 0:
            raise DocsError(f"{name} ended with status {status}; it printed:\n{self.printed.rstrip()}")

    def start(self, command):
        """Starts a node, and returns when it can be called."""
        path = self.folder / f"background_{len(self.background)}.log"
        with open(path, "w", encoding="utf-8") as log:
            process = subprocess.Popen(["bash", "-c", "exec " + command], cwd=self.directory, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                       start_new_session=True)
        self.background.append((process, path))
        deadline = time.monotonic() + READY_LIMIT_S * self.slow
        while not READY.search(path.read_text(errors="replace")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise DocsError(f"`{command}` does not say `ready`; it printed:\n{path.read_text(errors='replace').rstrip()}")
            time.sleep(0.01)

    def console(self, text):
        for command, expected in commands(text):
            if command.startswith("cd "):
                self.directory = (self.directory / command.removeprefix("cd ")).resolve()
            elif command.endswith("&"):
                self.start(command[:-1].rstrip())
            else:
                self.run(["bash", "-euo", "pipefail", "-c", command], f"`{command}`")
                if expected.strip():
                    check_output(expected, self.printed)

    def script(self, text):
        self.run(["bash", "-euo", "pipefail", "-c", text], "the script")

    def check_config(self, path):
        if not self.onward:
            raise DocsError("there is no program `onward` to check this with; give --onward")
        self.run([self.onward, "node", "--check", "--config", path], "onward node --check")

    def python(self, path, run):
        source = (self.folder / path).read_text(encoding="utf-8")
        try:
            compile(source, path, "exec")
        except SyntaxError as error:
            raise DocsError(f"line {error.lineno} of the block: {error.msg}") from error
        if not run:
            return
        if self.package or not USES_PACKAGE.search(source):
            self.run([sys.executable, path], "python3")
        else:
            self.printed = None

    def background_logs(self):
        """What the nodes in the background have printed lately, for a failure's reader."""
        text = ""
        for process, log in self.background:
            tail = log.read_text(errors="replace").rstrip().split("\n")[-LOG_TAIL_LINES:]
            text += f"\nthe node with process id {process.pid} printed:\n" + "\n".join(tail)
        return text

    def close(self):
        """Ends what still runs; returns what went wrong with it, as lines."""
        complaints = []
        for process, log in reversed(self.background):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_LIMIT_S * self.slow)
                except subprocess.TimeoutExpired:
                    complaints.append(f"a node did not end on SIGTERM; it printed:\n{log.read_text(errors='replace')}")
            end(process)
        self.background = []
        shutil.rmtree(self.folder, ignore_errors=True)
        return complaints


def end(process):
    """Kills a process and what it has started: its own session's group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def commands(text):
    """(command, expected output) pairs. A command ends with its line, or goes on behind a backslash."""
    found = []
    for line in text.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            found.append([line[2:], ""])
        elif not found:
            raise DocsError("a console block begins with a command: `$ …`")
        elif found[-1][0].endswith("\\"):
            found[-1][0] = found[-1][0][:-1] + line
        else:
            found[-1][1] += line + "\n"
    return found
