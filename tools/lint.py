#!/usr/bin/env python3
"""What the compilers do not check. Run by `./dev lint`, which builds first.

Each finding is one line, `file:line: what is wrong: what to do`; the exit status is 1 if there is one.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import lint_compile
from lint_finding import Finding

ROOT = Path(__file__).resolve().parent.parent

KERNEL_LINES = 4000
FILE_LINES = 400
CPP = {".h", ".cpp"}
SIZED = CPP | {".fbs", ".py", ".sh"}
SIZE_REASON = re.compile(r"^\s*(//|#) size: \S", re.MULTILINE)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
# Where "x/y.h" may be found; see the include roots in meson.build.
PRIVATE_INCLUDE_ROOTS = [
    "base/src", "runtime/src", "kernel/src", "transports", "codecs", "modules", "node", "python/src", "tests", "bench",
]
# Headers that are installed lie below one of these.
PUBLIC_FOLDER = re.compile(r"^.*?include/(?=onward/)")

# Libraries that one place alone may see: the header's prefix, who, and why.
PRIVATE_LIBRARIES = [
    ("event2/", ("runtime/src/event_loop.cpp", "bench/"), "only runtime/src/event_loop.cpp knows libevent"),
    ("CLI/", ("node/command_line/parse.cpp", "bench/"), "only node/command_line/parse.cpp knows CLI11"),
    ("systemd/", ("node/service_manager.cpp",), "only node/service_manager.cpp knows libsystemd"),
    ("openssl/", ("transports/tls/", "bench/", "tests/"), "only transports/tls knows OpenSSL"),
    ("pybind11/", ("python/src/",), "only python/src knows Python"),
]


# Inputs of fuzz targets: bytes, even where they look like text.
CORPORA = "tests/fuzz/corpus/"


def project_files():
    """What git tracks, or would, but for the corpora: paths relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    paths = {path for path in listed.split("\0") if path and not path.startswith(CORPORA)}
    return sorted(path for path in paths if (ROOT / path).is_file())


def read_text(path):
    """The file's text, or None if it is not text."""
    data = (ROOT / path).read_bytes()
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def area(path):
    """The unit that a file belongs to: kernel, kernel private, transports/tcp, node, ..."""
    parts = path.split("/")
    if parts[0] in ("base", "runtime", "kernel"):
        return parts[0] if path.startswith(parts[0] + "/include/") else parts[0] + " private"
    if parts[0] in ("transports", "codecs", "modules") and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


# Whose public headers everybody above them may include.
PUBLIC = ("base", "runtime", "kernel")


def may_include(here, there):
    if here == there:
        return True
    folder = here.split("/")[0]
    if here == "base":
        return False
    if here == "base private" or here == "runtime":
        return there == "base"
    if here == "runtime private":
        return there in ("base", "runtime")
    if here == "kernel":
        return there in ("base", "runtime")
    if here == "kernel private":
        return there in ("base", "base private", "runtime", "kernel")
    if folder == "api":
        return there in PUBLIC
    if folder == "transports":
        return there in (*PUBLIC, "transports/stream")
    if folder == "codecs":
        return there in (*PUBLIC, "api", "codecs/single_value")
    if folder == "modules":
        return there in (*PUBLIC, "api") or there.startswith("codecs/")
    return True  # node, python, tests, bench, examples


ALLOWED = {
    "base": "base/ may include nothing of ours but base/, and its public headers no private ones",
    "runtime": "runtime/ may include nothing of ours but base/ and itself, and its public headers no private ones",
    "kernel": "the kernel may include only base/, runtime/ and itself, and its public headers no private ones",
    "api": "the typed API may include nothing of ours but public headers of base/, runtime/ and the kernel",
    "transports": "a transport may include the kernel, onward/stream/... and stream/..., never another transport",
    "codecs": "a codec may include only onward/... and its own folder",
    "modules": "a module may include onward/..., codecs, and its own folder",
}


def include_roots(files):
    public = {match[0].rstrip("/") for file in files if (match := PUBLIC_FOLDER.match(file))}
    return sorted(public) + PRIVATE_INCLUDE_ROOTS


def check_dependencies(path, text, files, roots):
    here = area(path)
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, name = match.groups()
        for prefix, places, reason in PRIVATE_LIBRARIES:
            if name.startswith(prefix) and not path.startswith(places):
                yield Finding(path, number, f"includes {name}", reason)
        there = resolve(path, name, quote, files, roots)
        if there and not may_include(here, area(there)):
            yield Finding(path, number, f"includes {there}", ALLOWED[here.split("/")[0]])
        elif there and PUBLIC_FOLDER.match(path) and not PUBLIC_FOLDER.match(there):
            yield Finding(path, number, f"includes {there}", "a public header that needs a private one cannot be "
                          "installed: include it in a source, or make it public, below include/onward/")
        if there and quote == "<":
            yield Finding(path, number, f"includes our own {name} in <>", 'write it in ""')


