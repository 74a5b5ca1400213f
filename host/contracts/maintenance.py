"""Keeping stores healthy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from host.contracts.contract import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSize:
    """How large a store is."""

    bytes: int
    rows: int | None = None
    """Rows, where they can be had without a scan; else None."""


class StoreMaintenance(Contract):
    """What every durable store can do for its operator; safe while the host runs."""

    many = True

    @property
    @abstractmethod
    def store_name(self) -> str:
        """A short, stable name, unique among the stores of a host, fit for a file name."""

    @abstractmethod
    async def size(self) -> StoreSize:
        """Give its size now."""

    @abstractmethod
    async def verify(self) -> Sequence[str]:
        """Check its integrity; every finding as a sentence, empty when sound."""

    @abstractmethod
    async def optimise(self, *, hold_at_most: timedelta = timedelta(milliseconds=20)) -> str:
        """Refresh statistics and return free space, in steps that never hold writers longer than ``hold_at_most``.

        Says in one line what was done.
        """

    @abstractmethod
    async def backup(self, folder: Path) -> Sequence[Path]:
        """Write a consistent copy of the store into ``folder``; returns the files written."""

    @abstractmethod
    def restore(self, folder: Path) -> Sequence[Path]:
        """Put a copy made by ``backup`` in place; only while no host runs. Returns the files replaced.

        The previous files stay beside them with the suffix ``.before-restore``.
        """
