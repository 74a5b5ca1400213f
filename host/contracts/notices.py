"""Telling people that something is wrong."""

from __future__ import annotations

from abc import abstractmethod

from host.contracts.contract import Contract
from host.model.notices import Notice


class Notifier(Contract):
    """A way to tell people: a log, mail, a chat."""

    many = True

    @abstractmethod
    async def notify(self, notice: Notice) -> None:
        """Deliver a notice, or raise NoticeError: the host then tries again a few times, and says so in its log.

        Called for one notice at a time, at most 30 seconds each.
        """
