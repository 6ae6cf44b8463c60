"""A user's project that has Onward as a Meson subproject, and beside it others that have, too: examples, and what
`onward new` writes."""

import json
import shutil
from pathlib import Path

from package_run import CONSUMER, GREETED, Wrong, expect, run


EXAMPLES = ["custom-node", "transport"]
NEW = {"module": "fresh_module", "node": "fresh_node"}


class Subproject:
    """One project, so that the library is compiled once."""

    def __init__(self, options, folder):
        self.compiler = options.compiler
        self.build = folder / "build"
        project = folder / "consumer"
        shutil.copytree(CONSUMER, project)
        (project / "subprojects").mkdir()
        (project / "subprojects/onward").symlink_to(options.root)
        for name in EXAMPLES:
            (project / "subprojects" / name).symlink_to(Path(options.root) / "examples" / name)
        for kind, name in NEW.items():
            run([Path(options.build) / "node/onward", "new", kind, name], cwd=project / "subprojects")
        with open(project / "meson.build", "a", encoding="utf-8") as file:
            file.writelines(f"\nsubproject('{name}')\n" for name in self.projects())
        cache = ["ccache"] if shutil.which("ccache") else []
        run(["meson", "setup", "--buildtype=plain", "-Doptimization=0", "-Dunity=subprojects", "-Dunity_size=6",
             "--force-fallback-for=onward", self.build],
            cwd=project, CXX=" ".join([*cache, self.compiler]))
        run(["ninja", "-C", self.build])

    @staticmethod
    def projects():
        return [*EXAMPLES, *NEW.values()]

    def test_subproject(self):
        targets = json.loads(run(["meson", "introspect", "--targets", self.build]))
        targets = [each for each in targets if not any(f"/{name}/" in each["defined_in"] for name in self.projects())]
        wanted = {"executable": ["rpc_over_tcp"], "shared library": ["onward"], "shared module": ["greeter"]}
        for kind, names in wanted.items():
            expect([each["name"] for each in targets if each["type"] == kind], names, f"each {kind} that is built")
        commands = json.loads((self.build / "compile_commands.json").read_text())
        [mine] = [each["command"].split() for each in commands if each["output"].startswith("rpc_over_tcp.p/")]
        leaked = [word for word in mine if word.startswith("-fvisibility") or
                  (word.startswith("-I") and "/onward/" in word and not word.endswith("/include"))]
        if leaked:
            raise Wrong(f"the user's sources are compiled with what is Onward's own: {leaked}")
        expect(run([self.build / "rpc_over_tcp", self.build]), GREETED, "the output of the program")

    def test_subproject_of_others(self):
        said = run(["meson", "test", "--no-rebuild", "-C", self.build, "--print-errorlogs"], GTEST_FILTER="*")
        for name in self.projects():
            if f"{name}:" not in said and f"{name} " not in said:
                raise Wrong(f"no test of {name} has run:\n{said}")
