"""How nodes that only know a rank find each other: all of them tell node 0 where they listen, and it tells all.

Node 0 serves this as any other function. Joining is a call that is answered when everybody has joined; then each says
that it knows the others, and is answered when everybody does; leaving is answered when everybody has left.
A call that every other node keeps open meanwhile tells node 0 when one has died.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from dataclasses import dataclass, field
from typing import Any, Optional

from . import _core
from ._core import Future
from ._errors import AlreadyExists, FailedPrecondition, InvalidArgument, RpcError, Unavailable
from ._functions import _ASYNC, async_function

logger = logging.getLogger("onward")


@dataclass(frozen=True)
class Place:
    """What every node is told: who it is, how many there are, where node 0 is."""

    rank: int
    world_size: int
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"tcp://{'[' + self.host + ']' if ':' in self.host else self.host}:{self.port}"


def place(rank: Optional[int], world_size: Optional[int], init_method: Optional[str]) -> Place:
    """From the arguments of init_rpc(), else from the environment, as torchrun sets it."""
    rank = _number("rank", rank if rank != -1 else None, "RANK")
    world_size = _number("world_size", world_size if world_size != -1 else None, "WORLD_SIZE")
    if init_method and init_method.startswith("tcp://"):
        host, _, port_text = init_method[len("tcp://"):].rpartition(":")
        host = host.strip("[]")
    elif init_method in (None, "", "env://"):
        host, port_text = os.environ.get("MASTER_ADDR", ""), os.environ.get("MASTER_PORT", "")
        if not host or not port_text:
            missing = "MASTER_ADDR" if not host else "MASTER_PORT"
            raise InvalidArgument(f"init_rpc(): {missing} is not set: set MASTER_ADDR and MASTER_PORT to where node 0 "
                                  "listens, or give init_method=\"tcp://HOST:PORT\"")
    else:
        raise InvalidArgument(f"init_rpc(): init_method must be \"env://\" or \"tcp://HOST:PORT\", not {init_method!r}")
    if not port_text.isdecimal() or not 0 < int(port_text) < 65536:
        raise InvalidArgument(f"init_rpc(): {port_text!r} is no port for node 0 to listen on")
    port = int(port_text)
    # There, torchrun itself listens; the next one is nobody's.
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" and not init_method:
        port = int(os.environ.get("ONWARD_MASTER_PORT", port + 1))
    if world_size < 1:
        raise InvalidArgument(f"init_rpc(): world_size must be 1 or more, not {world_size}")
    if not 0 <= rank < world_size:
        raise InvalidArgument(f"init_rpc(): rank must be from 0 to {world_size - 1}, as world_size is {world_size}, "
                              f"not {rank}")
    return Place(rank, world_size, host, port)


def _number(what: str, given: Optional[int], variable: str) -> int:
    if given is not None:
        return int(given)
    text = os.environ.get(variable, "")
    if not text:
        raise InvalidArgument(f"init_rpc(): {what} is not given, nor {variable} set in the environment")
    if not text.lstrip("-").isdecimal():
        raise InvalidArgument(f"init_rpc(): {variable} is {text!r} in the environment, and must be a number")
    return int(text)


def is_in_environment() -> bool:
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def machine() -> str:
    """The same for processes that may share memory and abstract sockets."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
        return f"{boot.read().strip()}/{os.stat('/proc/self/ns/net').st_ino}/{os.getuid()}"


def own_address(master: Place) -> str:
    """The address of this machine by which node 0's machine is reached, and so the other way."""
    if master.rank == 0:
        return master.host
    family = socket.AF_INET6 if ":" in master.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((master.host, master.port))  # sends nothing
            return str(probe.getsockname()[0])
        except OSError as error:
            raise InvalidArgument(f"init_rpc(): node 0's machine \"{master.host}\" cannot be reached: {error}: check "
                                  "MASTER_ADDR") from error


def listen_urls(master: Place, transport: str) -> list[str]:
    """Where this node listens for the others."""
    host = own_address(master)
    if ":" in host:
        host = f"[{host}]"
    token = f"onward-{os.getpid()}-{secrets.token_hex(4)}"
    urls = {"shm": f"shm://@{token}", "unix": f"unix://@{token}-u", "tcp": f"tcp://{host}:0"}
    if transport == "auto":
        return [urls["shm"], urls["tcp"]]
    if transport not in urls:
        raise InvalidArgument(f"init_rpc(): transport must be \"auto\", \"shm\", \"unix\" or \"tcp\", not "
                              f"{transport!r}; for tls, give a configuration with listen and peers")
    return [urls[transport]]


@dataclass
class _Member:
    name: str
    machine: str
    urls: list[str]
    joined: Future[Any] = field(default_factory=Future)
    stay: Optional[Future[Any]] = None
    watch: Any = None
    ready: bool = False
    left: bool = False


