"""The checks of lint that run a compiler: each header alone, and clang-tidy.

Both take their flags from compile_commands.json. A check is not run again until its command, the
tool, its configuration or a project file that it read has changed: build/lint/results.json remembers
their hashes and what was found.
"""

import hashlib
import json
import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lint_finding import Finding

CLANG_TIDY = "clang-tidy-19"
# So many sources of the same flags are looked at together, as most of the time goes into headers that all of them need.
TIDIED_TOGETHER = 8
FUNCTION_SIZE = "[readability-function-size"
# Folders whose sources clang-tidy does not look at.
UNTIDIED = ("bench/", "examples/", "tests/")
# Folders that are built only against an installed Onward.
NOT_BUILT_HERE = ("examples/",)
DIAGNOSTIC = re.compile(r"^(?P<path>[^\s:][^:]*):(?P<line>\d+):\d+: (?:fatal )?(?P<kind>error|warning): (?P<what>.*)$")
FLAGS_WITH_VALUE = {"-I", "-isystem", "-D", "-include"}
FLAGS_KEPT = ("-I", "-isystem", "-D", "-U", "-std=", "-W", "-f", "-pthread", "-m", "-include")
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
UNITY = re.compile(r"-unity\d+\.cpp$")
# Warnings that g++ has and clang has not.
NOT_FOR_CLANG = {"-Wno-restrict"}


