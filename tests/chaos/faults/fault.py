"""What a fault is to the campaign."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from tests.chaos.desk import INTERVAL_SECONDS, Desk
from tests.chaos.evidence import Evidence, Promises, Violation

EXECUTORS = ("loop", "thread", "process")


class Fault(ABC):
    """One way to harm a host. ``inject`` does the harm and ``heal`` undoes it, again and again while a cell lasts.

    Whether it had an effect at all is part of the fault: it says so by ``desk.expect``.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    """What is done, for the documentation."""
    is_repeated: ClassVar[bool] = True
    """False: it strikes once and the cell goes on until its time is over."""
    misfire: ClassVar[str] = "all"
    """What the schedule does with fire times that it missed."""
    same_for_all: ClassVar[bool] = False
    """Whether the executor plays no part, so that ``loop`` stands for all."""
    drain_seconds: ClassVar[float] = 20.0
    """How long everything accepted may take to end after the last heal."""

    def missing(self) -> str | None:
        """Say what this machine lacks for it, or None."""
        return None

    def promises(self) -> Promises:
        """Say what must hold nevertheless."""
        return Promises(interval=INTERVAL_SECONDS)

    def prepare(self, desk: Desk) -> None:  # noqa: B027  # most faults need nothing
        """Do what must be done before the host is launched for the first time."""

    @abstractmethod
    async def inject(self, desk: Desk) -> None:
        """Do the harm."""

    async def heal(self, desk: Desk) -> None:  # noqa: B027  # as above
        """Undo it; afterwards a host runs."""

    def clean(self, desk: Desk) -> None:  # noqa: B027  # as above
        """Leave nothing behind on the machine; called in any case, also before ``heal`` came to its end."""

    def judge(self, evidence: Evidence) -> Iterator[Violation]:
        """Give the broken promises that only this fault can show."""
        yield from ()
