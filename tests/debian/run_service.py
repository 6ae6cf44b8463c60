#!/usr/bin/env python3
"""docs/PACKAGING.md, followed by an administrator: its commands as they stand, under systemd.

usage: run_service.py --root DIR

For root. Runs in namespaces of its own, on a copy of this system that is forgotten: machine.sh. There it is called again
with --inside, installs the packages as the page says, and prints what does not happen as the page says.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parent / "docs")]
from docs_page import SERVICE_PAGE, DocsError, Page
from docs_run import Session

TIME_LIMIT_S = 180
UNSHARE = ["unshare", "--fork", "--pid", "--kill-child", "--mount", "--uts", "--ipc", "--net", "--cgroup",
           "--propagation", "private"]
# In a mount namespace, with a folder to mount on and the name of a control group: runs the command in that group, of
# which the machine makes its own; and removes what there then is of it.
IN_GROUP = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
            'mount -t cgroup2 cgroup2 "$1" && mkdir "$1/$2" && echo $$ >"$1/$2/cgroup.procs" && umount "$1" && shift 2 && '
            'exec "$@"', "sh"]
REMOVE_GROUP = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                'mount -t cgroup2 cgroup2 "$1" && find "$1/$2" -depth -type d -exec rmdir {} ";"', "sh"]
DONE = "the page is done"


def why_not():
    """Why there can be no machine here; empty if there can."""
    for tool in ("unshare", "ip", "systemctl"):
        if subprocess.run(["sh", "-c", f"command -v {tool}"], capture_output=True, check=False).returncode != 0:
            return f"there is no {tool} here"
    with tempfile.TemporaryDirectory(prefix="onward-machine-") as folder:
        script = ('mount -t tmpfs t "$1" && mkdir "$1/u" "$1/w" "$1/r" && '
                  'mount -t overlay o -o "lowerdir=/,upperdir=$1/u,workdir=$1/w" "$1/r"')
        tried = in_group(folder, [*UNSHARE, "sh", "-c", script, "sh", folder])
    if tried.returncode == 0:
        return ""
    return f"this system does not give what a machine of its own needs: {tried.stderr.strip()}"


def in_group(folder, command):
    """Runs it in a control group of its own, which then goes."""
    groups = [line.split("::")[1] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    name = f"{groups[0].rstrip('/') if groups else ''}/onward-machine-{os.getpid()}"
    try:
        return subprocess.run([*IN_GROUP, folder, name, *map(str, command)], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=TIME_LIMIT_S, check=False)
    finally:
        subprocess.run([*REMOVE_GROUP, folder, name], capture_output=True, check=False)


def complaint(root):
    """What does not happen as the page says; empty if all does."""
    root = Path(root).resolve()
    with tempfile.TemporaryDirectory(prefix="onward-machine-") as folder:
        command = [*UNSHARE, "sh", HERE / "machine.sh", folder, root, sys.executable, "-B", HERE / "run_service.py",
                   "--root", root, "--inside"]
        try:
            machine = in_group(folder, command)
        except subprocess.TimeoutExpired:
            return f"the machine has not ended after {TIME_LIMIT_S} s; it printed:\n{printed_in(folder)}"
        output = printed_in(folder)
        if output.endswith(DONE + "\n"):
            return output.removesuffix(DONE + "\n")
        return f"the machine ended early:\n{output}{machine.stdout}{machine.stderr}"


def printed_in(folder):
    output = Path(folder) / "out/output"
    return output.read_text(errors="replace") if output.exists() else ""


def follow(root, session):
    """Prints what goes otherwise than the page says."""
    page = Page(root, root / SERVICE_PAGE)
    for block in page.blocks:
        if name := block.values.get("file"):
            (Path("/etc/onward") / name).write_text(block.text)
        if "service" not in block.flags:
            continue
        try:
            if block.language == "console":
                session.console(block.text)
            else:
                session.script(block.text)
        except DocsError as error:
            print(f"{block.place}: {error}")
            return  # what comes after stands on it


def inside(root):
    folder = Path(tempfile.mkdtemp(prefix="onward-page-", dir="/var/tmp"))
    (folder / "build").symlink_to(root / "build")
    # Package scripts and `useradd` look for what is here only.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    follow(root, Session(folder, None, 1))
    print(DONE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", required=True, help="of this project, which has build/deb")
    parser.add_argument("--inside", action="store_true", help="we are in the machine")
    options = parser.parse_args()
    if options.inside:
        return inside(Path(options.root))
    return why_not() or complaint(options.root)


if __name__ == "__main__":
    sys.exit(main())