def digest(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def first_line(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]


class Checks:
    def __init__(self, root, build):
        self.root, self.build = root, build
        self.done = self.cached = 0
        self.file_hashes = {}
        self.memory = root / "build/lint/results.json"
        self.memory.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.results = json.loads(self.memory.read_text())
        except (FileNotFoundError, ValueError):
            self.results = {}
        # source relative to the root -> flags with absolute paths
        self.commands = {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            source = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
            for path in self.compiled_by(source):
                if not path.startswith(("..", "build/", "subprojects/")):
                    self.commands.setdefault(path, self.flags(entry))
        self.folders = sorted({path.split("/")[0] + "/" for path in self.commands})
        self.dependencies = self.ninja_dependencies()
        # Generated headers are in nobody's dependency list but follow from the schemas.
        self.schemas = digest(*(self.hash_of(str(path.relative_to(root)))
                                for folder in self.folders
                                for path in sorted((root / folder).glob("**/*.fbs"))))

    def compiled_by(self, source):
        """Paths relative to the root: the source, or those that Meson put together in one (unity)."""
        sources = [source]
        if UNITY.search(source) and os.path.exists(source):
            sources = re.findall(r'^#include *[<"]([^">]+)', Path(source).read_text(), re.MULTILINE)
        return [os.path.relpath(os.path.join(self.build, each), self.root) for each in sources]

    @staticmethod
    def flags(entry):
        kept, words = [], iter(shlex.split(entry["command"]))
        for word in words:
            if word in FLAGS_WITH_VALUE:
                word += next(words)
            if not word.startswith(FLAGS_KEPT) or word.startswith("-fdiagnostics"):
                continue
            for option in ("-isystem", "-I"):
                if word.startswith(option):
                    folder = os.path.join(entry["directory"], word[len(option):])
                    word = option + os.path.normpath(folder)
                    break
            kept.append(word)
        return kept

    def hash_of(self, path):
        """Of a file's content; '' once it is gone."""
        if path not in self.file_hashes:
            try:
                content = (self.root / path).read_bytes()
                self.file_hashes[path] = hashlib.sha256(content).hexdigest()
            except FileNotFoundError:
                self.file_hashes[path] = ""
        return self.file_hashes[path]

    def headers_alone(self, headers):
        """Compiles each header by itself, twice included, so that it names what it needs; but those that a source
        which was compiled by itself includes before anything else."""
        version = first_line(["g++", "--version"])
        users = {}
        for source, inputs in self.dependencies.items():
            for path in inputs:
                users.setdefault(path, []).append(source)
        jobs = []
        built_alone = self.included_first()
        for header in headers:
            if header.startswith(NOT_BUILT_HERE) or header in built_alone:
                continue
            flags = self.flags_near(header, users.get(header) or self.commands)
            if flags is not None:
                jobs.append(("header " + header, digest(version, self.schemas, *flags),
                             lambda header=header, flags=flags: self.compile_alone(header, flags)))
        return self.run_all(jobs)

    def included_first(self):
        found = set()
        for source, inputs in self.dependencies.items():
            if inputs[0] != source:  # compiled with others
                continue
            first = INCLUDE.search((self.root / source).read_text())
            if first and Path(first[1]).stem == Path(source).stem:
                found.update(path for path in inputs if path.endswith("/" + first[1]))
        return found

    def flags_near(self, header, sources):
        """The flags of that source which shares the longest path with a header."""
        def closeness(source):
            return len(os.path.commonprefix([os.path.dirname(source) + "/", header])), source
        return self.commands[max(sources, key=closeness)] if sources else None

    def compile_alone(self, header, flags):
        absolute = self.root / header
        stub = f'#include "{absolute}"\n#include "{absolute}"\n'
        command = ["g++", *flags, "-fsyntax-only", "-MMD", "-MF", "-", "-MT", "x", "-x", "c++", "-"]
        result = subprocess.run(command, input=stub, capture_output=True, text=True, cwd=self.root)
        findings = self.parse(result.stderr, "make the header compile by itself")
        if result.returncode != 0 and not findings:
            findings = [Finding(header, 1, "does not compile alone", "see " + shlex.join(command))]
        return findings, self.inside(result.stdout.replace("\\\n", " ").split()[1:])

    def clang_tidy(self, long_functions_in):
        """long_functions_in: the files that say why theirs are long."""
        version = first_line([CLANG_TIDY, "--version"]) + self.hash_of(".clang-tidy")
        alike = {}
        for source, flags in self.commands.items():
            if not source.startswith(UNTIDIED):
                alike.setdefault(tuple(flag for flag in flags if flag not in NOT_FOR_CLANG), []).append(source)
        jobs = []
        for flags, sources in alike.items():
            for first in range(0, len(sources), TIDIED_TOGETHER):
                chunk = sources[first:first + TIDIED_TOGETHER]
                inputs = sorted({path for source in chunk for path in self.dependencies.get(source, [source])})
                jobs.append(("tidy " + " ".join(chunk), digest(version, self.schemas, *flags),
                             lambda chunk=chunk, flags=flags, inputs=inputs:
                                 (self.tidy(chunk, flags, long_functions_in), inputs)))
        return self.run_all(jobs)

    def tidy(self, sources, flags, long_functions_in):
        # api/ has headers alone, and so no commands.
        tidied = "|".join(folder for folder in [*self.folders, "api/"] if folder not in UNTIDIED)
        ours = f"^{re.escape(str(self.root))}/({tidied}).*"
        together = self.memory.parent / (digest(*sources)[:16] + ".cpp")
        together.write_text("".join(f'#include "{self.root / source}"  // NOLINT\n' for source in sources))
        command = [CLANG_TIDY, "--quiet", f"--config-file={self.root / '.clang-tidy'}", f"--header-filter={ours}",
                   str(together), "--", *flags]
        result = subprocess.run(command, capture_output=True, text=True, cwd=self.root)
        findings = self.parse(result.stdout, "mend it, or NOLINTNEXTLINE(check): why")
        if result.returncode != 0 and not findings:
            findings = [Finding(sources[0], 1, "clang-tidy failed", "see " + shlex.join(command))]
        return [finding for finding in findings
                if not (finding.path in long_functions_in and FUNCTION_SIZE in finding.what)]

    def ninja_dependencies(self):
        """Which project files each source was compiled from, as ninja remembers it."""
        log = subprocess.run(["ninja", "-C", str(self.build), "-t", "deps"],
                             capture_output=True, text=True, check=True).stdout
        dependencies = {}
        for block in log.split("\n\n"):
            paths = [line.strip() for line in block.split("\n")[1:]]
            inside = self.inside(os.path.join(self.build, path) for path in paths if path)
            if inside and UNITY.search(inside[0]):
                dependencies.update((path, inside) for path in inside if path in self.commands)
            elif inside and inside[0] in self.commands:
                dependencies[inside[0]] = inside
        return dependencies

    def inside(self, paths):
        """Those that lie in this project, relative to its root."""
        relative = (os.path.relpath(os.path.join(self.root, path), self.root) for path in paths)
        return [path for path in relative if not path.startswith("..")]

    def parse(self, output, advice):
        findings = []
        for line in output.splitlines():
            match = DIAGNOSTIC.match(line)
            if match:
                path = os.path.relpath(os.path.join(self.root, match["path"]), self.root)
                what = match["what"].replace(",-warnings-as-errors]", "]")
                findings.append(Finding(path, int(match["line"]), what, advice))
        return findings

    def run_all(self, jobs):
        """jobs: (name, key, function that returns findings and the files read)."""
        findings, fresh = [], []
        for name, key, function in jobs:
            self.done += 1
            known = self.results.get(name)
            if known and known["key"] == key and all(
                    self.hash_of(path) == hashed for path, hashed in known["inputs"].items()):
                self.cached += 1
                findings += [Finding(*finding) for finding in known["findings"]]
            else:
                fresh.append((name, key, function))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for (name, key, _), (found, inputs) in zip(fresh, pool.map(lambda job: job[2](), fresh)):
                findings += found
                self.results.pop(name, None)
                if inputs:  # a compiler that failed may not have said what it read
                    hashes = {path: self.hash_of(path) for path in inputs}
                    self.results[name] = {"key": key, "inputs": hashes, "findings": found}
        self.memory.write_text(json.dumps(self.results))
        return findings
