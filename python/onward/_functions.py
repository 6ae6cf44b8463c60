"""Which functions others may call, and by which names."""

from __future__ import annotations

import difflib
import fnmatch
import inspect
import sys
import types
from typing import Any, Callable, Iterable, Optional, TypeVar, overload

from . import _core
from ._core import Future
from ._errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied

F = TypeVar("F", bound=Callable[..., Any])

_PLAIN, _ASYNC, _COROUTINE = range(3)  # as in handler.h
_MARK = "_onward_async"

# What has a name of its own: function -> name.
_named: dict[Any, str] = {}
_registered: dict[str, Any] = {}

# Of the standard library, what only computes; the rest is called where init_rpc(serve=…) says so.
_HARMLESS = {"operator", "_operator", "math", "cmath", "statistics", "fractions", "decimal"}
_HARMLESS_BUILTINS = {
    "abs", "all", "any", "bin", "bool", "bytes", "chr", "dict", "divmod", "float", "hex", "int", "len", "list", "max",
    "min", "oct", "ord", "pow", "repr", "reversed", "round", "set", "sorted", "str", "sum", "tuple",
}
_serve: tuple[str, ...] = ()


def allow(patterns: Iterable[str]) -> None:
    """Names, with ``*``, of functions of the standard library that may be called."""
    global _serve
    _serve = tuple(patterns)


def async_function(function: F) -> F:
    """Marks a function as one that answers later: it returns a Future, and the answer is sent when that is done.

    It runs on the node's event thread, one at a time, and must not block. Also on top of, or below, ``staticmethod``
    and ``classmethod``. A coroutine function needs no mark.
    """
    inner: Any = function.__func__ if isinstance(function, (staticmethod, classmethod)) else function
    if not callable(inner):
        raise TypeError(f"async_function() marks functions, not {function!r}")
    try:
        setattr(inner, _MARK, True)
    except AttributeError:
        raise TypeError(f"{function!r} cannot be marked as async: put it into a function of your own") from None
    return function


@overload
def function(name: str) -> Callable[[F], F]: ...
@overload
def function(name: F) -> F: ...
def function(name: Any) -> Any:
    """Registers a function, under its own name, or as ``@function("search.scan")`` says: C++ nodes call it by that.

    It need not be done for calls between Python nodes, which find what is imported by its name.
    """
    if isinstance(name, str):
        return lambda function: register(function, name)
    return register(name)


def register(function: F, name: Optional[str] = None) -> F:
    """Has others find ``function`` under ``name``: also a lambda, a local function, or the method of an object."""
    inner = function.__func__ if isinstance(function, staticmethod) else function
    if not callable(inner):
        raise TypeError(f"only what can be called can be registered, not {function!r}")
    text = name if name is not None else name_of(inner)
    if text.startswith("onward."):
        raise InvalidArgument(f'"{text}": names that begin with "onward." are the node\'s own')
    known = _registered.get(text)
    if known is not None and known is not inner and name is not None and not _is_redefinition(known, inner):
        raise AlreadyExists(f'a function is registered as "{text}" already: {known!r}')
    _registered[text] = inner
    if name is not None:
        try:
            _named[inner] = text
        except TypeError:
            pass  # what cannot be hashed is only called by its name
    added = _core.add_handler(text, inner, _mode(inner), inspect.getdoc(inner) or "")
    if added is not None and not _core.on_event_thread():
        added.wait()
    return function


def _is_redefinition(old: Any, new: Any) -> bool:
    return (getattr(old, "__module__", None), getattr(old, "__qualname__", None)) == (
        getattr(new, "__module__", None), getattr(new, "__qualname__", None))


def _mode(function: Any) -> int:
    if isinstance(function, _MayChange):
        return function.mode
    inner = inspect.unwrap(getattr(function, "__func__", function))
    if inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None)):
        return _COROUTINE
    return _ASYNC if getattr(function, _MARK, False) or getattr(inner, _MARK, False) else _PLAIN


def is_async(function: Any) -> bool:
    return _mode(function) != _PLAIN


def _module_name(function: Any, name: str) -> Optional[str]:
    """Functions of extension modules do not all know where they are."""
    module = getattr(function, "__module__", None)
    if module is not None and _follow(sys.modules.get(module), name) is not None:
        return str(module)
    for candidate, found in list(sys.modules.items()):
        if candidate != "__main__" and found is not None and _follow(found, name) is function:
            return candidate
    return None


