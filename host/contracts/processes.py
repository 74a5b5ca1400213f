"""How another process comes to the jobs that this host offers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from host.contracts.contract import Contract
from host.errors import WiringError


class ProcessBlueprint(Contract):
    """Boots a process that has this host's jobs, wired from the configuration that this host runs with."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Give the arguments with which the interpreter boots such a process."""

    @abstractmethod
    def document(self) -> bytes:
        """Give what the process reads first, one JSON object. It may hold secrets: pass it on, never store it."""

    @abstractmethod
    def is_wanted(self) -> bool:
        """Whether a configured job is to be performed in a process of its own."""

    @abstractmethod
    def refusal(self, job_type: str) -> WiringError | None:
        """Say why a job cannot be had there: it, or a provider it needs, is not made for it. None if it can."""
