"""The process's node: how it starts and ends."""

from __future__ import annotations

import atexit
import json
import os
import threading
import tomllib
from typing import Any, Iterable, Mapping, Optional, Union

from . import _core, _errors, _functions, _workers
from ._errors import FailedPrecondition, InvalidArgument
from ._rendezvous import Membership, is_in_environment, listen_urls, place
from .rpc import constants
from .rpc.options import BackendType, RpcBackendOptions

Config = Union[str, "os.PathLike[str]", Mapping[str, Any]]

_lock = threading.Lock()
_membership: Optional[Membership] = None


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(key))} = {_toml_value(item)}" for key, item in value.items()) + " }"
    raise InvalidArgument(f"init_rpc(): {value!r} cannot stand in a configuration")


def to_toml(config: Mapping[str, Any]) -> str:
    return "".join(f"{json.dumps(str(key), ensure_ascii=False)} = {_toml_value(value)}\n"
                   for key, value in config.items())


def _load(config: Optional[Config]) -> tuple[dict[str, Any], Optional[str], str]:
    """What it says, its text if it has one, and how messages call it."""
    if config is None:
        return {}, None, "init_rpc()"
    if isinstance(config, Mapping):
        return dict(config), None, "init_rpc(config=…)"
    if not isinstance(config, (str, os.PathLike)):
        raise InvalidArgument(f"init_rpc(): config must be the path of a file, or a dict, not {config!r}")
    path = os.fspath(config)
    with open(path, "rb") as file:
        text = file.read().decode()
    try:
        return tomllib.loads(text), text, path
    except tomllib.TOMLDecodeError:
        _core.start(text, path, False)  # whose error names the line as others do
        raise


def _seconds_ms(seconds: Optional[float]) -> Union[int, str]:
    if seconds is None or seconds == 0:
        return "none"
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise InvalidArgument(f"init_rpc(): timeout must be seconds, or None for ever, not {seconds!r}")
    return max(1, round(seconds * 1000)) if seconds < 1e9 else "none"


def _merged(config: dict[str, Any], name: Optional[str], listen: Any, peers: Any, timeout: Any,
            threads: Optional[int]) -> dict[str, Any]:
    merged = dict(config)
    if name is not None:
        merged["name"] = name
    if listen is not None:
        if not isinstance(listen, Iterable):
            raise InvalidArgument(f"init_rpc(): listen must be a URL, or a list of them, not {listen!r}")
        merged["listen"] = [listen] if isinstance(listen, (str, Mapping)) else list(listen)
    if peers is not None:
        if not isinstance(peers, Mapping):
            raise InvalidArgument(f"init_rpc(): peers must be a dict of names and URLs, not {peers!r}")
        merged["peers"] = {**merged.get("peers", {}), **peers}
    if timeout != -1:
        merged["calls"] = {**merged.get("calls", {}), "timeout_ms": _seconds_ms(timeout)}
    if threads is not None:
        merged["pool"] = {**merged.get("pool", {}), "threads": threads}
    return merged


def init_rpc(name: Optional[str] = None, backend: Optional[BackendType] = None, rank: Optional[int] = None,
             world_size: Optional[int] = None, rpc_backend_options: Optional[RpcBackendOptions] = None, *,
             config: Optional[Config] = None,
             listen: Union[None, str, Mapping[str, Any], Iterable[Union[str, Mapping[str, Any]]]] = None,
             peers: Optional[Mapping[str, Union[str, list[str]]]] = None, timeout: Optional[float] = -1,
             threads: Optional[int] = None, init_method: Optional[str] = None, transport: str = "auto",
             insecure: bool = False, serve: Iterable[str] = (), pickle: bool = False) -> None:
    """Starts this process's node.

    Either the nodes have ranks, and find each other: as PyTorch's init_rpc(), with ``rank`` and ``world_size``, or as
    torchrun and others set them in the environment: RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT. It returns when all
    nodes have joined. Or it is configured: by ``config``, a TOML file as ``onward node`` takes, or the same as a dict,
    and by keyword arguments, which go before it.

    name:       of this node; others call it by that
    rank, world_size, init_method, rpc_backend_options: as PyTorch has them
    config:     the path of a file, or a dict: docs/CONFIGURATION.md has every key
    listen:     a URL, or several: "tcp://127.0.0.1:7000", "shm://@name", ...
    peers:      name -> URL, or several, best first
    timeout:    seconds that calls wait which say nothing else; None or 0: for ever; 60 unless the configuration says so
    threads:    that run plain functions
    transport:  between nodes with ranks: "auto" is shared memory on one machine and tcp between machines; or "tcp",
                "shm", "unix"
    insecure:   let nodes with ranks talk by tcp between machines, where anybody on the network can call them
    serve:      names, with *, of functions of the standard library that others may call
    pickle:     switch on the codec "pickle", which can run anything: docs/PYTHON.md says when

    Raises RpcError with what is wrong, INVALID_ARGUMENT for arguments; FAILED_PRECONDITION if a node runs already.
    """
    global _membership
    _refuse_on_event_thread("init_rpc()")
    if backend is not None and not (isinstance(backend, BackendType) or getattr(backend, "name", "") == "TENSORPIPE"):
        raise InvalidArgument(f"init_rpc(): backend {backend!r} is not there: leave it out")
    if rpc_backend_options is not None:
        options = rpc_backend_options
        timeout = options.rpc_timeout if timeout == -1 else timeout
        threads = threads if threads is not None else options.num_worker_threads
        if init_method is None and options.init_method != constants.DEFAULT_INIT_METHOD:
            init_method = options.init_method
    given, text, label = _load(config)
    is_world = (rank not in (None, -1) or world_size is not None or init_method is not None
                or (config is None and listen is None and peers is None and is_in_environment()))
    if name is None and "name" not in given:
        raise InvalidArgument("init_rpc(): name is missing: give the node a name")
    if text is not None and (name is None or name == given.get("name")) and timeout == -1 and not is_world \
            and listen is None and peers is None and threads is None:
        merged = given
    else:
        text = None
        merged = _merged(given, name, listen, peers, timeout, threads)
    if text is None and "timeout_ms" not in merged.get("calls", {}):
        merged["calls"] = {**merged.get("calls", {}), "timeout_ms": _seconds_ms(constants.DEFAULT_RPC_TIMEOUT_SEC)}
    if not given:  # a library is silent where all is well
        merged["log"] = {"level": "warning"}
    with _lock:
        _functions.allow([serve] if isinstance(serve, str) else serve)
        if not is_world:
            _workers.set_world([])
            _core.start(text if text is not None else to_toml(merged), label, pickle)
            _membership = None
            return
        _start_world(merged, label, Membership(place(rank, world_size, init_method)), transport, insecure, pickle)


