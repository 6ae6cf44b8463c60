"""Values that travel as others: dataclasses, named tuples, sets, numpy's numbers, torch's tensors."""

from __future__ import annotations

import dataclasses
import enum
import pickle
import sys
from typing import Any, Optional

from ._errors import InvalidArgument


def _tag_of(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _class_of(tag: str) -> Any:
    """The class that a tag names, if its module is imported here."""
    module, _, name = tag.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and _tag_of(found) == tag else None


def to_plain(value: Any) -> Optional[tuple[Optional[str], Any]]:
    """The tag of a value, or None, and what it consists of; None for one that cannot be sent."""
    cls = type(value)
    if isinstance(value, enum.Enum):
        return _tag_of(cls), [value.value]
    if dataclasses.is_dataclass(cls):
        return _tag_of(cls), {field.name: getattr(value, field.name) for field in dataclasses.fields(cls)}
    if isinstance(value, tuple):
        return (_tag_of(cls) if hasattr(cls, "_fields") else "tuple"), tuple(value)
    if isinstance(value, dict):
        return None, dict(value)
    if isinstance(value, list):
        return None, list(value)
    for plain in (bool, int, float, str, bytes):
        if isinstance(value, plain):
            return None, plain(value)
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        item = value.item()  # a number of numpy
        return (None, item) if isinstance(item, (bool, int, float, str, bytes)) else None
    return None


def from_plain(tag: str, plain: Any) -> Any:
    """What a value with that tag is here; one whose class is not imported is what it consists of."""
    if tag == "set":
        return set(plain)
    if tag == "frozenset":
        return frozenset(plain)
    if tag == "dict":
        return dict(plain)
    cls = _class_of(tag)
    if cls is None:
        return plain
    if issubclass(cls, enum.Enum) and isinstance(plain, list) and len(plain) == 1:
        return cls(plain[0])
    if issubclass(cls, tuple) and hasattr(cls, "_fields") and isinstance(plain, list):
        return cls(*plain)
    if dataclasses.is_dataclass(cls) and isinstance(plain, dict):
        return _dataclass_from(cls, plain)
    return plain


def _dataclass_from(cls: Any, plain: dict[str, Any]) -> Any:
    """Members that the class does not have here are dropped, and those that did not come have their defaults."""
    fields = dataclasses.fields(cls)
    made = cls(**{field.name: plain[field.name] for field in fields if field.init and field.name in plain})
    for field in fields:
        if not field.init and field.name in plain:
            object.__setattr__(made, field.name, plain[field.name])
    return made


def plain_torch(tensor: Any) -> Any:
    """Without gradients, in row-major order, in the CPU's memory."""
    if tensor.device.type != "cpu":
        raise ValueError(f"it is on device {tensor.device}: only tensors in the CPU's memory can be sent, use .cpu()")
    if tensor.layout is not sys.modules["torch"].strided:
        raise ValueError("a sparse tensor cannot be sent: use .to_dense()")
    plain = tensor.detach().contiguous()
    return plain.numpy() if plain.dtype == sys.modules["torch"].bool else plain


def from_array(array: Any, is_bfloat16: bool) -> Any:
    """A tensor of torch over the array's memory, where torch is imported."""
    torch = sys.modules.get("torch")
    if torch is None:
        if is_bfloat16:
            raise ValueError("an array of bfloat16 came, which numpy does not have: import torch")
        return array
    if is_bfloat16:
        return torch.from_numpy(array.view("int16")).view(torch.bfloat16)
    kinds = {"uint16": "int32", "uint32": "int64"}  # that torch does not have
    return torch.from_numpy(array.astype(kinds[array.dtype.name]) if array.dtype.name in kinds else array)


def pickle_value(value: Any) -> tuple[bytes, list[memoryview]]:
    """Large buffers travel beside it, from where they are."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    except Exception as error:
        raise InvalidArgument(f"it cannot be pickled: {type(error).__name__}: {error}") from error
    return body, [buffer.raw() for buffer in buffers]


def unpickle_value(body: bytes, buffers: list[Any]) -> Any:
    return pickle.loads(body, buffers=buffers)
