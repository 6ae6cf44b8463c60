"""C++ blocks: compiled with the project's own flags, linked with its libraries."""

import json
import os
import shlex
import subprocess
from pathlib import Path

from docs_page import DocsError

TIME_LIMIT_S = 60
# A statement shown for itself uses little of what it declares.
# A block is in a file of its own for the compiler, so that its lambdas would have no linkage in a coroutine's frame.
WRAP_FLAGS = ["-Wno-unused", "-Wno-unused-parameter", "-Wno-unknown-warning-option",
              "-Wno-subobject-linkage"]


class Compiler:
    """Knows the flags of docs_prelude.cpp, which is built like any source of the project."""

    def __init__(self, build, source, library, slow):
        self.slow = slow
        self.library = Path(library)
        for entry in json.loads((Path(build) / "compile_commands.json").read_text()):
            path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
            if path == os.path.normpath(source):
                self.command = self.clean(shlex.split(entry["command"]), entry["directory"])
                break
        else:
            raise DocsError(f"{build}/compile_commands.json does not know {source}: build first")
        self.prelude = Path(source).with_suffix(".h")
        # Pages show how to join the conformance suites.
        self.command += ["-I", str(self.prelude.parent.parent / "conformance")]

    @staticmethod
    def clean(words, directory):
        """The command without input, output and optimisation, with absolute paths."""
        if os.path.basename(words[0]) == "ccache":
            words = words[1:]
        cleaned, words = [], iter(words)
        for word in words:
            if word in ("-o", "-c", "-MF", "-MQ"):
                next(words)
            elif word in ("-MD", "-fPIC") or word.startswith(("-O", "-g")):
                continue
            elif word in ("-I", "-isystem"):
                cleaned += [word, os.path.join(directory, next(words))]
            elif word.startswith("-I"):
                cleaned.append("-I" + os.path.join(directory, word[2:]))
            elif word.startswith("-isystem"):
                cleaned.append("-isystem" + os.path.join(directory, word[len("-isystem"):]))
            else:
                cleaned.append(word)
        return cleaned + ["-O0"]

    def run(self, arguments, folder):
        try:
            done = subprocess.run(self.command + arguments, cwd=folder, stdin=subprocess.DEVNULL, text=True,
                                  capture_output=True, timeout=TIME_LIMIT_S * self.slow, check=False)
        except subprocess.TimeoutExpired as expired:
            raise DocsError(f"the compiler took more than {expired.timeout:.0f} s") from expired
        if done.returncode != 0:
            raise DocsError(f"it does not compile:\n{done.stderr.strip()}")

    def precompile(self, folder):
        """The prelude as a precompiled header in `folder`."""
        header = folder / "precompiled.h"
        header.write_text(f'#include "{self.prelude}"\n')
        suffix = ".pch" if "clang" in os.path.basename(self.command[0]) else ".gch"
        self.run([*WRAP_FLAGS, "-x", "c++-header", str(header), "-o", str(header) + suffix], folder)
        self.prelude = header

    def compile(self, block, folder):
        """Compiles a block; returns the program's path if it has a main(), else None."""
        text = f'#line {block.line} "{block.page.path}"\n' + block.page.with_ports(block.text)
        if block.values.get("file", "").endswith(".h"):
            text = f'#include "{block.values["file"]}"\n'
        flags = ["-I", str(folder)]
        if block.flags & {"wrap", "declare"}:
            flags += WRAP_FLAGS + ["-include", str(self.prelude)]
            text = self.wrapped(block, text)
        stem = folder / f"block_{block.line}"
        source = stem.with_suffix(".cpp")
        source.write_text(text)
        if "int main(" not in block.text:
            self.run([*flags, "-fsyntax-only", "-x", "c++", str(source)], folder)
            return None
        more = [str(folder / name) for name in block.values.get("with", "").split(",") if name]
        self.run([*flags, str(source), *more, "-o", str(stem), str(self.library),
                  f"-Wl,-rpath,{self.library.parent}"], folder)
        return stem

    @staticmethod
    def wrapped(block, text):
        before = ""
        for other in block.page.blocks:
            if other is block:
                break
            if "declare" in other.flags:
                before += f'#line {other.line} "{other.page.path}"\n' + other.page.with_ports(other.text)
        if "declare" in block.flags:
            return f"namespace {{\n{before}{text}}}\n"
        return f"namespace {{\n{before}[[maybe_unused]] void example() {{\n{text}}}\n}}\n"
