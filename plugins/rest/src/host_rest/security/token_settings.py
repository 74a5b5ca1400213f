"""How tokens are issued, as a configuration says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from host.contracts.contract import Settings

LONGEST_ACCESS = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings(Settings):
    """How tokens are issued."""

    section: ClassVar[str] = "TokenConfigurationSection"

    issuer: str = "jobhost"
    """Who issues them. For OpenID Connect, the address of ``/auth`` as clients know it."""
    audience: str = "jobhost"
    """Whom they are for. Hosts with different audiences do not take each other's."""
    access_lifetime: timedelta = timedelta(hours=1)
    refresh_lifetime: timedelta = timedelta(days=1)
    """How long a session goes on without being used."""
    session_lifetime: timedelta = timedelta(days=30)
    """How long it goes on at most."""
    allow_password_grant: bool = False
    """Whether programs may hand in people's passwords at the token endpoint (OAuth 2.1 no longer has it)."""

    def __post_init__(self) -> None:
        """Refuse what no token could be made of."""
        for name in ("issuer", "audience"):
            text = getattr(self, name)
            if not 1 <= len(text) <= 200 or not text.isprintable() or " " in text:
                raise ValueError(f"{name}: expected 1 to 200 characters without spaces")
        if not timedelta(minutes=1) <= self.access_lifetime <= LONGEST_ACCESS:
            raise ValueError("accessLifetime: expected PT1M to P1D")
        if not self.access_lifetime <= self.refresh_lifetime <= self.session_lifetime <= timedelta(days=400):
            raise ValueError("expected accessLifetime <= refreshLifetime <= sessionLifetime <= P400D")
