"""What ``torch.futures`` has, and more ways to wait."""

from ._combinators import collect_all, wait_all, when_all, when_any, with_timeout
from ._core import Future

__all__ = ["Future", "collect_all", "wait_all", "when_all", "when_any", "with_timeout"]
