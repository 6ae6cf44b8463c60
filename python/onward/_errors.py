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

_MAX_TRACEBACK = 16_000  # characters: the middle of a longer one stays


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
        lines += [f"    at node {hop.node}" + (f", function {hop.function}" if hop.function else "")
                  + (f": {hop.message}" if hop.message else "") for hop in self.trail]
        return "\n".join(lines)

    def __reduce__(self) -> Any:
        state = {key: value for key, value in vars(self).items() if key != "_onward_status"}
        return (_restore, (type(self), self.message, int(self.code)), state)


def _restore(cls: type[RpcError], message: str, code: int) -> RpcError:
    # Not by its own __init__(), which may take other arguments.
    error: RpcError = cls.__new__(cls, message)  # type: ignore[call-arg]
    RpcError.__init__(error, message, code=StatusCode(code))
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
    if len(text) <= _MAX_TRACEBACK:
        return text
    return text[:_MAX_TRACEBACK // 4] + "\n(…)\n" + text[-_MAX_TRACEBACK * 3 // 4:]


def _text_of(error: BaseException) -> str:
    name = _type_name(type(error))
    try:
        text = str(error) or name
    except Exception:
        text = name
    return _sendable(text)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def to_status(error: BaseException) -> _core.Status:
    """What travels of an exception."""
    # One that came from elsewhere goes on as it is, with the trail of the nodes that it has passed.
    status: Optional[_core.Status] = getattr(error, "_onward_status", None)
    if status is not None:
        return status
    trace = _sendable(_traceback_of(error))
    if isinstance(error, RpcError):
        name = "" if type(error) in (RpcError, _CLASSES.get(int(error.code))) else _type_name(type(error))
        text = _sendable(str(error.message))
        made = _core.Status(int(error.code), text, name, {**_detail(error, trace), "details": error.details})
        if made.detail is None:  # its details are too large, or of what cannot be sent; the message says so
            made = _core.Status(int(error.code), made.message, name, _detail(error, trace))
        return made
    text, name = _text_of(error), _type_name(type(error))
    made = _core.Status(int(StatusCode.UNKNOWN), text, name, _detail(error, trace))
    if made.detail is None:  # what it is made of is too large, or cannot be sent
        made = _core.Status(int(StatusCode.UNKNOWN), text, name, {**_detail(error, trace), "args": None, "state": {}})
    return made


def _detail(error: BaseException, trace: str) -> dict[str, Any]:
    """How to make it again. Attributes that cannot be sent are left out."""
    cls = type(error)
    args = list(error.args)
    if isinstance(error, RpcError):
        args = [error.message]
    elif isinstance(error, OSError) and cls.__reduce__ is OSError.__reduce__:
        args = list(error.__reduce__()[1])  # has the names of files
    known = {"message", "details", "trail", "type", "code"} if isinstance(error, RpcError) else set()
    state = {key: value for key, value in vars(error).items()
             if key not in known and key not in ("_onward_status", "__notes__")
             and _core.Status(int(StatusCode.UNKNOWN), "", "", [value]).detail is not None}
    detail = {"module": cls.__module__, "name": cls.__qualname__, "traceback": trace, "args": args, "state": state}
    if isinstance(error, BaseExceptionGroup):
        detail["args"] = [error.message]
        detail["exceptions"] = [_detail(each, "") for each in error.exceptions]
    return detail


def _rebuilt(detail: dict[str, Any], code: int = 0, message: str = "") -> Optional[BaseException]:
    """The exception as its own type, where that is imported here and can be made."""
    module, name, args = detail.get("module"), detail.get("name"), detail.get("args")
    if not isinstance(module, str) or not isinstance(name, str) or not isinstance(args, list):
        return None
    found: Any = builtins if module == "builtins" else sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, BaseException):
        return None
    # What ends a program, or a generator, ends those where it was raised.
    if not issubclass(found, Exception) or issubclass(found, (StopIteration, StopAsyncIteration)):
        return None
    try:
        if issubclass(found, BaseExceptionGroup):
            inner = [_rebuilt(each) for each in detail["exceptions"]]
            if None in inner:
                return None
            args.append(inner)
        # Not by its own __init__(), which may take other arguments than it has kept, or make others of them.
        # Of a class with two builtin bases, the first found __new__() may be of the wrong one.
        maker: Any = found
        while maker.__module__ != "builtins" and "__new__" not in vars(maker):
            maker = maker.__base__
        error: BaseException = maker.__new__(found, *args)
        if isinstance(error, RpcError):
            RpcError.__init__(error, message or args[0], detail.get("details"), code=StatusCode(code or found.code))
        else:
            next(cls for cls in found.__mro__ if cls.__module__ == "builtins").__init__(error, *args)
        for key, value in (detail.get("state") or {}).items():
            setattr(error, key, value)
    except Exception:
        return None
    return error


def from_status(status: _core.Status) -> BaseException:
    """The exception that stands for it here."""
    detail = status.detail
    is_python = status.detail_type == "python.exception" and isinstance(detail, dict)
    error = _rebuilt(detail, status.code, status.message) if is_python and status.type else None
    if error is None:
        cls = _CLASSES.get(status.code, Unknown)
        made = cls(status.message, detail.get("details") if is_python else detail, code=StatusCode(status.code))
        made.trail = [Hop(*hop) for hop in status.trail]
        made.type = status.type
        error = made
    elif isinstance(error, RpcError):
        error.trail = [Hop(*hop) for hop in status.trail]
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


leaving = False  # whether the program is at its end, where calls in flight fail


def report_unobserved(error: BaseException, origin: str) -> None:
    """Of a Future that failed, and nobody has looked."""
    if leaving and isinstance(error, (Unavailable, Cancelled)):
        return
    where = f", made at {origin}" if origin else ""
    logger.error("a Future failed, and nobody looked at it%s: %s: %s", where, _type_name(type(error)), error,
                 exc_info=error)
