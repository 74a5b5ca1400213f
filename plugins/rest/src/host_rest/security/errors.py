"""What can be wrong with accounts."""

from __future__ import annotations

from host.errors import ErrorKind, HostError


class AccountNotFoundError(HostError):
    """No account has this name."""

    code = "account-not-found"
    kind = ErrorKind.MISSING


class AccountExistsError(HostError):
    """An account has this name already, be it a person's or a program's, in whatever case."""

    code = "account-exists"
    kind = ErrorKind.CONFLICT
