# SPDX-License-Identifier: Apache-2.0
"""What the TAB key does in a real bash and a real zsh that have read the program's completion script.

usage: completion_test.py PROGRAM

Each shell runs on a terminal of its own. Keys are typed there; further keys, bound for the test, insert all matches
and report the line that came of it.
"""

import fcntl
import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import tap

PROGRAM = Path(sys.argv[1]).resolve()
PATIENCE_S = 60
PROMPT = "ready> "
ALL_MATCHES = "\x18a"  # ^X a
REPORT = "\x18r"  # ^X r: writes the line to $REPORT and empties it

BASH_START = r"""
PS1='ready> '
PROMPT_COMMAND=
bind 'set enable-bracketed-paste off'
bind 'set bell-style none'
bind '"\C-xa": insert-completions'
report() { printf '%s\0' "$READLINE_LINE" >"$REPORT"; READLINE_LINE='' READLINE_POINT=0; }
bind -x '"\C-xr": report'
source "$SCRIPT"
"""

ZSH_START = r"""
PROMPT='ready> '
unsetopt beep zle_bracketed_paste
unset zle_bracketed_paste
bindkey -e
[ -z "$FUNCTIONS" ] || fpath=("$FUNCTIONS" $fpath)
autoload -Uz compinit
compinit -D -u
zstyle ':completion:*' old-matches false
zstyle ':completion:*' insert true
zle -C all complete-word _generic
zstyle ':completion:all:*' completer _all_matches _complete
bindkey '^Xa' all
report() { printf '%s\0' "$BUFFER" >"$REPORT"; BUFFER='' }
zle -N report
bindkey '^Xr' report
[ -z "$SCRIPT" ] || source "$SCRIPT"
"""


class Shell:
    """An interactive shell in `folder`; `script` is what it sources, or None."""

    def __init__(self, kind, folder, script, environment=None):
        self.report = folder.parent / f"{folder.name}.report"
        os.mkfifo(self.report)
        self.reports = os.open(self.report, os.O_RDWR | os.O_NONBLOCK)
        start = folder.parent / f"{folder.name}.start"
        start.mkdir()
        (start / ".zshrc").write_text(ZSH_START)
        (start / "bashrc").write_text(BASH_START)
        command = {
            "bash": ["bash", "--noprofile", "--rcfile", str(start / "bashrc"), "-i"],
            "zsh": ["zsh", "-d", "-i"],
        }[kind]
        self.terminal, slave = pty.openpty()
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(folder), "ZDOTDIR": str(start),
                 "TERM": "dumb", "LC_ALL": "C.UTF-8", "INPUTRC": "/dev/null", "REPORT": str(self.report),
                 "SCRIPT": str(script or ""), **(environment or {})})
        os.close(slave)
        self.screen = b""
        self.answer = b""
        self.wait_for(lambda: PROMPT.encode() in self.screen, "a prompt")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        os.close(self.reports)

    def wait_for(self, condition, what):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            readable = select.select([self.terminal, self.reports], [], [], max(0, end - time.monotonic()))[0]
            if not readable:
                raise AssertionError(f"the shell does not give {what}; its screen is\n{self.screen.decode(errors='replace')}")
            if self.terminal in readable:
                self.screen += os.read(self.terminal, 65536)
            if self.reports in readable:
                self.answer += os.read(self.reports, 65536)

    def line_after(self, keys):
        """What the line is after these keys; then it is empty again."""
        self.answer = b""
        os.write(self.terminal, (keys + REPORT).encode())
        self.wait_for(lambda: self.answer.endswith(b"\0"), f"its line after {keys!r}")
        return self.answer[:-1].decode()


