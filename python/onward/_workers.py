"""The nodes that know each other: names and ranks, as PyTorch has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from . import _core
from ._errors import FailedPrecondition, InvalidArgument, NotFound


@dataclass(frozen=True)
class WorkerInfo:
    """A node, by its name and its rank, which is -1 where nodes have none."""

    name: str
    id: int = -1


_by_rank: dict[int, WorkerInfo] = {}
_by_name: dict[str, WorkerInfo] = {}


def set_world(names: list[str]) -> None:
    """By rank."""
    _by_rank.clear()
    _by_name.clear()
    for rank, name in enumerate(names):
        _by_rank[rank] = _by_name[name] = WorkerInfo(name, rank)


def get_worker_info(worker_name: Optional[str] = None) -> WorkerInfo:
    """Of the node with that name; without one, of this node."""
    name = worker_name
    if name is None:
        name = _core.node_name()
        if name is None:
            raise FailedPrecondition("get_worker_info(): no node runs in this process: call init_rpc() first")
    if name in _by_name:
        return _by_name[name]
    if name == _core.node_name() or any(name == peer[0] for peer in _core.peer_states()):
        return WorkerInfo(name)
    raise NotFound(f'there is no node "{name}"; there are {", ".join(_by_name) or "none with a rank"}')


def all_workers() -> list[WorkerInfo]:
    return list(_by_rank.values())


def name_of(to: Any) -> str:
    """The name of what a call is sent to."""
    if isinstance(to, WorkerInfo):
        return to.name
    if isinstance(to, bool) or not isinstance(to, int):
        name = getattr(to, "name", None)
        if isinstance(name, str):  # PyTorch's own WorkerInfo
            return name
        raise TypeError(f"`to` must be a name, a URL, a rank or a WorkerInfo, not {to!r}")
    if to in _by_rank:
        return _by_rank[to].name
    if not _by_rank:
        raise InvalidArgument(f"there is no rank {to}: nodes have ranks where init_rpc() was given rank and world_size; "
                              "call by name")
    raise NotFound(f"there is no rank {to}: ranks go from 0 to {len(_by_rank) - 1}")
