#!/usr/bin/env python3
"""The Debian packages, as who installs them sees it: installs, uses and purges them. For root; `./dev deb --check`.

usage: run_installed.py --root DIR --packages DIR

Refuses to begin where one of them is installed already, or has left something; what they need must be there. Leaves the
system as it was. Prints TAP, and as its last line `N passed, N failed`; GTEST_FILTER selects cases by names like
`Debian.node`, of which `Debian.install` and `Debian.purge` always run.
"""

import argparse
import os
import pwd
import select
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parent / "package")]
import run_service
from run_debian import MOST_EXPOSED
from run_package import CONSUMER, GREETED, Wrong, expect, needed_libraries, run
from tap import Tap, selected

PACKAGES = ["libonward0", "libonward-dev", "onward", "python3-onward"]
USER = "onward"
PATIENCE_S = 30
# Where there is something of a node, or was.
CONFIGURATION, RUNTIME, STATE = FOLDERS = [Path(path) for path in ("/etc/onward", "/run/onward", "/var/lib/onward")]
URL = "unix:///run/onward/example/socket"
CALL = ["onward", "call", URL, "rfc.my_add_2", "1", "2"]


class Skipped(Exception):
    """Why the system has not what the case needs."""


def installed_packages():
    """And those of which something is left."""
    lines = run(["dpkg-query", "-W", "-f=${Package} ${Version} ${db:Status-Status}\n"]).splitlines()
    return [line for line in lines if not line.endswith(" not-installed")]


def has_user():
    return any(entry.pw_name == USER for entry in pwd.getpwall())


def as_user(user, groups, command):
    """The command, run as that user, in these groups alone."""
    return ["setpriv", f"--reuid={user}", f"--regid={groups[0]}", f"--groups={','.join(groups)}", *command]


class NotifySocket:
    """Where a service tells systemd how it is."""

    def __init__(self):
        self.address = f"@onward-check-{os.getpid()}"
        self.alive = False  # whether the watchdog was told so
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind("\0" + self.address[1:])

    def receive(self):
        if not select.select([self.socket], [], [], PATIENCE_S)[0]:
            return "nothing"
        return self.socket.recv(4096).decode()

    def expect(self, wanted):
        """The next one that is not about the watchdog has these lines among its own."""
        while (received := self.receive()) == "WATCHDOG=1":
            self.alive = True
        if missing := [line for line in wanted if line not in received.splitlines()]:
            raise Wrong(f"the service manager is told {received!r}, and not {missing}")


class Unit:
    """onward@.service as it is installed, for the instance `example`: run as systemd would, but without its sandbox."""

    def __init__(self):
        [path] = [line for line in run(["dpkg", "-L", "onward"]).splitlines() if line.endswith("/onward@.service")]
        self.path = Path(path)
        lines = [line for line in self.path.read_text().splitlines() if "=" in line and not line.startswith("#")]
        self.values = dict(line.replace("%i", "example").replace("%S", "/var/lib").split("=", 1) for line in lines)

    def __getitem__(self, key):
        return self.values[key]

    def start(self, log, variables):
        user = pwd.getpwnam(self["User"])
        for parent, kind in ((RUNTIME.parent, "Runtime"), (STATE.parent, "State")):
            folder = parent / self[kind + "Directory"]
            folder.mkdir(parents=True)
            os.chown(folder, user.pw_uid, user.pw_gid)
            folder.chmod(int(self[kind + "DirectoryMode"], 8))
        return subprocess.Popen(shlex.split(self["ExecStart"]), cwd=self["WorkingDirectory"], user=user.pw_uid,
                                group=user.pw_gid, extra_groups=[], umask=int(self["UMask"], 8), stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, env=os.environ | variables)


