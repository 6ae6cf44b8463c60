"""Blocks that show what stands elsewhere in the project: they must show it as it is."""

import re
import subprocess
import sys
from pathlib import Path

from docs_page import DocsError

GOLDEN_FOLDER = "tests/unit/wire_golden"
DEPENDENCY = re.compile(r"dependency\(\s*'(\w+)',\s*version: '>=([^']+)'")
MESON_ASSIGNMENT = re.compile(r"^\s*(\w+) \+?= ", re.MULTILINE)
# What the project calls by such names: dependencies, include roots, libraries, lists of modules.
MESON_NAME = re.compile(r"\b\w+_(?:dep|inc|lib|deps|names|parts)\b")


def hex_bytes(text):
    """The bytes of hexadecimal text with comments behind #; `xx*N` is N times xx."""
    found = bytearray()
    for line in text.split("\n"):
        for word in line.split("#")[0].split():
            run = re.fullmatch(r"([0-9a-f]{2})(?:\*(\d+))?", word)
            if not run:
                raise DocsError(f"{word!r} is neither a byte nor xx*N")
            found += bytes([int(run[1], 16)]) * int(run[2] or 1)
    return bytes(found)


def check(block, root):
    if name := block.values.get("golden"):
        wanted = hex_bytes((root / GOLDEN_FOLDER / f"{name}.hex").read_text())
        if hex_bytes(block.text) != wanted:
            raise DocsError(f"these are not the bytes of {GOLDEN_FOLDER}/{name}.hex")
    if path := block.values.get("quote"):
        if block.text.strip("\n") not in (root / path).read_text():
            raise DocsError(f"this does not stand in {path}, word for word")
    if path := block.values.get("like"):
        wanted = (root / path).read_text()
        for old, new in block.rest:
            wanted = wanted.replace(old, new)
        if block.text.strip() != wanted.strip():
            raise DocsError(f"this is not {path} with {block.rest} replaced, which is:\n{wanted.strip()}")


def check_meson(block, root):
    """Parses, where Meson can be asked, and uses no name of the project that is not there."""
    try:
        from mesonbuild.mparser import ParseException, Parser
    except ImportError:
        pass
    else:
        try:
            Parser(block.text, block.place).parse()
        except ParseException as error:
            raise DocsError(f"Meson cannot read it: {error}") from error
    known = set(MESON_ASSIGNMENT.findall(block.text))
    for path in [root / "meson.build", *root.glob("[!b]*/**/meson.build")]:
        known |= set(MESON_ASSIGNMENT.findall(path.read_text()))
    code = re.sub(r"'[^']*'|#.*", "", block.text)
    if unknown := sorted(set(MESON_NAME.findall(code)) - known):
        raise DocsError(f"no meson.build assigns {', '.join(unknown)}")


# What stands between these lines is made from the program.
MADE = re.compile(r"(<!-- made by \./dev docs [^\n]*-->\n\n)(.*?)(<!-- end of what is made -->)", re.DOTALL)


def made_part(text):
    found = MADE.search(text)
    return found[2] if found else None


def reference(program):
    """Every key of the configuration, as Markdown."""
    made = subprocess.run([program, "node", "--reference"], capture_output=True, text=True, timeout=60, check=True)
    return made.stdout


def update(path, program):
    """Writes what is made into the page anew."""
    made = reference(program)
    path.write_text(MADE.sub(lambda found: found[1] + made + found[3], path.read_text()))


def check_page(page, root, program):
    """What a page promises as a whole: complaints, as lines."""
    text = "\n".join(page.lines)
    if page.name == "docs/DEPENDENCIES.md":
        for wrap in sorted((root / "subprojects").glob("*.wrap")):
            if f"`{wrap.name}`" not in text:
                yield f"{page.name}: does not say what {wrap.name} is for"
        for name, version in DEPENDENCY.findall((root / "meson.build").read_text()):
            if f"| {version} |" not in text:
                yield f"{page.name}: does not say that {name} must be {version} or later"
    if page.name == "docs/CONFIGURATION.md":
        if made_part(text) != reference(program):
            yield f"{page.name}: its list of keys is not what the program declares: run ./dev docs"


# ./dev docs: docs_checks.py PAGE PROGRAM
if __name__ == "__main__":
    update(Path(sys.argv[1]), sys.argv[2])
