"""init_rpc() and shutdown(): what they take, and what they say where something is wrong."""

import json
import os
import subprocess
import sys
import textwrap

import onward
import onward.rpc as rpc
import pytest
from onward._core import listening
from world import free_port

PROGRAM = os.environ.get("ONWARD_PROGRAM", "")
TIME_LIMIT_S = 60
OF_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE", "ONWARD_MASTER_PORT",
               "ONWARD_JOIN_TIMEOUT")


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for variable in OF_TORCHRUN:
        monkeypatch.delenv(variable, raising=False)
    yield
    rpc.shutdown(graceful=False)


def echo(value):
    return value


def process(text, *arguments, **environment):
    """A script in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", "import sys, os, onward, onward.rpc as rpc\n" + textwrap.dedent(text),
                             *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, **{name: str(value) for name, value in environment.items()}})


def ended(started, code=0):
    """What it has printed."""
    out, err = started.communicate(timeout=TIME_LIMIT_S)
    assert started.returncode == code, f"it ended with {started.returncode}:\n{out}{err}"
    return out if code == 0 else err


RANKED = {"rank": 0, "world_size": 1, "init_method": "tcp://127.0.0.1:1234"}


@pytest.mark.parametrize("arguments, message", [
    ({}, "name is missing: give the node a name"),
    ({"name": ""}, "name must be a name, and no URL"),
    ({"name": 5}, "name must be a string, not 5"),
    ({"name": "tcp://x:1"}, "name must be a name, and no URL"),
    ({"name": "me", "backend": "nccl"}, "backend 'nccl' is not there: leave it out"),
    ({"name": "me", "listen": "bogus://x"}, 'names the transport "bogus", which is not known; there are tcp, tls, unix'),
    ({"name": "me", "listen": "tcp://127.0.0.1:99999"}, "the port must be a number from 0 to 65535"),
    ({"name": "me", "listen": 5}, "listen must be a URL, or a list of them, not 5"),
    ({"name": "me", "listen": "tcp://*:0"}, "whoever reaches this address over the network could call every function"),
    ({"name": "me", "peers": {"a": 5}}, "[peers] a must be a URL"),
    ({"name": "me", "peers": "x"}, "peers must be a dict of names and URLs, not 'x'"),
    ({"name": "me", "peers": ["a"]}, "peers must be a dict of names and URLs, not ['a']"),
    ({"name": "me", "timeout": "5"}, "timeout must be seconds, or None for ever, not '5'"),
    ({"name": "me", "timeout": -3}, "timeout must be seconds, or None for ever, not -3"),
    ({"name": "me", "timeout": float("nan")}, "timeout must be seconds, or None for ever, not nan"),
    ({"name": "me", "threads": 0}, "[pool] threads must be an integer from 1 to 1024, not 0"),
    ({"name": "me", "threads": "4"}, '[pool] threads must be an integer from 1 to 1024, not "4"'),
    ({"name": "me", "config": 5}, "config must be the path of a file, or a dict, not 5"),
    ({"name": "me", "config": {"x": object}}, "<class 'object'> cannot stand in a configuration"),
    ({"name": "me", "config": {"lisen": []}}, 'the key "lisen" is not known; did you mean "listen"?'),
    ({"name": "me", "config": {"modules": [{"name": "nope"}]}}, '"nope"'),
    ({"name": "me", "rank": 0}, "world_size is not given, nor WORLD_SIZE set in the environment"),
    ({"name": "me", "world_size": 1}, "rank is not given, nor RANK set in the environment"),
    ({"name": "me", "rank": 0, "world_size": 1}, "MASTER_ADDR is not set: set MASTER_ADDR and MASTER_PORT"),
    ({"name": "me", **RANKED, "world_size": 0}, "world_size must be 1 or more, not 0"),
    ({"name": "me", **RANKED, "rank": 2, "world_size": 2}, "rank must be from 0 to 1, as world_size is 2, not 2"),
    ({"name": "me", **RANKED, "rank": -2}, "rank must be from 0 to 0"),
    ({"name": "me", **RANKED, "init_method": "file:///x"}, 'must be "env://" or "tcp://HOST:PORT", not \'file:///x\''),
    ({"name": "me", **RANKED, "init_method": "tcp://127.0.0.1:x"}, "'x' is no port for node 0 to listen on"),
    ({"name": "me", **RANKED, "transport": "pigeon"}, 'transport must be "auto", "shm", "unix" or "tcp", not \'pigeon\''),
], ids=lambda value: "" if isinstance(value, str) else "-".join(map(str, value)) or "nothing")
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(onward.InvalidArgument) as caught:
        rpc.init_rpc(**arguments)
    assert message in caught.value.message
    rpc.init_rpc("me")  # nothing is left of it
    assert rpc.rpc_sync("me", echo, args=(1,)) == 1


@pytest.mark.parametrize("variables, message", [
    ({"RANK": "x"}, "RANK is 'x' in the environment, and must be a number"),
    ({"MASTER_ADDR": ""}, "MASTER_ADDR is not set"), ({"MASTER_PORT": ""}, "MASTER_PORT is not set"),
    ({"MASTER_PORT": "0"}, "'0' is no port"), ({"ONWARD_JOIN_TIMEOUT": "soon"}, "ONWARD_JOIN_TIMEOUT is 'soon'")])
def test_a_wrong_variable_is_named(monkeypatch, variables, message):
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1234",
                        **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(onward.InvalidArgument, match=message):
        rpc.init_rpc("me")


def test_options_of_pytorch_that_are_not_there():
    with pytest.raises(onward.InvalidArgument, match="CPU's memory"):
        rpc.TensorPipeRpcBackendOptions(device_maps={"a": {0: 1}})
    with pytest.raises(TypeError):
        rpc.init_rpc("me", bogus=1)
    with pytest.raises(AttributeError, match="remote references come later"):
        rpc.remote


def test_a_second_node_is_refused():
    rpc.init_rpc("me")
    with pytest.raises(onward.FailedPrecondition, match='this process has node "me" already; call shutdown'):
        rpc.init_rpc("you")
    assert rpc.rpc_sync("me", echo, args=(1,)) == 1


def test_without_a_node_calls_say_so():
    ended(process("""
        for when, kind in (("before", onward.FailedPrecondition), ("after", onward.Unavailable)):
            try:
                rpc.rpc_sync("me", "x")
            except kind as error:
                assert ("init_rpc() first" if when == "before" else "has shut down") in str(error)
            else:
                raise AssertionError
            rpc.shutdown()
            if when == "before":
                rpc.init_rpc("me"); rpc.shutdown(); rpc.shutdown()
        """))


# A configuration.


def test_a_file_configures_the_node(tmp_path):
    (tmp_path / "n.toml").write_text('name = "n"\nlisten = ["tcp://127.0.0.1:0"]\n[calls]\ntimeout_ms = 50\n'
                                     '[log]\nlevel = "error"\n')
    for given in ({"config": tmp_path / "n.toml"}, {"config": str(tmp_path / "n.toml"), "name": "n"}):
        rpc.init_rpc(**given)
        assert rpc.get_worker_info() == rpc.WorkerInfo("n") and listening()[0].startswith("tcp://127.0.0.1:")
        with pytest.raises(onward.DeadlineExceeded, match="50 ms"):
            rpc.rpc_sync("n", never)
        rpc.shutdown(graceful=False)
    rpc.init_rpc("other", config=tmp_path / "n.toml", timeout=0.02)  # arguments go before it
    with pytest.raises(onward.DeadlineExceeded, match="20 ms"):
        rpc.rpc_sync("other", never)


futures = []


@rpc.async_function
def never():
    futures.append(rpc.Future())
    return futures[-1]


@pytest.mark.parametrize("text, message", [
    ('name = "n"\nlisen = []\n', ':2: the key "lisen" is not known; did you mean "listen"?'),
    ('name = "n"\n\n[pool]\nthreads = "four"\n', ":4: [pool] threads must be an integer"),
    ('name = "n"\n[pool\n', ":2"), ('name = "n"\n[[modules]]\nname = "nope"\n', ':3')])
def test_an_error_in_a_file_has_its_line(tmp_path, text, message):
    (tmp_path / "n.toml").write_text(text)
    with pytest.raises(onward.InvalidArgument) as caught:
        rpc.init_rpc(config=tmp_path / "n.toml")
    assert str(tmp_path / "n.toml") + message in caught.value.message


def test_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError, match="/not/there.toml"):
        rpc.init_rpc("me", config="/not/there.toml")


@pytest.mark.parametrize("scheme", ["tcp://127.0.0.1:0", "shm://@{}", "unix://@{}", "unix://{}/socket"])
def test_peers_and_listen(scheme, tmp_path):
    url = scheme.format(tmp_path if "/socket" in scheme else f"onward-{os.getpid()}")
    server = process("""
        import onward._core
        rpc.init_rpc("server", listen=sys.argv[1], serve="os.getpid")
        print(onward._core.listening()[0], flush=True)
        import threading
        @rpc.function("end")
        def end():
            done.set()
        done = threading.Event()
        print("ready", flush=True)
        done.wait()
        rpc.shutdown()
        """, url)
    url = server.stdout.readline().strip()
    assert server.stdout.readline() == "ready\n"
    rpc.init_rpc("me", peers={"server": ["tcp://127.0.0.1:1", url]}, timeout=20)  # the first one fails
    assert rpc.rpc_sync("server", os.getpid) == server.pid and rpc.rpc_sync(url, os.getpid) == server.pid
    with pytest.raises(onward.NotFound, match='no peer "sever"; did you mean "server"'):
        rpc.rpc_async("sever", os.getpid)
    rpc.rpc_sync("server", "end")
    ended(server)


def test_functions_of_the_standard_library_are_served_where_it_is_said():
    rpc.init_rpc("me")
    with pytest.raises(onward.PermissionDenied, match=r'init_rpc\(serve=\["os.path.getsize"\]\) at this node allows it'):
        rpc.rpc_sync("me", "os.path.getsize", args=("/",))
    assert rpc.rpc_sync("me", max, args=(1, 2)) == 2
    for allowed in ("os.getcwd", ["posix.get*"], ["x", "os.getcwd"]):
        rpc.shutdown()
        rpc.init_rpc("me", serve=allowed)
        assert rpc.rpc_sync("me", os.getcwd) == os.getcwd()


# Ranks.

JOIN = """
    name, rank, size, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    def where(): call = rpc.current_call().caller; return call.address
    def die(): os._exit(9)
    rpc.init_rpc(name, rank=rank, world_size=size, init_method=f"tcp://127.0.0.1:{port}")
    """


def test_torchrun_says_it_in_the_environment():
    port = free_port()
    nodes = [process("""
        rpc.init_rpc(f"worker{os.environ['RANK']}")
        me = rpc.get_worker_info()
        assert me.id == int(os.environ["RANK"]) and rpc.get_worker_info("worker1") == rpc.WorkerInfo("worker1", 1)
        assert rpc.rpc_sync((me.id + 1) % 2, max, args=(me.id, 5)) == 5
        rpc.shutdown()
        """, RANK=rank, WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port) for rank in range(2)]
    for node in nodes:
        ended(node)


@pytest.mark.parametrize("transport, scheme", [("auto", "shm"), ("shm", "shm"), ("unix", "unix"), ("tcp", "tcp")])
def test_nodes_with_ranks_talk_by_what_was_chosen(transport, scheme):
    port = free_port()
    nodes = [process("""
        import onward._core
        rank = int(sys.argv[1])
        def where():
            return rpc.current_call().caller.address, rpc.current_call().caller.identities
        rpc.init_rpc(f"n{rank}", rank=rank, world_size=3, init_method=f"tcp://127.0.0.1:{sys.argv[2]}", transport=sys.argv[3])
        for other in range(3):
            if other != rank:
                address, identities = rpc.rpc_sync(other, where)
                print(address.split(":")[0], len(identities))
        rpc.shutdown()
        """, rank, port, transport) for rank in range(3)]
    for node in nodes:
        assert ended(node).split() == [scheme, "0" if scheme == "tcp" else "1"] * 2


@pytest.mark.parametrize("names, ranks, sizes, message", [
    (("a", "a"), (0, 1), (2, 2), 'ranks 0 and 1 are both called "a": names must differ'),
    (("a", "b"), (0, 0), (3, 3), ""), (("a", "b", "c"), (0, 1, 1), (3, 3, 3), "both have rank 1"),
    (("a", "b"), (0, 1), (2, 3), 'node "b" says that world_size is 3, and node 0 that it is 2')])
def test_nodes_that_do_not_fit_are_told(names, ranks, sizes, message):
    port = free_port()
    nodes = [process(JOIN, name, rank, size, port, ONWARD_JOIN_TIMEOUT=1.5) for name, rank, size in zip(names, ranks, sizes)]
    texts = [ended(node, code=1) for node in nodes]
    assert any(message in text for text in texts), texts
    if not message:  # two that would be node 0
        assert any("address already in use" in text.lower() for text in texts), texts


@pytest.mark.parametrize("rank", [0, 1])
def test_a_node_that_nobody_joins_gives_up(rank, monkeypatch):
    monkeypatch.setenv("ONWARD_JOIN_TIMEOUT", "0.3")
    port = free_port()
    with pytest.raises(onward.DeadlineExceeded, match="300 ms") as caught:
        rpc.init_rpc("me", rank=rank, world_size=2, init_method=f"tcp://127.0.0.1:{port}")
    assert f"rank {rank} of 2 waited for all to meet at tcp://127.0.0.1:{port}" in caught.value.__notes__[-1]
    rpc.init_rpc("me")  # as if nothing had been
    assert rpc.rpc_sync("me", echo, args=(1,)) == 1


def test_shutdown_waits_for_all():
    port = free_port()
    nodes = [process(JOIN + """
    if rank == 0:
        rpc.shutdown()
        print("ended")
    else:
        print(rpc.rpc_sync("n0", max, args=(1, 2)), flush=True)  # node 0 serves, though it has called shutdown()
        rpc.shutdown()
        print("ended")
    """, f"n{rank}", rank, 2, port) for rank in range(2)]
    assert [ended(node) for node in nodes] == ["ended\n", "2\nended\n"]


def test_a_node_that_dies_does_not_hang_the_others():
    port = free_port()
    nodes = [process(JOIN + """
    if rank == 0:
        try:
            rpc.rpc_sync("n2", die)
        except onward.Unavailable:
            print("it died")
    rpc.shutdown()
    """ if rank < 2 else JOIN + "import threading; threading.Event().wait()", f"n{rank}", rank, 3, port)
        for rank in range(3)]
    assert ended(nodes[0]) == "it died\n" and ended(nodes[1]) == ""
    ended(nodes[2], code=9)


# TLS.


@pytest.mark.skipif(not PROGRAM, reason="run_python.py --onward says where the program is")
def test_tls(tmp_path):
    subprocess.run([PROGRAM, "certs", "init", "certs"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run([PROGRAM, "certs", "issue", "certs", "server", "me"], cwd=tmp_path, check=True, capture_output=True)

    def tls(name):
        return {key: str(tmp_path / "certs" / file) for key, file in
                {"certificate": f"{name}.pem", "key": f"{name}.key", "ca": "ca.pem"}.items()}

    server = process("""
        import json, threading, onward._core
        done = threading.Event()
        def who():
            return rpc.current_call().caller.identities
        rpc.register(done.set, "end")
        rpc.init_rpc("server", listen="tls://127.0.0.1:0", config={"tls": json.loads(sys.argv[1])}, pickle=True)
        print(onward._core.listening()[0], flush=True)
        done.wait()
        rpc.shutdown()
        """, json.dumps(tls("server")))
    url = server.stdout.readline().strip()
    rpc.init_rpc("me", peers={"server": url}, config={"tls": tls("me")}, timeout=20, pickle=True)
    assert "me" in rpc.rpc_sync("server", "__main__.who")
    assert rpc.rpc_sync("server", max, args=(2**100, 1), codec="pickle") == 2**100  # it has proved who it is
    rpc.shutdown()
    rpc.init_rpc("me", peers={"server": url}, config={"tls": {"ca": tls("me")["ca"]}}, timeout=5)
    with pytest.raises((onward.Unavailable, onward.Unauthenticated), match="(?i)certificate"):
        rpc.rpc_sync("server", "__main__.who")
    rpc.shutdown()
    rpc.init_rpc("me", peers={"server": url}, config={"tls": tls("me")}, timeout=20)
    rpc.rpc_sync("server", "end")
    ended(server)
