"""What only programs may ask for: to act at once, and in the name of others."""

from __future__ import annotations

from host.contracts.http import HttpCall
from host.errors import AccessDeniedError
from host.model.security import PrincipalKind


def is_program(call: HttpCall) -> bool:
    """Say whether a program asks, which signs in with a secret, and not a person."""
    return call.principal is not None and call.principal.kind is PrincipalKind.CLIENT


def demand_program(call: HttpCall, what: str, *, hint: str) -> None:
    """Raise AccessDeniedError unless a program asks; ``what`` ends the sentence "only programs"."""
    if not is_program(call):
        raise AccessDeniedError(f"only programs {what}", hint=hint)