def resolve(path, name, quote, files, roots):
    """Which file of ours an include means, or None."""
    beside = [] if quote == "<" else [str(Path(path).parent)]
    for root in beside + roots:
        candidate = f"{root}/{name}"
        for found in (candidate, candidate.replace("_generated.h", ".fbs")):
            if found in files:
                return found
    if name.endswith("_generated.h"):
        schema = Path(name).name.replace("_generated.h", ".fbs")
        return next((file for file in sorted(files) if file.endswith("/" + schema)), None)
    return None


def code_lines(text):
    """Lines that are neither blank nor comment: the contracts in the headers are wanted."""
    return sum(1 for line in text.splitlines() if line.strip() and not line.strip().startswith("//"))


def check_sizes(texts):
    kernel = 0
    for path, text in texts.items():
        lines = text.count("\n")
        if path.startswith("kernel/") and Path(path).suffix in CPP | {".fbs"}:
            kernel += code_lines(text)
        sized = Path(path).suffix in SIZED or path in ("dev", ".ci/run")
        if sized and lines > FILE_LINES and not SIZE_REASON.search(text):
            yield Finding(
                path, lines, f"has {lines} lines, more than {FILE_LINES}",
                "split it, or say why not in a line `// size: REASON`",
            )
    if kernel > KERNEL_LINES:
        yield Finding(
            "kernel", 1, f"has {kernel} lines of code, more than {KERNEL_LINES}",
            "move what is not the kernel's own work into a module",
        )


# A coroutine's captures live in the lambda: only who keeps that may be given one (C++ Core Guidelines CP.51).
CAPTURING_COROUTINE = re.compile(
    r"\[[^\]\[\s][^\]\[]*\]\s*(?:\((?:[^()]|\([^()]*\))*\))?\s*(?:mutable\s*)?(?:noexcept\s*)?->\s*(?:onward::)?Task<")
KEEPS_LAMBDA = re.compile(r"(?:\b(?:spawn|retry|hedge|with_timeout|then)\(|\badd\([^;{}]*,)\s*$")


def check_coroutines(path, text):
    for match in CAPTURING_COROUTINE.finditer(text):
        before = text[max(0, match.start() - 200):match.start()]
        line = text.count("\n", 0, match.start()) + 1
        if not KEEPS_LAMBDA.search(before) and not text.splitlines()[line - 1].lstrip().startswith("//"):
            yield Finding(path, line, "a coroutine lambda has captures, which are gone when the lambda is",
                          "give it to spawn() or FunctionTable::add() at once, or make them parameters")


def check_scripts(path, text):
    first = text.split("\n", 1)[0]
    if re.match(r"#!.*\b(bash|sh)\b", first) or path.endswith(".sh"):
        parsed = subprocess.run(["bash", "-n", path], cwd=ROOT, capture_output=True, text=True)
        for line in parsed.stderr.splitlines():
            match = re.match(r"[^:]*: line (\d+): (.*)", line)
            if match:
                yield Finding(path, int(match[1]), match[2], "make it parse (bash -n)")
    if path.endswith(".py"):
        try:
            ast.parse(text)
        except SyntaxError as error:
            yield Finding(path, error.lineno or 1, error.msg, "make it parse")


def check_guard(path, text):
    if path.endswith(".h") and "\n#pragma once\n" not in text:
        yield Finding(path, 1, "may be included twice", "write #pragma once in front of what it includes")


def check_whitespace(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            yield Finding(path, number, "white space at the end of the line", "remove it")
    if text and not text.endswith("\n"):
        yield Finding(path, text.count("\n") + 1, "no newline at the end of the file", "add one")


def main():
    files = project_files()
    texts = {path: text for path in files if (text := read_text(path)) is not None}
    sources = [path for path in texts if Path(path).suffix in CPP]

    roots = include_roots(files)
    findings = list(check_sizes(texts))
    for path, text in texts.items():
        if Path(path).suffix in CPP:
            findings += check_dependencies(path, text, set(files), roots)
            findings += check_coroutines(path, text)
            findings += check_guard(path, text)
        findings += check_scripts(path, text)
        findings += check_whitespace(path, text)

    checks = lint_compile.Checks(ROOT, ROOT / "build/release")
    findings += checks.headers_alone([path for path in sources if path.endswith(".h")])
    findings += checks.clang_tidy({path for path in sources if SIZE_REASON.search(texts[path])})

    for finding in sorted(set(findings)):
        print(finding)
    print(f"{len(files)} files, {checks.done} compiler checks ({checks.cached} unchanged since "
          f"the last run), {len(set(findings))} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
