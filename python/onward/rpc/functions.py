"""The name that PyTorch gave to what the RFC calls ``async_function``."""

from .._functions import async_function
from .._functions import async_function as async_execution

__all__ = ["async_execution", "async_function"]