class Packages:
    """Cases, run in the order in which they stand. Each method that begins with test_ is one."""

    def __init__(self, options, folder):
        self.root, self.folder, self.had_user = Path(options.root), folder, has_user()
        self.files = [path for name in PACKAGES for path in Path(options.packages).glob(f"{name}_*.deb")]
        [self.changes] = Path(options.packages).glob("onward_*.changes")
        self.before = installed_packages()
        self.project = folder / "consumer"

    def refusal(self):
        """Why this is no system to install them in; empty if it is one."""
        if os.geteuid() != 0:
            return "this installs packages: run it as root, or through ./dev deb --check"
        if there := [line for line in self.before if line.split()[0] in PACKAGES]:
            return f"there already: {', '.join(there)}. Purge it first: apt-get purge {' '.join(PACKAGES)}"
        if there := [str(path) for path in FOLDERS if path.exists()]:
            return f"there already: {', '.join(there)}. It would be changed or removed: move it away first"
        return ""

    def test_lintian(self):
        # It leaves some of its temporary files.
        with tempfile.TemporaryDirectory(dir=self.changes.parent) as folder:
            run(["lintian", "--allow-root", "--fail-on=error,warning", self.changes], TMPDIR=folder)

    def test_service(self):
        """docs/PACKAGING.md, in a copy of this system."""
        if why := run_service.why_not():
            raise Skipped(why)
        if wrong := run_service.complaint(self.root):
            raise Wrong(wrong)

    def test_install(self):
        expect(len(self.files), len(PACKAGES), "the number of packages")
        run(["dpkg", "--install", *self.files])
        expect(run(["dpkg", "--verify", *PACKAGES]), "", "what dpkg says of the installed files")
        if not has_user():
            raise Wrong(f"there is no user {USER} now")

    def test_version(self):
        expect(run(["dpkg-query", "-W", "-f=onward ${Version}\n", "onward"]), run(["onward", "--version"]), "the version")

    def test_node(self):
        unit, told = Unit(), NotifySocket()
        watchdog_us = str(int(unit["WatchdogSec"]) * 1_000_000)
        log = self.folder / "node.log"
        with open(log, "w", encoding="utf-8") as sink:
            node = unit.start(sink, {"NOTIFY_SOCKET": told.address, "WATCHDOG_USEC": watchdog_us})
        try:
            self.use_node(node, unit, told)
        except Wrong as wrong:
            raise Wrong(f"{wrong}\nthe node printed:\n{log.read_text()}") from wrong
        finally:
            node.kill()
            node.wait()

    def use_node(self, node, unit, told):
        expect(unit["Type"], "notify", "how systemd knows that the node is ready")
        told.expect(["READY=1", f"STATUS=example listens on {URL}"])
        if "rfc.my_add_2" not in (listed := run(["onward", "list", URL])):
            raise Wrong(f"`onward list` does not have rfc.my_add_2: {listed}")
        expect(run(CALL), "3\n", "what root gets from the node")
        expect(run(as_user("nobody", ["nogroup", unit["Group"]], CALL)), "3\n", "what a member of the group gets")
        try:
            run(as_user("nobody", ["nogroup"], CALL))
        except Wrong as wrong:
            if "permission denied" not in str(wrong):
                raise
        else:
            raise Wrong("somebody who is not of the group onward may call the node")
        run(["sh", "-c", unit["ExecReload"]], MAINPID=str(node.pid))
        told.expect(["RELOADING=1"])
        told.expect(["READY=1"])
        if not told.alive:
            raise Wrong("the service manager's watchdog was not told that the node is alive")
        node.send_signal(signal.SIGTERM)
        told.expect(["STOPPING=1"])
        expect(node.wait(PATIENCE_S), 0, "the node's exit status")

    def test_python(self):
        """As Debian's own interpreter finds it, with a module in C++ from beside it."""
        lines = ["import onward.rpc as rpc", "rpc.init_rpc(config={'name': 'me', 'modules': [{'name': 'rfc', 'dst': 'me'}]})",
                 "print(rpc.rpc_sync('me', 'rfc.my_add_2', (1, 2)))", "rpc.shutdown()"]
        if (printed := run(["/usr/bin/python3", "-c", "\n".join(lines)], PYTHONPATH="")).splitlines()[-1] != "3":
            raise Wrong(f"a call in Python printed {printed!r}")

    def test_unit(self):
        unit = Unit()
        if shutil.which("systemd-analyze"):
            instance = str(unit.path).replace("@.", "@example.")
            expect(run(["sh", "-c", f"systemd-analyze verify '{instance}' 2>&1"]), "", "what systemd says of the service")
            run(["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit.path])

    def test_program(self):
        shutil.copytree(CONSUMER, self.project)
        # What else it builds takes as long, and is the business of suite package.
        commands = [line for line in (self.project / "build.sh").read_text().splitlines()
                    if line.startswith("g++") and ("-o rpc_over_tcp " in line or "-o greeter.so " in line)]
        expect(len(commands), 2, "the number of commands taken from build.sh")
        run(["sh", "-c", " && ".join(commands)], cwd=self.project)
        expect(run([self.project / "rpc_over_tcp", self.project]), GREETED, "the output of a program, and of a module")
        if "libonward.so.0" not in needed_libraries(self.project / "rpc_over_tcp"):
            raise Wrong("the program does not need libonward.so.0")

    def test_cmake(self):
        run(["cmake", "-S", CONSUMER, "-B", self.folder / "cmake", "-G", "Ninja"])

    def test_module(self):
        modules = Path(run(["pkg-config", "--variable=moduledir", "onward-module"]).strip()).resolve()
        expect(sorted(path.name for path in modules.iterdir()), ["rfc.so", "search.so"], "the list of modules")
        module = modules / "greeter.so"
        configuration = self.folder / "node.toml"
        configuration.write_text('name = "n"\n[[modules]]\nname = "greeter"\ngreeting = "Hi"\n')
        if not (self.project / module.name).exists():
            raise Wrong("there is no module to load: see the case Debian.program")
        shutil.copy(self.project / module.name, module)
        try:
            said = run(["onward", "node", "--check", "--config", configuration])
        finally:
            module.unlink()
        if "modules: 1" not in said:
            raise Wrong(f"the module is not used: {said}")

    def test_development_packages(self):
        """libonward-dev brings what its pkg-config files ask for."""
        depends = run(["dpkg-query", "-W", "-f=${Depends}", "libonward-dev"])
        named = {each.split()[0] for each in depends.split(",")}
        folders = run(["pkg-config", "--variable=pc_path", "pkg-config"]).strip().split(":")
        for package in run(["pkg-config", "--print-requires-private", "onward"]).splitlines():
            [file] = [path for folder in folders if (path := Path(folder) / f"{package.split()[0]}.pc").exists()]
            owner = run(["dpkg", "-S", file]).split(":")[0]
            if owner not in named:
                raise Wrong(f"libonward-dev needs {file}, which is in {owner}, and depends on {depends}")

    def test_manual_and_completion(self):
        listed = run(["dpkg", "-L", "onward"]).splitlines()
        for file in ("man/man1/onward.1.gz", "man/man1/onward-node.1.gz", "bash-completion/completions/onward",
                     "zsh/vendor-completions/_onward"):
            if f"/usr/share/{file}" not in listed:
                raise Wrong(f"the package has no /usr/share/{file}")
        # Small systems are set up to be without them.
        if Path("/usr/share/man/man1/onward.1.gz").exists() and shutil.which("man"):
            expect(run(["man", "-w", "onward", "onward-node"]).split(),
                   [f"/usr/share/man/man1/{name}.1.gz" for name in ("onward", "onward-node")], "where `man` finds the pages")
        completes = "source /usr/share/bash-completion/completions/onward && complete -p onward"
        expect(run(["bash", "-c", completes]), "complete -F _onward onward\n", "how bash completes")
        if shutil.which("zsh"):
            run(["zsh", "-fc", "autoload -Uz compinit && compinit -D && [[ $_comps[onward] = _onward ]]"])

    def test_purge(self):
        files = [Path(line) for line in run(["dpkg", "-L", *PACKAGES]).splitlines()]
        files = [path for path in files if path.is_file()]  # and links to files
        run(["dpkg", "--purge", *PACKAGES])
        left = [str(path) for path in [*files, CONFIGURATION, STATE] if os.path.lexists(path)]
        if left:
            raise Wrong(f"is still there: {', '.join(left)}")
        expect("\n".join(installed_packages()), "\n".join(self.before), "the list of packages, after and before,")

    def clean_up(self):
        """Whatever has happened."""
        subprocess.run(["dpkg", "--purge", *PACKAGES], capture_output=True, check=False)
        for path in FOLDERS:
            shutil.rmtree(path, ignore_errors=True)
        if has_user() and not self.had_user:
            subprocess.run(["userdel", USER], capture_output=True, check=True)


def run_cases(packages):
    names = list(dict.fromkeys(name.removeprefix("test_") for name in vars(Packages) if name.startswith("test_")))
    names = [name for name in names if name in ("install", "purge") or selected("Debian." + name)]
    tap, skipped = Tap(len(names)), 0
    try:
        for name in names:
            complaint = note = ""
            try:
                getattr(packages, "test_" + name)()
            except Skipped as why:
                note, skipped = f" # skip {why}", skipped + 1
            except (Wrong, OSError) as wrong:
                complaint = str(wrong)
            tap.report("Debian." + name + note, complaint)
    finally:
        packages.clean_up()
    tap.repeat_failures()
    print(f"{tap.number - tap.failed - skipped} passed, {tap.failed} failed")
    return 1 if tap.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", required=True, help="of this project")
    parser.add_argument("--packages", required=True, help="the folder that they are in")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onward-debian-") as folder:
        Path(folder).chmod(stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH)
        packages = Packages(options, Path(folder))
        if why := packages.refusal():
            sys.exit(f"run_installed.py: {why}")
        return run_cases(packages)


if __name__ == "__main__":
    # Ends in the ordinary way, so that nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("run_installed.py: ended by SIGTERM"))
    sys.exit(main())
