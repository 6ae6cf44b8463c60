#!/usr/bin/env python3
"""What is installed, as a user sees it: installs the build into a folder, moves that elsewhere, and builds against it.

usage: run_package.py --root DIR --build DIR --prefix DIR --libdir DIR [--pages | --subproject]

With --pages, builds and runs examples/ and pages of documentation instead; with --subproject, a user's project that has
Onward as a Meson subproject, which compiles all of the library. Prints TAP; GTEST_FILTER selects cases by names like `Package.cmake`.
"""

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parent / "docs"), str(HERE.parent.parent / "tools")]
import exported_symbols
import package_pages
from package_run import CONSUMER, GREETED, RPC, Installation, Wrong, expect, needed_libraries, run
from package_subproject import Subproject
from tap import Tap, selected

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]


class Installed(Installation):
    """Cases against an installation. Each method that begins with test_ is one."""

    def compile(self, source, package):
        made = self.folder / (Path(source).stem + ".o")
        if not made.exists():
            run([self.compiler, "-std=c++23", "-fPIC", *WARNINGS, *self.pkg_config("--cflags", package), "-c",
                 CONSUMER / source, "-o", made])
        return made

    def link(self, name, objects, *flags):
        run([self.compiler, *objects, "-o", self.folder / name, *flags])
        return self.folder / name

    def greeter(self):
        """The folder that has it."""
        self.link("greeter.so", [self.compile("greeter.cpp", "onward-module")], "-shared")
        return self.folder

    def version(self):
        return self.pkg_config("--modversion", "onward")[0]

    def test_version(self):
        header = (self.prefix / "include/onward/version.h").read_text()
        if f'kRelease = "{self.version()}"' not in header:
            raise Wrong(f"meson.build says version {self.version()}, and onward/version.h another")

    def test_exported_symbols(self):
        if wrong := exported_symbols.check(self.libdir / "libonward.so"):
            raise Wrong(wrong)

    def test_static_library_has_them_too(self):
        def names(*command):
            return {line.split()[-1] for line in run(command).splitlines() if len(line.split()) >= 3}
        shared = names("nm", "-D", "--defined-only", "--without-symbol-versions", self.libdir / "libonward.so")
        static = names("nm", "--defined-only", self.libdir / "libonward.a")
        if missing := sorted(name for name in shared - static if name.startswith("_Z")):
            raise Wrong("libonward.a lacks " + ", ".join(missing))

    def test_only_public_headers(self):
        installed = {str(path.relative_to(self.prefix / "include")) for path in (self.prefix / "include").rglob("*.h")}
        public = {str(path).split("/include/", 1)[1] for path in self.root.glob("*/**/include/onward/**/*.h")
                  if not path.relative_to(self.root).parts[0] in ("build", "subprojects")}
        public |= {str(path).split("/include/", 1)[1] for path in self.root.glob("*/include/onward/**/*.h")}
        expect("\n".join(sorted(installed)), "\n".join(sorted(public)), "the list of installed headers")

    def test_manual_pages_and_completion(self):
        share = self.prefix / "share"
        pages = {path.name for path in (share / "man/man1").glob("*")}
        if not {"onward.1", "onward-node.1", "onward-call.1"} <= pages:
            raise Wrong(f"of the manual pages there are {', '.join(sorted(pages))}")
        for file, line in (("bash-completion/completions/onward", "complete -F _onward onward"),
                           ("zsh/site-functions/_onward", "#compdef onward")):
            if line not in (share / file).read_text().splitlines():
                raise Wrong(f"share/{file} lacks the line {line}")

    def test_headers_alone(self):
        def compile_alone(header):
            try:
                run([self.compiler, "-std=c++23", *WARNINGS, "-fsyntax-only", "-I", self.prefix / "include", "-x",
                     "c++", "-include", header, "/dev/null"])
            except Wrong as wrong:
                return str(wrong)
            return ""
        headers = sorted(path.relative_to(self.prefix / "include") for path in self.prefix.glob("include/**/*.h"))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            if failed := [wrong for wrong in pool.map(compile_alone, headers) if wrong]:
                raise Wrong("\n".join(failed))

    def test_older_language(self):
        try:
            run([self.compiler, "-std=c++20", "-fsyntax-only", "-I", self.prefix / "include", CONSUMER / "tcp_alone.cpp"])
        except Wrong as wrong:
            if "Onward needs C++23" not in str(wrong):
                raise Wrong("a compiler that is set to C++20 is not told what Onward needs") from wrong
        else:
            raise Wrong("C++20 is not refused; this test proves nothing any more")

    def test_pkg_config(self):
        flags = self.pkg_config("--libs", "onward")
        expect([flag for flag in flags if not flag.startswith("-L")], ["-lonward", "-pthread"], "what a program links with")
        project = self.folder / "pkg-config"
        shutil.copytree(CONSUMER, project)
        run(["sh", "build.sh"], cwd=project, PKG_CONFIG_PATH=str(self.libdir / "pkgconfig"))

        program = project / "rpc_over_tcp"
        expect(run([program, project], LD_LIBRARY_PATH=str(self.libdir)), GREETED, "the output with libonward.so")
        if "libonward.so.0" not in needed_libraries(program):
            raise Wrong(f"{program.name} does not need libonward.so.0")
        program = project / "tcp_alone"
        expect(run([program]), "add: 5\n", "the output with libonward.a")
        if unwanted := [name for name in needed_libraries(program) if name.startswith(("libssl", "libcrypto", "libonward"))]:
            raise Wrong(f"{program.name} does not use TLS, has libonward.a in it, and needs {unwanted}")

        program = project / "smallest_node"
        (project / "smallest.toml").write_text('name = "n"\nlisten = ["tcp://127.0.0.1:0"]\n[[modules]]\nname = "greeter"\n')
        run([program, "node", "--check", "--config", project / "smallest.toml"])
        basic = ("libstdc++", "libgcc_s", "libm.", "libc.", "ld-linux")
        needed = {name.split(".so")[0].split("-")[0] for name in needed_libraries(program) if not name.startswith(basic)}
        expect(sorted(needed), ["libevent_core", "libfmt", "libspdlog", "libtomlplusplus"], "what the smallest node needs")

    def test_pkg_config_static(self):
        flags = self.pkg_config("--libs", "onward-static")
        program = self.link("static", [self.compile("rpc_over_tcp.cpp", "onward")], *flags)
        expect(run([program]), RPC, "its output")
        needed = needed_libraries(program)
        if "libonward.so.0" in needed or not any(name.startswith("libssl") for name in needed):
            raise Wrong(f"with all transports in it, it should need libssl, and not libonward: {needed}")

    def test_pkg_config_names_all_that_the_archive_needs(self):
        flags = [f"-l:{flag[2:].join(('lib', '.a'))}" if flag == "-lonward" else flag
                 for flag in self.pkg_config("--static", "--libs", "onward")]
        expect(run([self.link("private", [self.compile("rpc_over_tcp.cpp", "onward")], *flags)]), RPC, "its output")

    def test_program_loads_modules(self):
        configuration = self.folder / "node.toml"
        configuration.write_text('name = "n"\n[[modules]]\nname = "greeter"\ngreeting = "Hi"\n')
        program = self.prefix / "bin/onward"
        run([program, "node", "--check", "--config", configuration], ONWARD_MODULE_PATH=str(self.greeter()))
        # The installed ones are linked into the program, too: so this one is asked for by its file's folder.
        modules = sorted(path.name for path in Path(self.pkg_config("--variable=moduledir", "onward-module")[0]).iterdir())
        expect(modules, ["rfc.so", "search.so"], "the list of installed modules")

    def test_configured_as_documented(self):
        build = self.folder / "build"
        run(["meson", "setup", "--buildtype=release", "--prefix=/usr/local", "-Dtests=false", "-Dbench=false", build,
             self.root], CXX=self.compiler)
        targets = json.loads(run(["meson", "introspect", "--targets", build]))
        expect([each["name"] for each in targets if each["type"] == "executable"], ["onward"], "what programs are built")
        # The others are made by running the program, and have a case of their own.
        compiled = [each for each in targets if each["installed"] and each["type"] != "custom"]
        names = [name for each in compiled for name in map(os.path.basename, each["filename"])]
        # _core is the Python package's, whose needs are there for the tests; its whole name has the version of Python.
        expect(sorted(re.sub(r"^_core\.cpython-.*", "_core", name) for name in names),
               ["_core", "libonward.a", "libonward.so." + self.version(), "onward", "rfc.so", "search.so"],
               "what is built to install")

    def test_cmake(self):
        build = self.folder / "cmake"
        run(["cmake", "-S", CONSUMER, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}",
             f"-DCMAKE_CXX_COMPILER={self.compiler}", "-DCMAKE_CXX_FLAGS=" + " ".join(WARNINGS)])
        run(["cmake", "--build", build])
        expect(run([build / "rpc_over_tcp", build]), GREETED, "the output of the program with libonward.so")
        expect(run([build / "tcp_alone"]), "add: 5\n", "the output of the program with libonward.a")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", required=True, help="of this project")
    parser.add_argument("--build", required=True, help="what is installed, built")
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--libdir", required=True, help="below the prefix")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--pages", action="store_true")
    parser.add_argument("--subproject", action="store_true")
    options = parser.parse_args()

    kind = package_pages.Pages if options.pages else Subproject if options.subproject else Installed
    package_pages.add_pages(Path(options.root))
    cases = [name for name in dir(kind) if name.startswith("test_") and selected("Package." + name.removeprefix("test_"))]
    tap = Tap(len(cases))
    with tempfile.TemporaryDirectory(prefix="onward-package-") as folder:
        subject = kind(options, Path(folder)) if cases else None
        for name in cases:
            try:
                getattr(subject, name)()
                complaint = ""
            except Wrong as wrong:
                complaint = str(wrong)
            tap.report("Package." + name.removeprefix("test_"), complaint)
    tap.repeat_failures()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    # Ends in the ordinary way, so that nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("run_package.py: ended by SIGTERM"))
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"run_package.py: {wrong}")
