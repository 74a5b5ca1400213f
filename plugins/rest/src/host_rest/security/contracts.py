"""What the guards of this plugin need of each other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from host.contracts.contract import Contract
from host_rest.security.accounts import AccountBook


class Accounts(Contract):
    """Knows who may sign in."""

    @abstractmethod
    def book(self) -> AccountBook:
        """Give the accounts as they are now; quick, asked with every request.

        The same book, and in it the same Account objects, until something changes. Raises StoreCorruptError or
        StoreUnavailableError while they cannot be read: then nobody is known.
        """

    @abstractmethod
    async def change(self, edit: Callable[[AccountBook], AccountBook]) -> AccountBook:
        """Put in place what ``edit`` makes of the accounts; durable when the call returns.

        ``edit`` runs in another thread. What it raises passes through, and changes nothing.
        """
