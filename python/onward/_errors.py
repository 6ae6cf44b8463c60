"""Exceptions: those that Onward raises, and how others travel.

An exception that a function raises reaches the caller as its own type, with the remote traceback as a note, where the
caller's program has imported the class; the arguments that it was made of travel with it. Everything else is an
``RpcError``, of the subclass that stands for its code.
"""

from __future__ import annotations

import builtins
import enum
import logging
import sys
import traceback
from typing import Any, NamedTuple, Optional

from . import _core

logger = logging.getLogger("onward")

_MAX_TRACEBACK = 16_000  # characters: the end of a longer one travels


class StatusCode(enum.IntEnum):
    """gRPC's canonical codes: https://grpc.io/docs/guides/status-codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Hop(NamedTuple):
    """Where an error passed through: a line of a remote traceback."""

    node: str
    function: str
    message: str


class RpcError(RuntimeError):
    """An error with a code. Raise a subclass in a function, and its caller catches it as what it is.

    code:    a StatusCode
    message: what happened
    details: a value that the callee attached, or None
    trail:   the nodes that it passed through, innermost first
    type:    how the exception was called that it came from, or ""
    """

    code: StatusCode = StatusCode.UNKNOWN

    def __init__(self, message: str = "", details: Any = None, *, code: Optional[StatusCode] = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.trail: list[Hop] = []
        self.type = ""
        if code is not None:
            self.code = StatusCode(code)

    def __str__(self) -> str:
        lines = [f"{self.code.name}: {self.message}" + (f" [{self.type}]" if self.type else "")]
        lines += [f"    at {hop.node}" + (f", {hop.function}" if hop.function else "")
                  + (f": {hop.message}" if hop.message else "") for hop in self.trail]
        return "\n".join(lines)

    def __reduce__(self) -> Any:
        return (_restore, (type(self), self.message, self.details, int(self.code), self.trail, self.type))


def _restore(cls: type, message: str, details: Any, code: int, trail: list[Hop], type_name: str) -> RpcError:
    error: RpcError = cls(message, details, code=StatusCode(code))
    error.trail = trail
    error.type = type_name
    return error


class Cancelled(RpcError):
    """Nobody waits for the answer any more."""
    code = StatusCode.CANCELLED


class Unknown(RpcError):
    """An exception whose class is not known here."""
    code = StatusCode.UNKNOWN


class InvalidArgument(RpcError, ValueError):
    """What was given cannot be used, or cannot be sent."""
    code = StatusCode.INVALID_ARGUMENT


class DeadlineExceeded(RpcError, TimeoutError):
    """The time was over before there was an answer."""
    code = StatusCode.DEADLINE_EXCEEDED


class NotFound(RpcError, LookupError):
    """There is no such peer, function, or thing."""
    code = StatusCode.NOT_FOUND


class AlreadyExists(RpcError):
    """There is one already."""
    code = StatusCode.ALREADY_EXISTS


class PermissionDenied(RpcError, PermissionError):
    """The caller may not do this."""
    code = StatusCode.PERMISSION_DENIED


class ResourceExhausted(RpcError):
    """The peer has more to do than it can: try later, or another one."""
    code = StatusCode.RESOURCE_EXHAUSTED


class FailedPrecondition(RpcError):
    """This cannot be done in the state that things are in."""
    code = StatusCode.FAILED_PRECONDITION


class Aborted(RpcError):
    """It was begun, and will not be finished: a broken promise, for one."""
    code = StatusCode.ABORTED


class OutOfRange(RpcError, IndexError):
    """Beyond the end."""
    code = StatusCode.OUT_OF_RANGE


class Unimplemented(RpcError, NotImplementedError):
    """The peer has no such function."""
    code = StatusCode.UNIMPLEMENTED


class Internal(RpcError):
    """Something that must not happen."""
    code = StatusCode.INTERNAL


class Unavailable(RpcError, ConnectionError):
    """The peer cannot be reached, or is shutting down."""
    code = StatusCode.UNAVAILABLE


class DataLoss(RpcError):
    """Something is lost."""
    code = StatusCode.DATA_LOSS


class Unauthenticated(RpcError, PermissionError):
    """The peer has not proved who it is."""
    code = StatusCode.UNAUTHENTICATED


_CLASSES: dict[int, type[RpcError]] = {
    int(cls.code): cls
    for cls in (Cancelled, Unknown, InvalidArgument, DeadlineExceeded, NotFound, AlreadyExists, PermissionDenied,
                ResourceExhausted, FailedPrecondition, Aborted, OutOfRange, Unimplemented, Internal, Unavailable,
                DataLoss, Unauthenticated)
}


def _type_name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _traceback_of(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error)).rstrip("\n")
    return text if len(text) <= _MAX_TRACEBACK else "(…)" + text[-_MAX_TRACEBACK:]


def to_status(error: BaseException) -> _core.Status:
    """What travels of an exception."""
    # One that came from elsewhere goes on as it is, with the trail of the nodes that it has passed.
    status: Optional[_core.Status] = getattr(error, "_onward_status", None)
    if status is not None:
        return status
    code = StatusCode.UNKNOWN
    if isinstance(error, RpcError):
        code = error.code
        if type(error) is _CLASSES.get(int(code)):
            return _core.Status(int(code), error.message, "", _detail(error, [], _traceback_of(error)))
    text = str(error) or _type_name(type(error))
    try:
        detail = _detail(error, list(error.args), _traceback_of(error))
        made = _core.Status(int(code), text, _type_name(type(error)), detail)
        if made.detail is None:  # its arguments are too large, or of what cannot be sent
            made = _core.Status(int(code), text, _type_name(type(error)), _detail(error, None, _traceback_of(error)))
        return made
    except Exception:
        return _core.Status(int(code), text, _type_name(type(error)))


def _detail(error: BaseException, args: Optional[list[Any]], trace: str) -> dict[str, Any]:
    cls = type(error)
    detail: dict[str, Any] = {"module": cls.__module__, "name": cls.__qualname__, "traceback": trace, "args": args}
    if isinstance(error, RpcError) and error.details is not None:
        detail["details"] = error.details
    state = {key: value for key, value in vars(error).items() if not key.startswith("_")}
    if args is not None and state and not isinstance(error, RpcError):
        detail["state"] = state
    return detail


def _rebuilt(detail: dict[str, Any]) -> Optional[BaseException]:
    """The exception as its own type, where that is imported here and can be made."""
    module, name, args = detail.get("module"), detail.get("name"), detail.get("args")
    if not isinstance(module, str) or not isinstance(name, str) or not isinstance(args, list):
        return None
    found: Any = builtins if module == "builtins" else sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, BaseException) or issubclass(found, RpcError) and not args:
        return None
    # What ends a program, or a generator, ends those where it was raised.
    if not issubclass(found, Exception) or issubclass(found, (StopIteration, StopAsyncIteration)):
        return None
    try:
        error = found(*args)
        for key, value in (detail.get("state") or {}).items():
            setattr(error, key, value)
    except Exception:
        try:  # made of other arguments than it has kept
            error = found.__new__(found, *args)
            error.args = tuple(args)
            for key, value in (detail.get("state") or {}).items():
                setattr(error, key, value)
        except Exception:
            return None
    return error


def from_status(status: _core.Status) -> BaseException:
    """The exception that stands for it here."""
    detail = status.detail
    is_python = status.detail_type == "python.exception" and isinstance(detail, dict)
    error = _rebuilt(detail) if is_python and status.type else None
    if error is None:
        cls = _CLASSES.get(status.code, Unknown)
        made = cls(status.message, detail.get("details") if is_python else detail, code=StatusCode(status.code))
        made.trail = [Hop(*hop) for hop in status.trail]
        made.type = status.type
        error = made
    elif isinstance(error, RpcError):
        error.trail = [Hop(*hop) for hop in status.trail]
        error.details = detail.get("details")
    if is_python and detail.get("traceback"):
        where = ", ".join(f'node "{hop[0]}"' + (f", {hop[1]}" if hop[1] else "") for hop in status.trail[:1])
        error.add_note(f"Remote traceback ({where or 'of this node'}):\n" + _indented(detail["traceback"]))
    if len(status.trail) > 1:
        error.add_note("It passed " + ", ".join(f'"{hop[0]}" ({hop[1]})' for hop in status.trail))
    try:
        error._onward_status = status  # type: ignore[attr-defined]
    except AttributeError:
        pass
    return error


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())


def report_unobserved(error: BaseException, origin: str) -> None:
    """Of a Future that failed, and nobody has looked."""
    where = f", made at {origin}" if origin else ""
    logger.error("a Future failed, and nobody looked at it%s: %s: %s", where, _type_name(type(error)), error,
                 exc_info=error)
