#!/usr/bin/env python3
"""What libonward.so shows: compared with tools/exported_symbols.txt, or written there. `./dev symbols` does the latter.

usage: exported_symbols.py [--update] LIBRARY

Strong symbols and type information, demangled. What a user's compiler makes for itself, and shares (vtables of
interfaces, inline constants), comes and goes with the optimiser and is not listed; but whatever there is must be
Onward's own.
"""

import argparse
import difflib
import re
import subprocess
import sys
from pathlib import Path

LIST = Path(__file__).resolve().parent / "exported_symbols.txt"
HEAD = """\
# What programs and modules may link with: the symbols of libonward.so. Written by `./dev symbols`. A line that goes, or
# changes, breaks programs that were built before.
"""
VERSION_NODE = re.compile(r"ONWARD_\d+")
SPECIAL = re.compile(r"^(typeinfo( name)? for|vtable for|VTT for|construction vtable for|guard variable for|"
                     r"TLS (init|wrapper) function for|(non-)?virtual thunk to) ")
UNLISTED = re.compile(r"^(typeinfo name|vtable|VTT|construction vtable) for ")
OURS = ("onward::", "onward_module_")
STRONG = "TDBR"
SHORTER = (
    ("std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string"),
    ("std::basic_string_view<char, std::char_traits<char> >", "std::string_view"),
)


def exported(library):
    """(kind, demangled name) of each symbol; kinds are nm's letters."""
    lines = subprocess.run(["nm", "-DC", "--defined-only", "--without-symbol-versions", library],
                           check=True, capture_output=True, text=True).stdout.splitlines()
    symbols = [line[17:].split(" ", 1) for line in lines]  # behind the address
    return [(kind, shorter(name)) for kind, name in symbols if not VERSION_NODE.fullmatch(name)]


def shorter(name):
    for whole, alias in SHORTER:
        name = name.replace(whole, alias)
    return name


def foreign(symbols):
    """Names that are not Onward's own."""
    return sorted({name for _, name in symbols if not SPECIAL.sub("", name).startswith(OURS)})


def listed(symbols):
    return sorted({name for kind, name in symbols
                   if (kind in STRONG or name.startswith("typeinfo for ")) and not UNLISTED.match(name)})


def check(library):
    """What is wrong with the symbols of `library`, as text; empty if nothing is."""
    symbols = exported(library)
    if strangers := foreign(symbols):
        return ("symbols of others are shown to users, who may have their own: see package/onward.map\n" +
                "\n".join(strangers))
    known = [line for line in LIST.read_text().splitlines() if not line.startswith("#")]
    difference = [line for line in difflib.unified_diff(known, listed(symbols), n=0, lineterm="")
                  if not line.startswith(("---", "+++", "@@"))]
    if not difference:
        return ""
    return ("the symbols that users link with are not those in tools/exported_symbols.txt (- is gone, + is new)\n" +
            "\n".join(difference) +
            "\nIf this is meant: ./dev symbols, and commit what it writes. What is new and not for users needs no "
            "ONWARD_API.\nWhat is gone, or has other arguments, breaks programs that were built before.")


def update(library):
    symbols = exported(library)
    if foreign(symbols):
        sys.exit(check(library))
    LIST.write_text(HEAD + "".join(name + "\n" for name in listed(symbols)))
    print(f"{LIST.name}: {len(listed(symbols))} symbols")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--update", action="store_true", help="write the list instead of comparing with it")
    parser.add_argument("library")
    options = parser.parse_args()
    if options.update:
        update(options.library)
    elif wrong := check(options.library):
        sys.exit(wrong)


if __name__ == "__main__":
    main()