def _start_world(config: dict[str, Any], label: str, membership: Membership, transport: str, insecure: bool,
                 pickle: bool) -> None:
    global _membership
    master = membership.master
    urls, join_timeout = listen_urls(master, transport), _join_timeout()
    if master.rank == 0:
        urls = [url for url in urls if not url.startswith("tcp:")] + [master.url]
    listen = list(config.get("listen", []))
    config["listen"] = listen + [{"url": url, "insecure": True} if insecure and url.startswith("tcp:") else url
                                 for url in urls]
    # The others may come up before node 0 does: that is no news, and it is tried again soon.
    config.setdefault("connect", {}).setdefault("backoff_max_ms", 500)
    quiet = config.get("log") == {"level": "warning"}
    if quiet:
        config["log"] = {"level": "error"}
    membership.prepare()
    name = _core.start(to_toml(config), label, pickle)
    try:
        _workers.set_world(membership.join(name, _own_urls(transport), _join_timeout()))
        membership.wait_until_all_are_ready(name, _join_timeout())
    except BaseException:
        _core.stop(0)
        raise
    if quiet:
        _core.set_log_level("warning")
    _membership = membership


def _own_urls(transport: str) -> list[str]:
    """Where the others reach this node, with real ports, best first."""
    order = ["shm:", "unix:", "tcp:"]
    urls = sorted(_core.listening(), key=lambda url: order.index(url.split("/")[0]) if url.split("/")[0] in order else 9)
    return [url for url in urls if transport == "auto" or url.startswith(transport + ":")] or urls


def _join_timeout() -> float:
    text = os.environ.get("ONWARD_JOIN_TIMEOUT", "300")
    try:
        return float(text)
    except ValueError:
        raise InvalidArgument(f"init_rpc(): ONWARD_JOIN_TIMEOUT is {text!r} in the environment, and must be "
                              "seconds") from None


def shutdown(graceful: bool = True, timeout: Optional[float] = 0) -> None:
    """Ends this process's node.

    graceful: where nodes have ranks, waits until all of them call this, ``timeout`` seconds at most, 0 is for ever;
    then calls in flight may finish, for [shutdown] drain_ms. Otherwise they fail at once, with UNAVAILABLE. All Futures
    of calls are done afterwards, and calls fail. Twice is fine.
    """
    global _membership
    _refuse_on_event_thread("shutdown()")
    with _lock:
        name = _core.node_name()
        if name is None:
            return
        membership, _membership = _membership, None
        if graceful and membership is not None:
            membership.leave(name, timeout or None)
        _core.stop(None if graceful else 0)


def _refuse_on_event_thread(what: str) -> None:
    if _core.on_event_thread():
        raise FailedPrecondition(f"{what} on the event thread, which runs async functions and callbacks, would wait for "
                                 "itself: call it in the main thread")


@atexit.register
def _at_exit() -> None:
    # What is still in flight fails: nobody is left who would wait for it.
    _errors.leaving = True
    _core.stop(0)
    _core.stop_event_thread()


os.register_at_fork(after_in_child=_core.after_fork)
