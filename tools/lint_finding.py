"""One thing that lint found."""

from typing import NamedTuple


class Finding(NamedTuple):
    path: str  # relative to the root
    line: int
    what: str  # what is wrong
    advice: str  # what to do

    def __str__(self):
        return f"{self.path}:{self.line}: {self.what}: {self.advice}"
