"""Values that are known by name and shown to nobody."""

from __future__ import annotations

from abc import abstractmethod

from host.contracts.contract import Contract

SECRET_PREFIX = "secret:"  # noqa: S105  # the mark of a reference
"""A text ``secret:NAME`` where a secret value is expected stands for the secret of that name."""


class SecretProvider(Contract):
    """Gives secrets by name, when they are used and not before."""

    @abstractmethod
    def get(self, name: str) -> str | None:
        """Give the present value of a secret, or None if there is none. Quick; may be called from any thread."""