class _World:
    """What node 0 knows."""

    def __init__(self) -> None:
        self.size = 0
        self.members: dict[int, _Member] = {}
        self.all_ready: Future[None] = Future()
        self.all_left: Future[None] = Future()

    def join(self, name: str, rank: int, size: int, where: str, urls: list[str]) -> Future[Any]:
        if not self.size:
            raise FailedPrecondition("this node has not joined a world itself: it has no rank")
        if size != self.size:
            raise InvalidArgument(f'node "{name}" says that world_size is {size}, and node 0 that it is {self.size}')
        for other_rank, other in self.members.items():
            if other_rank == rank:
                raise AlreadyExists(f'nodes "{other.name}" and "{name}" both have rank {rank}')
            if other.name == name:
                raise AlreadyExists(f'ranks {other_rank} and {rank} are both called "{name}": names must differ')
        member = self.members[rank] = _Member(name, where, urls)
        call = _core.current_call()
        if call is not None:  # one that dies before all are there may come again
            member.watch = call.on_cancel(lambda reason: self.forget(rank, member))
        if len(self.members) == self.size:
            world = [[m.name, m.machine, m.urls] for _, m in sorted(self.members.items())]
            for joined in self.members.values():
                joined.joined.set_result(world)
        return member.joined

    def forget(self, rank: int, member: _Member) -> None:
        if len(self.members) < self.size and self.members.get(rank) is member:
            del self.members[rank]

    def stay(self, rank: int) -> Future[Any]:
        member = self.members[rank]
        member.stay = Future()
        call = _core.current_call()
        if call is not None:
            member.watch = call.on_cancel(lambda reason: self.leave(rank, died=True))
        return member.stay

    def ready(self, rank: int) -> Future[None]:
        self.members[rank].ready = True
        if all(member.ready for member in self.members.values()) and not self.all_ready.done():
            self.all_ready.set_result(None)
        return self.all_ready

    def leave(self, rank: int, died: bool = False) -> Future[None]:
        member = self.members.get(rank)
        if member is not None and not member.left:
            if died:
                logger.warning('node "%s" (rank %d) is gone, and has not called shutdown()', member.name, rank)
                if not self.all_ready.done():
                    self.all_ready.set_exception(
                        Unavailable(f'node "{member.name}" (rank {rank}) has joined, and is gone before all had'))
            member.left = True
            if len(self.members) == self.size and all(m.left for m in self.members.values()):
                self.end_stays()
                self.all_left.set_result(None)
        return self.all_left

    def end_stays(self) -> None:
        """A node that ends waits for calls in flight, and would for these."""
        for member in self.members.values():
            if member.stay is not None and not member.stay.done():
                member.stay.set_result(None)


_world = _World()


@async_function
def _join(name: str, rank: int, size: int, where: str, urls: list[str]) -> Future[Any]:
    return _world.join(name, rank, size, where, urls)


@async_function
def _stay(rank: int) -> Future[Any]:
    return _world.stay(rank)


@async_function
def _ready(rank: int) -> Future[None]:
    return _world.ready(rank)


@async_function
def _leave(rank: int) -> Future[None]:
    return _world.leave(rank)


_core.add_handler("python.join", _join, _ASYNC, "Joins the nodes that node 0 brings together.")
_core.add_handler("python.stay", _stay, _ASYNC, "Is not answered: tells node 0 when a node has died.")
_core.add_handler("python.ready", _ready, _ASYNC, "Is answered when all nodes know each other.")
_core.add_handler("python.leave", _leave, _ASYNC, "Is answered when all nodes have left.")


class Membership:
    """This node's part."""

    def __init__(self, master: Place) -> None:
        self.master = master
        self.stays: Optional[Future[Any]] = None

    def prepare(self) -> None:
        """Before the node starts."""
        global _world
        _world = _World()
        if self.master.rank == 0:
            _world.size = self.master.world_size

    def join(self, name: str, urls: list[str], timeout: float) -> list[str]:
        """Waits until everybody is there; then all are peers. The names, by rank."""
        here = machine()
        to = name if self.master.rank == 0 else self.master.url
        try:
            world = _core.rpc_sync(to, "python.join", (name, self.master.rank, self.master.world_size, here, urls),
                                   timeout=timeout)
        except RpcError as error:
            error.add_note(f"init_rpc(): rank {self.master.rank} of {self.master.world_size} waited for all to meet at "
                           f"{self.master.url}; rank 0 listens there")
            raise
        peers = {}
        for other, where, others_urls in world:
            near = [url for url in others_urls if where == here or url.startswith("tcp:")]
            if other != name:
                peers[other] = near or others_urls
        _core.set_peers(peers)
        if self.master.rank != 0:
            self.stays = _core.rpc_async(self.master.url, "python.stay", (self.master.rank,), timeout=None)
            self.stays.then(lambda done: done.exception())
        return [other for other, _, _ in world]

    def wait_until_all_are_ready(self, name: str, timeout: float) -> None:
        """Until then, a node that is called might not know whom to call itself."""
        to = name if self.master.rank == 0 else self.master.url
        _core.rpc_sync(to, "python.ready", (self.master.rank,), timeout=timeout)

    def leave(self, name: str, timeout: Optional[float]) -> None:
        """Waits until everybody leaves."""
        to = name if self.master.rank == 0 else self.master.url
        try:
            _core.rpc_sync(to, "python.leave", (self.master.rank,), timeout=timeout)
        except RpcError as error:
            logger.warning("shutdown(): did not wait for the other nodes: %s", error)
            if self.master.rank == 0:
                _world.end_stays()
            elif self.stays is not None:
                self.stays.cancel()
