#!/usr/bin/env python3
"""Runs every block of README.md and docs/*.md from the page itself; see docs_page.py for what a page may say.

usage: run_docs.py --root DIR --build DIR --library FILE [--onward FILE] [PAGE…]

Prints TAP, a line for each block, and behind a failed one `# page:line: what happened`. GTEST_FILTER
selects blocks by names like `Docs/FUTURES.42`, as it does for the tests in C++.
"""

import argparse
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import docs_checks
from docs_compile import Compiler
from docs_page import SERVICE_PAGE, DocsError, find_pages
from docs_run import Session, check_output
from skips import check_skip

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tap import Tap, selected

COMPILE_JOBS = 2


class Runner:
    def __init__(self, options, pages):
        self.options, self.root = options, Path(options.root)
        self.slow = options.slow
        self.program = options.onward
        self.folder = tempfile.TemporaryDirectory(prefix="onward-docs-")
        self.sessions = {}
        for page in pages:
            folder = Path(self.folder.name) / page.name.replace("/", "_")
            folder.mkdir()
            self.sessions[page.name] = Session(folder, options.onward, self.slow)
            self.write_files(page, folder)
        self.executor = ThreadPoolExecutor(COMPILE_JOBS)
        self.compiled = {}

    def close(self):
        for session in self.sessions.values():
            session.close()
        self.executor.shutdown(cancel_futures=True)
        self.folder.cleanup()

    @staticmethod
    def write_files(page, folder):
        for block in page.blocks:
            if name := block.values.get("file"):
                path = folder / name
                if path.exists() and not block.error:
                    block.error = f"the page has two files {name}"
                path.parent.mkdir(parents=True, exist_ok=True)
                # The compiler's messages then name the page.
                line = f'#line {block.line} "{page.path}"\n' if block.language == "cpp" else ""
                path.write_text(line + page.with_ports(block.text), encoding="utf-8")

    def start_compiling(self, blocks):
        # What programs link in is compiled with them.
        linked = {(block.page.name, name) for block in blocks for name in block.values.get("with", "").split(",")}
        blocks = [block for block in blocks if block.language == "cpp" and not block.skip and not is_check(block)
                  and (block.page.name, block.values.get("file")) not in linked]
        if not blocks:
            return
        compiler = Compiler(self.options.build, str(self.root / "tests/docs/docs_prelude.cpp"), self.options.library, self.slow)
        if any(block.flags & {"wrap", "declare"} for block in blocks):
            compiler.precompile(Path(self.folder.name))
        # Programs first: they take longest.
        for block in sorted(blocks, key=lambda block: "int main(" not in block.text):
            folder = self.sessions[block.page.name].folder
            self.compiled[block.place] = self.executor.submit(compiler.compile, block, folder)

    def run(self, block):
        if block.error:
            raise DocsError(block.error)
        if is_check(block):
            return docs_checks.check(block, self.root)
        if "service" in block.flags:
            if block.page.name != SERVICE_PAGE:
                raise DocsError(f"only {SERVICE_PAGE} is run as a service: let this block run here")
            return None
        session = self.sessions[block.page.name]
        text = block.page.with_ports(block.text)
        if "output" in block.flags:
            return check_output(text, session.printed) if session.printed is not None else None
        if block.language == "cpp":
            compiled = self.compiled.get(block.place)
            if compiled and (program := compiled.result()):
                session.run([str(program)], "the program")
        elif block.language == "console":
            session.console(text)
        elif block.language in ("bash", "sh"):
            session.script(text)
        elif block.language == "toml":
            session.check_config(self.file_of(block, session, "toml"))
        elif block.language == "python":
            session.python(self.file_of(block, session, "py"), "run" in block.flags)
        elif block.language == "meson":
            docs_checks.check_meson(block, self.root)
        elif block.language == "text" or "file" in block.values:
            pass
        else:
            raise DocsError(f"nobody knows how to test a block of {block.language or 'no language'}: name one "
                            "(text for prose), or say how in a test comment")

    @staticmethod
    def file_of(block, session, suffix):
        name = block.values.get("file", f"block_{block.line}.{suffix}")
        (session.folder / name).write_text(block.page.with_ports(block.text), encoding="utf-8")
        return name


def is_check(block):
    return bool(block.values.keys() & {"golden", "quote", "like"})


def name_of(page, what):
    return f"Docs/{Path(page.name).stem}.{what}"


def run_page(runner, page, blocks, tap):
    for block in blocks:
        complaint = ""
        if block.skip:
            complaint = check_skip(block, runner.root)
        else:
            try:
                runner.run(block)
            except DocsError as error:
                complaint = str(error) + runner.sessions[page.name].background_logs()
        if complaint:
            complaint = f"{block.place}: {complaint}"
        # A skipped block is run elsewhere, and that was checked.
        tap.report(name_of(page, block.line) + f" {block.what}", complaint)
    ended_badly = runner.sessions[page.name].close()
    whole = [*page.broken_links(), *ended_badly, *docs_checks.check_page(page, runner.root, runner.program)]
    tap.report(name_of(page, "page"), "\n".join(whole))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--library", required=True, help="with all of Onward in it")
    parser.add_argument("--onward", help="the program")
    parser.add_argument("--slow", type=int, default=1, help="multiplies the time limits")
    parser.add_argument("pages", nargs="*", metavar="PAGE")
    options = parser.parse_args()

    pages = [page for page in find_pages(Path(options.root), options.pages) if not page.installed]
    chosen = {page.name: [block for block in page.blocks if selected(name_of(page, block.line))] for page in pages}
    pages = [page for page in pages if chosen[page.name] or selected(name_of(page, "page"))]
    tap = Tap(sum(len(chosen[page.name]) + 1 for page in pages))
    with closing(Runner(options, pages)) as runner:
        runner.start_compiling([block for page in pages for block in chosen[page.name]])
        for page in pages:
            run_page(runner, page, chosen[page.name], tap)
    tap.repeat_failures()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    # Ends through close(), so that no node is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("run_docs.py: ended by SIGTERM"))
    try:
        sys.exit(main())
    except DocsError as error:
        sys.exit(f"run_docs.py: {error}")
