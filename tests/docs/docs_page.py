"""A page of documentation, taken apart: its fenced blocks and what a test does with each.

A comment in front of a block says how it is tested, where its language does not say it already:

    <!-- test: run -->            cpp, python: compile (or check) and run it; cpp with a main() needs no word
    <!-- test: compile -->        cpp: a whole source, compiled; what cpp without a main() gets anyway
    <!-- test: wrap -->           cpp: statements, compiled inside a function behind tests/docs/docs_prelude.h
    <!-- test: declare -->        cpp: declarations, compiled, and seen by the later `wrap` blocks of the page
    <!-- test: file=NAME -->      written to NAME in the page's folder, where the page's other blocks find it
    <!-- test: with=A.cpp,B.cpp -->  cpp: these files of the page are linked in
    <!-- test: output -->         compared with what the block before printed
    <!-- test: golden=NAME -->    hex: the bytes of tests/unit/wire_golden/NAME.hex
    <!-- test: quote=PATH -->     stands word for word in that file of the project
    <!-- test: like=PATH A=B -->  is that file with the word A replaced by B
    <!-- test: service -->        sh, console: of SERVICE_PAGE, run as root on a system with the packages and systemd, by
                                  tests/debian/run_service.py
    <!-- test: skip REASON -->    not run; skips.py lists the few that may say so

Words may be joined: `file=a.py run`. `console` blocks are commands behind `$ `, each with the output
that it must give, or none; `bash` blocks are scripts; `toml` blocks are node configurations. A `text`
block is prose. `…` in expected output stands for anything. In a `console` block, `cd` holds for what follows on the page.

A page that says `<!-- test: installed -->` above its first heading is run against what is installed; see
tests/package/package_pages.py.
"""

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^```(\S*)\s*$")
MARK = re.compile(r"^<!-- test: (.*?) -->$")
INSTALLED = "<!-- test: installed -->"
HEADING = re.compile(r"^(#+) (.*)$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Where the examples listen. Each test run takes free ports instead.
EXAMPLE_PORT = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\]|\*):(7[0-9]{3})\b")
VALUED_WORDS = ("file", "with", "golden", "quote", "like")
FLAG_WORDS = ("run", "compile", "wrap", "declare", "output", "service")
SERVICE_PAGE = "docs/PACKAGING.md"


class DocsError(Exception):
    """What is wrong with a block, for its reader."""


def free_ports(numbers):
    """A port that nobody has, for each of these."""
    sockets, ports = [], {}
    for number in numbers:
        chosen = socket.socket()
        chosen.bind(("127.0.0.1", 0))
        sockets.append(chosen)
        ports[number] = chosen.getsockname()[1]
    for chosen in sockets:
        chosen.close()
    return ports


@dataclass
class Block:
    page: "Page"
    line: int  # of the first line inside the fence
    language: str
    text: str
    flags: set = field(default_factory=set)
    values: dict = field(default_factory=dict)
    rest: list = field(default_factory=list)
    skip: str = ""
    error: str = ""

    @property
    def place(self):
        return f"{self.page.name}:{self.line}"

    @property
    def what(self):
        if self.skip:
            return "skip"
        words = sorted(self.flags) + [f"{key}={value}" for key, value in self.values.items()]
        return " ".join([self.language or "(no language)"] + words)

    def read_mark(self, mark):
        words = mark.split()
        if words[0] == "skip":
            self.skip = " ".join(words[1:]) or "no reason given"
            return
        for word in words:
            key, equals, value = word.partition("=")
            if equals and key in VALUED_WORDS:
                self.values[key] = value
            elif word in FLAG_WORDS:
                self.flags.add(word)
            elif "like" in self.values and equals:
                self.rest.append((key, value))
            else:
                self.error = f"the test comment says {word!r}, which means nothing; see docs_page.py"


class Page:
    def __init__(self, root, path):
        self.root, self.path = root, path
        self.name = str(path.relative_to(root))
        self.lines = path.read_text(encoding="utf-8").split("\n")
        self.blocks = []
        self.prose = []  # (line number, text)
        self.parse()
        self.installed = INSTALLED in self.lines[:2]
        self.ports = self.choose_ports()

    def parse(self):
        block, last = None, ""
        for number, line in enumerate(self.lines, 1):
            fence = FENCE.match(line)
            if block is not None:
                if line == "```":
                    self.blocks.append(block)
                    block, last = None, ""
                else:
                    block.text += line + "\n"
            elif fence:
                block = Block(self, number + 1, fence[1], "")
                if mark := MARK.match(last):
                    block.read_mark(mark[1])
            elif line.strip():
                last = line.strip()
                self.prose.append((number, line))
        if block is not None:
            raise DocsError(f"{block.place}: the block does not end: add ```")

    def choose_ports(self):
        return free_ports(sorted({int(port) for line in self.lines for port in EXAMPLE_PORT.findall(line)}))

    def with_ports(self, text):
        """The text with the example's ports replaced by free ones."""
        return re.sub(r"\b7[0-9]{3}\b", lambda found: str(self.ports.get(int(found[0]), found[0])), text)

    def broken_links(self):
        """Relative links that lead nowhere, as `place: what`."""
        for number, line in self.prose:
            for target in LINK.findall(line):
                if "://" in target or target.startswith("mailto:"):
                    continue
                file, _, anchor = target.partition("#")
                path = (self.path.parent / file).resolve() if file else self.path
                if not path.exists():
                    yield f"{self.name}:{number}: there is no {target}"
                elif anchor and path.suffix == ".md" and anchor not in anchors(path):
                    yield f"{self.name}:{number}: there is no heading for {target}"


def anchors(path):
    """The anchors that a renderer makes of a page's headings."""
    found, fenced = set(), False
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith("```"):
            fenced = not fenced
        heading = None if fenced else HEADING.match(line)
        if heading:
            text = re.sub(r"[`*]", "", heading[2]).strip().lower()
            found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return found


def find_pages(root, names):
    paths = [root / name for name in names] or [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return [Page(root, Path(path)) for path in paths]
