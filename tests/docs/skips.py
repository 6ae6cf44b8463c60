"""The blocks that may say `skip`, by page and command, and where the project runs the command instead."""

SKIPS = {
    ("README.md", "./dev demo"): ("tests/integration/meson.build", "node/demo.sh"),
    ("README.md", "./dev test"): (".ci/run", "./dev test"),
    ("docs/PACKAGING.md", "./dev deb"): (".ci/run", "./dev deb --check"),
    ("docs/INSTALL.md", "meson setup --buildtype=release --prefix=/usr/local -Dtests=false -Dbench=false build/install"):
        ("tests/package/run_package.py", '"--buildtype=release", "--prefix=/usr/local", "-Dtests=false", "-Dbench=false"'),
    ("docs/INSTALL.md", "meson install -C build/install"): ("tests/package/package_run.py", '"meson", "install"'),
}


def check_skip(block, root):
    """Empty if the block may be skipped, else why not."""
    for line in filter(None, (line.split("#")[0].removeprefix("$ ").strip() for line in block.text.split("\n"))):
        where = SKIPS.get((block.page.name, line))
        if where is None:
            return f"`{line}` may not be skipped: let it run, or list it in tests/docs/skips.py with who runs it"
        if where[1] not in (root / where[0]).read_text():
            return f"`{line}` is skipped because {where[0]} runs it, but that does not mention {where[1]!r}"
    return ""
