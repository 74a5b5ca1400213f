"""Importing libraries without what they only look for: time and memory that nobody here has a use for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Refusal:
    """A finder (PEP 451) that says of some top-level modules that they are not there."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"{name} is not wanted here", name=name)


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Let imports inside the block find none of these top-level modules, unless they are imported already."""
    refusal = _Refusal(frozenset(names))
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)
