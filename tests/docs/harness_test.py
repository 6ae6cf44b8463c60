#!/usr/bin/env python3
"""That run_docs.py fails where it must: pages with one fault each.

usage: harness_test.py RUN_DOCS_ARGUMENT…    as for run_docs.py, without pages
"""

import io
import os
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

import docs_checks
import run_docs
from docs_page import DocsError, Page
from docs_run import check_output, commands

os.environ.pop("GTEST_FILTER", None)  # it chooses among the cases of the pages, and these have but one
ARGUMENTS = sys.argv[1:]
ROOT = Path(ARGUMENTS[ARGUMENTS.index("--root") + 1])


def block(language, text, mark=""):
    return f"<!-- test: {mark} -->\n```{language}\n{text}\n```\n" if mark else f"```{language}\n{text}\n```\n"


class FaultyPages(unittest.TestCase):
    def run_page(self, text):
        """Runs a page with this text; returns what was printed."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "PAGE.md"
            path.write_text(text)
            printed = io.StringIO()
            pages = lambda root, names: [Page(Path(folder), path)]
            before, run_docs.find_pages, sys.argv = run_docs.find_pages, pages, ["run_docs.py", *ARGUMENTS]
            try:
                with redirect_stdout(printed):
                    self.status = run_docs.main()
            finally:
                run_docs.find_pages = before
            return printed.getvalue()

    def expect_fault(self, text, *parts):
        printed = self.run_page(text)
        self.assertEqual(self.status, 1, printed)
        self.assertIn("not ok", printed)
        for part in parts:
            self.assertIn(part, printed)

    def test_a_good_page_passes(self):
        printed = self.run_page("# Head\n\n[here](#head)\n\n" + block("console", "$ echo one\n$ printf 'a\\nb 17 c\\n'\na\nb … c"))
        self.assertEqual(self.status, 0, printed)

    def test_cpp_that_warns(self):
        self.expect_fault(block("cpp", "int f() { int b; return 1; }"), "PAGE.md:2:", "unused-variable", "PAGE.md:2: it does not compile")

    def test_statements_that_do_not_compile(self):
        self.expect_fault(block("cpp", "\nFuture<int> x = 1;", "wrap"), "PAGE.md:4:")

    def test_a_command_in_another_folder(self):
        printed = self.run_page(block("console", "$ mkdir a\n$ cd a\n$ pwd\n…/a") + block("bash", "[ ${PWD##*/} = a ]"))
        self.assertEqual(self.status, 0, printed)

    def test_a_page_that_suite_package_runs(self):
        printed = self.run_page("<!-- test: installed -->\n# Head\n\n" + block("console", "$ false"))
        self.assertEqual((self.status, printed), (0, "1..0\n"))

    def test_a_program_that_fails(self):
        self.expect_fault(block("cpp", "int main() { return 3; }"), "ended with status 3")

    def test_a_command_that_fails(self):
        self.expect_fault(block("console", "$ false"), "`false` ended with status 1")
        self.expect_fault(block("bash", "false\ntrue"), "the script ended with status 1")

    def test_other_output(self):
        self.expect_fault(block("console", "$ echo one\ntwo"), "it should print:", "# two", "# one")

    def test_a_node_that_does_not_start(self):
        self.expect_fault(block("console", "$ onward node --config absent.toml &"), "does not say `ready`", "absent.toml")

    def test_a_wrong_configuration(self):
        self.expect_fault(block("toml", 'nam = "a"'), "did you mean \"name\"?")

    def test_python_that_is_none(self):
        self.expect_fault(block("python", "x = 1\ndef"), "line 2 of the block")

    def test_a_skip_that_is_not_listed(self):
        self.expect_fault(block("sh", "rm -rf build", "skip too slow"), "may not be skipped")

    def test_a_page_that_no_service_runs(self):
        self.expect_fault(block("sh", "systemctl stop onward@front", "service"), "only docs/PACKAGING.md is run as a service")

    def test_an_unknown_word_and_language(self):
        self.expect_fault(block("cpp", "int x;", "compil"), "'compil', which means nothing")
        self.expect_fault(block("", "x"), "a block of no language")

    def test_bytes_that_are_not_golden(self):
        self.expect_fault(block("hex", "00 01", "golden=ping"), "these are not the bytes of")

    def test_quotes_that_do_not_stand_there(self):
        self.expect_fault(block("fbs", "table Nothing {}", "quote=base/src/wire.fbs"), "this does not stand in base/src/wire.fbs")
        self.expect_fault(block("meson", "x = 1", "like=codecs/raw/meson.build raw=x"), "this is not codecs/raw/meson.build")

    def test_meson_with_names_that_are_not_there(self):
        self.expect_fault(block("meson", "x = [no_such_dep]"), "no meson.build assigns no_such_dep")

    def test_links_that_lead_nowhere(self):
        self.expect_fault("# Head\n\n[a](nowhere.md)\n", "PAGE.md:3: there is no nowhere.md")
        self.expect_fault("# Head\n\n[a](#neck)\n", "PAGE.md:3: there is no heading for #neck")


class Parts(unittest.TestCase):
    def test_ellipses(self):
        check_output("a\n…\nb", "a\n1\n2\nb\n")
        check_output("…\nb", "b\n")
        with self.assertRaises(DocsError):
            check_output("a\nb", "a\nb\nc\n")
        with self.assertRaises(DocsError):
            check_output("a.c", "abc\n")

    def test_commands(self):
        self.assertEqual(commands("$ a \\\n  b\n1\n2\n$ c &\n"), [["a   b", "1\n2\n"], ["c &", ""]])

    def test_hexadecimal(self):
        self.assertEqual(docs_checks.hex_bytes("01 ab*3 # cd\nff"), b"\x01\xab\xab\xab\xff")
        with self.assertRaises(DocsError):
            docs_checks.hex_bytes("0x01")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