def _follow(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


def name_of(function: Any) -> str:
    """The name that ``function`` is called by: "module.qualified.name"."""
    try:
        named = _named.get(function)
    except TypeError:  # it cannot be hashed
        named = None
    if named is not None:
        return named
    if not callable(function):
        raise TypeError(f"func must be a function, or the name of one, not {function!r}")
    if isinstance(function, types.MethodType) and isinstance(function.__self__, type):
        name = f"{function.__self__.__qualname__}.{function.__name__}"
    else:
        name = str(getattr(function, "__qualname__", None) or getattr(function, "__name__", ""))
    if "<lambda>" in name:
        raise InvalidArgument("a lambda cannot be called at another node, as it has no name there: def a function, or "
                              "register() it at both nodes")
    if "<locals>" in name:
        raise InvalidArgument(f"{name} cannot be called at another node, as it is local to a function: move it to the "
                              "module, or register() it at both nodes")
    if not name:
        raise InvalidArgument(f"{function!r} has no name: call a function, or register() it at both nodes")
    owner = function.__self__ if isinstance(function, types.MethodType) else function
    module = _module_name(owner if isinstance(owner, type) else function, name.split(".")[0] if owner is not function
                          else name)
    if module is None:  # as torch.add, whose qualified name is that of a hidden class
        name = getattr(function, "__name__", name)
        module = _module_name(function, name)
    if module is None:
        raise InvalidArgument(f"{function!r} is not found in any module by its name: call a function of a module, or "
                              "register() it at both nodes")
    return f"{module}.{name}"


def _find(name: str) -> Any:
    """What that name stands for among the modules that are imported."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:cut]))
        if module is None:
            continue
        found = _follow(module, ".".join(parts[cut:]))
        if callable(found):
            return _checked(name, ".".join(parts[:cut]), ".".join(parts[cut:]), found)
        raise NotFound(f'module {module.__name__} has no function "{".".join(parts[cut:])}"'
                       + _suggestion(parts[-1], dir(module)))
    top = parts[0] if len(parts) > 1 else name
    raise NotFound(f'"{name}" is neither registered here nor in a module that is imported'
                   + (f": import {top} at this node" if len(parts) > 1 else "")
                   + _suggestion(name, list(_registered)))


def _suggestion(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, [name for name in known if not name.startswith("__")], 1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _is_called(function: Any, name: str) -> bool:
    """Also by a name that is not the first: os.getpid is posix.getpid."""
    module, _, path = name.rpartition(".")
    return module in sys.modules and _follow(sys.modules[module], path) is function


def _checked(name: str, module: str, path: str, found: Any) -> Any:
    if any(fnmatch.fnmatchcase(name, pattern) or _is_called(found, pattern) for pattern in _serve):
        return found
    # What one module has imported from another is called by the other's name.
    home = getattr(found, "__module__", None) or module
    if home.split(".")[0] in sys.stdlib_module_names and home != "__main__":
        harmless = path in _HARMLESS_BUILTINS if home == "builtins" else home in _HARMLESS
        if not harmless:
            raise PermissionDenied(f'"{name}" is of the standard library, which others may not call: '
                                   f'init_rpc(serve=["{name}"]) at this node allows it')
    if home.split(".")[0] == "onward":
        raise PermissionDenied(f'"{name}" is Onward\'s own')
    return found


class _MayChange:
    """A function of the program itself, which a notebook may define anew: whichever stands there is called."""

    def __init__(self, name: str, function: Any) -> None:
        self.name = name
        self.path = name.removeprefix("__main__.")
        self.function = function
        self.mode = _mode(function)
        self.__doc__ = inspect.getdoc(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _follow(sys.modules["__main__"], self.path) == self.function:
            return self.function(*args, **kwargs)
        self.function = _find(self.name)
        if _mode(self.function) == self.mode:
            return self.function(*args, **kwargs)
        # It answers in another way than before: called once more, it is served so.
        new = _MayChange(self.name, self.function)
        _registered[self.name] = new
        _core.add_handler(self.name, new, new.mode, new.__doc__ or "")
        if self.mode == _PLAIN:
            return _core.rpc_sync(_core.node_name() or "", self.name, args, kwargs)
        again = _core.rpc_async(_core.node_name() or "", self.name, args, kwargs)
        return again if self.mode == _ASYNC else _awaited(again)


async def _awaited(future: Future[Any]) -> Any:
    return await future


@async_function
def _resolve(name: str) -> Future[None]:
    """Looks for a function that nobody has registered, and registers it."""
    answer: Future[None] = Future()
    if name in _registered:
        answer.set_result(None)
        return answer
    found = _find(name)
    if name.startswith("__main__."):
        found = _MayChange(name, found)
    _registered[name] = found
    added = _core.add_handler(name, found, _mode(found), inspect.getdoc(found) or "")
    if added is None:
        answer.set_result(None)
        return answer
    return added


_core.add_handler("python.resolve", _resolve, _ASYNC, "Looks for a Python function by its name.")
