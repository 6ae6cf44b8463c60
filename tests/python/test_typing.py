"""Types: the package's own, and what its users see."""

import subprocess
import sys
from pathlib import Path

import pytest

import onward

pytest.importorskip("mypy")

RIGHT = """
import onward.rpc as rpc
from onward.futures import wait_all

def my_add_2(a: int, b: int) -> int:
    return a + b

@rpc.async_function
def my_add_3(a: int, b: int, c: int) -> rpc.Future[int]:
    return rpc.rpc_async("dst2", my_add_2, args=(a, b)).then(lambda done: done.value() + c)

@rpc.function("shout")
def shout(text: str) -> str:
    return text.upper()

async def awaits() -> int:
    return await rpc.rpc_async(1, my_add_3, args=(1, 2, 3))

reveal_type(rpc.rpc_sync("dst1", my_add_2, args=(1, 2)))
reveal_type(rpc.rpc_async("dst1", my_add_3, args=(1, 2, 3), timeout=1))
reveal_type(rpc.rpc_sync("dst1", "search.scan"))
reveal_type(wait_all([rpc.rpc_async("dst1", my_add_2)]))
reveal_type(shout("x"))
"""
REVEALED = ["builtins.int", "Future[builtins.int]", "Any", "builtins.list[builtins.int]", "builtins.str"]


def check(*arguments, cwd):
    return subprocess.run([sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", "--cache-dir", str(cwd),
                           *arguments], capture_output=True, text=True, cwd=cwd, timeout=300)


def test_the_package(tmp_path):
    checked = check(str(Path(onward.__file__).parent), cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_program(tmp_path):
    (tmp_path / "program.py").write_text(RIGHT)
    checked = check("program.py", cwd=tmp_path)
    revealed = [line.split("Revealed type is ")[1] for line in checked.stdout.splitlines() if "Revealed" in line]
    assert checked.returncode == 0, checked.stdout
    assert [wanted in found for wanted, found in zip(REVEALED, revealed, strict=True)] == [True] * 5, revealed


@pytest.mark.parametrize("line", ["rpc.rpc_sync(1.5, print)", "x: str = rpc.rpc_sync('a', len, args=([],))",
                                  "rpc.Future[int]().set_result('x')", "rpc.init_rpc('a', worldsize=2)"])
def test_what_is_wrong_is_found(tmp_path, line):
    (tmp_path / "program.py").write_text("import onward.rpc as rpc\n" + line + "\n")
    assert check("program.py", cwd=tmp_path).returncode == 1
