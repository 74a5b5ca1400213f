"""Who fires schedules, for economy: correctness never depends on it."""

from __future__ import annotations

from abc import abstractmethod

from host.contracts.contract import Contract


class Leadership(Contract):
    """At most one node is active by the holder's knowledge; two may be for a lease's length."""

    @abstractmethod
    def is_active(self) -> bool:
        """Say whether this node is active now."""

    @abstractmethod
    def holder(self) -> str | None:
        """Name the active node, as far as known."""

    @abstractmethod
    def term(self) -> int:
        """Give a number that grows with each change of the holder."""

    @abstractmethod
    async def wait_changed(self) -> None:
        """Wait until ``is_active`` may have changed."""

    @abstractmethod
    async def resign(self) -> None:
        """Stop being active; a second call does nothing."""