class Completion:
    """For both shells; a subclass says which."""

    kind = None

    @classmethod
    def setUpClass(cls):
        cls.shell = None
        cls.lacks = "" if shutil.which(cls.kind) else f"there is no {cls.kind}"
        try:
            for end in pty.openpty():
                os.close(end)
        except OSError as error:
            cls.lacks = f"there is no pseudo terminal: {error}"
        if cls.lacks:
            return
        cls.place = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.place.name) / "here"
        for name in ("configs/more", "certs"):
            (cls.folder / name).mkdir(parents=True)
        for name in ("node.toml", "notes.txt", "configs/front.toml", "configs/readme.md", "two words.toml"):
            (cls.folder / name).touch()
        cls.script = Path(cls.place.name) / "script"
        cls.script.write_bytes(subprocess.run([PROGRAM, "completion", cls.kind], check=True, capture_output=True).stdout)
        cls.shell = Shell(cls.kind, cls.folder, cls.script)

    @classmethod
    def tearDownClass(cls):
        if cls.shell:
            cls.shell.close()
            cls.place.cleanup()

    def setUp(self):
        if self.lacks:
            self.skipTest(self.lacks)

    def matches(self, typed):
        """What the word at the end may become."""
        line = self.shell.line_after(typed + ALL_MATCHES)
        before = typed[: typed.rfind(" ") + 1]
        self.assertTrue(line.startswith(before), line)
        return set(line[len(before):].split())

    def completed(self, typed):
        return self.shell.line_after(typed + "\t")

    def test_commands(self):
        self.assertLessEqual({"node", "call", "certs", "completion", "man"}, self.matches("onward "))
        self.assertEqual(self.matches("onward ce"), {"certs"})
        self.assertEqual(self.matches("onward certs "), {"init", "issue", "revoke"})
        self.assertEqual(self.completed("onward no"), "onward node ")
        self.assertEqual(self.completed("onward certs iss"), "onward certs issue ")

    def test_options(self):
        self.assertLessEqual({"--json", "--time", "--timeout", "--help"}, {word.rstrip("=") for word in self.matches("onward call --")})
        self.assertEqual(self.completed("onward call --js"), "onward call --json ")
        self.assertEqual(self.completed("onward call --json --verb"), "onward call --json --verbose ")
        self.assertEqual(self.completed("onward certs issue certs a --ren"), "onward certs issue certs a --renew ")

    def test_options_end_at_the_arguments_of_a_call(self):
        line = "onward call tcp://127.0.0.1:7000 f --js"
        self.assertEqual(self.completed(line).rstrip(), line)

    def test_enumerated_values(self):
        self.assertEqual(self.matches("onward completion "), {"bash", "zsh"})
        self.assertLessEqual({"node", "call"}, self.matches("onward man "))
        self.assertEqual(self.completed("onward man ce"), "onward man certs ")

    def test_files(self):
        self.assertEqual(self.completed("onward node --config no"), "onward node --config node.toml ")
        self.assertEqual(self.completed("onward node --config=no"), "onward node --config=node.toml ")
        self.assertEqual(self.completed("onward node --config configs/"), "onward node --config configs/")
        self.assertEqual(self.completed("onward node --config configs/f"), "onward node --config configs/front.toml ")
        self.assertEqual(self.completed("onward node --config tw"), "onward node --config two\\ words.toml ")
        self.assertEqual(self.completed("onward node --config two\\ w"), "onward node --config two\\ words.toml ")
        self.assertEqual(self.completed("onward call --tls-ca note"), "onward call --tls-ca notes.txt ")

    def test_folders(self):
        self.assertEqual(self.completed("onward certs issue ce"), "onward certs issue certs/")

    def test_urls(self):
        self.assertEqual(self.completed("onward call tc"), "onward call tcp://")
        self.assertEqual(self.completed("onward call tcp:"), "onward call tcp://")

    def test_functions_of_a_node(self):
        program = self.folder.parent / "bin" / "onward"
        program.parent.mkdir()
        program.write_text(
            "#!/bin/sh\n[ \"$*\" = 'list --names --timeout 2 tcp://127.0.0.1:7000' ] || exit 1\n"
            "printf '%s\\n' search rfc.add rfc.sub\n")
        program.chmod(0o755)
        command = f"{program} call"
        self.assertEqual(self.matches(f"{command} tcp://127.0.0.1:7000 "), {"search", "rfc.add", "rfc.sub"})
        self.assertEqual(self.completed(f"{command} --json tcp://127.0.0.1:7000 se"), f"{command} --json tcp://127.0.0.1:7000 search ")
        self.assertEqual(self.completed(f"{command} tcp://nowhere:1 se"), f"{command} tcp://nowhere:1 se")

    def test_what_is_not_known_is_left_alone(self):
        for line in ("onward serve x", "onward call --timeout 1", "onward node --what"):
            self.assertEqual(self.completed(line).rstrip(), line)


class Bash(Completion, unittest.TestCase):
    kind = "bash"


class Zsh(Completion, unittest.TestCase):
    kind = "zsh"

    def test_a_folder_of_fpath(self):
        folder = self.folder.parent / "site-functions"
        folder.mkdir()
        shutil.copy(self.script, folder / "_onward")
        shell = Shell(self.kind, folder, None, {"FUNCTIONS": folder})
        try:
            # The first use loads the file, and is completed already.
            for typed in ("onward no", "onward no"):
                self.assertEqual(shell.line_after(typed + "\t"), "onward node ")
        finally:
            shell.close()


class Result(unittest.TestResult):
    def __init__(self, count):
        super().__init__()
        self.tap = tap.Tap(count)

    def addSuccess(self, test):
        self.tap.report(name_of(test))

    def addSkip(self, test, reason):
        self.tap.report(f"{name_of(test)} # skip {reason}")

    def addFailure(self, test, err):
        self.tap.report(name_of(test), self._exc_info_to_string(err, test))

    addError = addFailure


def name_of(test):
    return test.id().removeprefix("__main__.")


def main():
    cases = [test for kind in (Bash, Zsh) for test in unittest.defaultTestLoader.loadTestsFromTestCase(kind)]
    cases = [test for test in cases if tap.selected(name_of(test))]
    result = Result(len(cases))
    unittest.TestSuite(cases).run(result)
    return 1 if result.tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
