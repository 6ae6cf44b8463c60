"""Examples and pages that build against what is installed: each runs as its page says, from the page itself.

A page of docs/ that says `<!-- test: installed -->` is run here and not by suite docs; so is the README.md of each
example, in a copy of its folder. tests/docs/docs_page.py says what a page may say; files are written when the page
comes to them.
"""

import os
import shutil
from pathlib import Path

import docs_checks
import docs_page
from docs_run import Session, check_output
from package_run import Installation, Wrong

# Of what the pages build: warnings are errors, and nobody debugs it.
FLAGS = "-Wshadow -Wconversion -Werror -g0"
EXAMPLE_PORT = 7000  # where `onward new` has a node listen unless PORT says otherwise


class Pages(Installation):
    def environment(self):
        return {
            "PATH": f"{self.prefix / 'bin'}:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": str(self.libdir),
            "PKG_CONFIG_PATH": str(self.libdir / "pkgconfig"),
            "CMAKE_PREFIX_PATH": str(self.prefix),
            "ONWARD_MODULE_PATH": str(self.libdir / "onward/modules"),
            "CXX": f"ccache {self.compiler}" if shutil.which("ccache") else self.compiler,
            "CXXFLAGS": FLAGS,
            "GTEST_FILTER": "*",  # ours chooses among the cases here
        }

    def session(self, name):
        session = Session(self.folder / name, None, slow=3)
        session.environment |= self.environment()
        return session

    def run_page(self, name, source=None):
        page = docs_page.Page(self.root, self.root / name)
        folder = self.folder / Path(name).with_suffix("").as_posix().replace("/", "_")
        if source is None:
            folder.mkdir()
        else:
            shutil.copytree(self.root / source, folder, ignore=shutil.ignore_patterns("build", "subprojects"))
        session = self.session(folder.name)
        session.environment["XDG_RUNTIME_DIR"] = str(folder)
        session.environment["PORT"] = str(page.ports.get(EXAMPLE_PORT, EXAMPLE_PORT))
        complaints = []
        try:
            for block in page.blocks:
                self.run_block(block, session)
        except docs_page.DocsError as error:
            complaints.append(f"{block.place}: {error}" + session.background_logs())
        complaints += [*session.close(), *page.broken_links()]
        if complaints:
            raise Wrong("\n".join(complaints))

    def run_block(self, block, session):
        if block.error:
            raise docs_page.DocsError(block.error)
        text = block.page.with_ports(block.text)
        if block.values.keys() & {"golden", "quote", "like"}:
            docs_checks.check(block, self.root)
        elif name := block.values.get("file"):
            path = session.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif "output" in block.flags:
            check_output(text, session.printed)
        elif block.language == "console":
            session.console(text)
        elif block.language in ("bash", "sh"):
            session.script(text)
        elif block.language != "text":
            raise docs_page.DocsError(f"a block of {block.language or 'no language'} that is not built against what is "
                                      "installed: write it to a file, say what it quotes, or make it text")

    def test_example_transport(self):
        self.run_page("examples/transport/README.md", "examples/transport")

    def test_example_cmake_client(self):
        self.run_page("examples/cmake-client/README.md", "examples/cmake-client")

    def test_example_custom_node(self):
        self.run_page("examples/custom-node/README.md", "examples/custom-node")

    def test_new_module(self):
        """What `onward new` prints are commands that work."""
        session = self.session("new")
        session.folder.mkdir()
        [port] = docs_page.free_ports([EXAMPLE_PORT]).values()
        session.environment["PORT"] = str(port)
        try:
            session.console("$ onward new module greeter\n")
            made, _, steps = session.printed.partition("Next:\n")
            check_output("made greeter with .gitignore, README.md, greeter_module.cpp, …\n", made)
            for step in steps.replace(str(EXAMPLE_PORT), str(port)).splitlines():
                session.console("$ " + step.strip() + "\n")
            check_output("Hello, Ada!\n", session.printed)
        except docs_page.DocsError as error:
            raise Wrong(str(error) + session.background_logs()) from error
        finally:
            session.close()


# Every page of docs/ that is for here is a case.
def add_pages(root):
    for page in docs_page.find_pages(root, []):
        if page.installed:
            name = "test_page_" + Path(page.name).stem
            setattr(Pages, name, lambda self, page=page.name: self.run_page(page))
