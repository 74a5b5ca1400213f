"""Passwords of persons: what is asked of them, and how they are kept (Argon2id)."""

from __future__ import annotations

import secrets
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from host.errors import InvalidRequestError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH = 12
MAX_LENGTH = 1024
_WORD = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without those that look alike."""


def check_password(password: str, *, name: str) -> None:
    """Raise InvalidRequestError for a password too weak to be somebody's; it is not shown.

    Length is what counts: no rule asks for kinds of characters.
    """
    normal = unicodedata.normalize("NFKC", password)
    if any("\ud800" <= each <= "\udfff" for each in normal):
        raise InvalidRequestError("the password is not readable as text; expected UTF-8")
    if len(normal) < MIN_LENGTH:
        raise InvalidRequestError(f"the password is too short; at least {MIN_LENGTH} characters are expected")
    if len(password) > MAX_LENGTH:
        raise InvalidRequestError(f"the password is too long; at most {MAX_LENGTH:,} characters are expected")
    if normal.casefold() == name.casefold():
        raise InvalidRequestError("the password is the name of the account; choose another one")


def hash_password(password: str) -> str:
    """Give what to keep of a password; takes 64 MiB and a tenth of a second."""
    return _hasher().hash(_normal(password))


def is_password(password: str, secret_hash: str | None) -> bool:
    """Say whether a password is the one that was kept; takes as long for None, which nobody's password fits.

    What is no Argon2 hash fits none either.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > MAX_LENGTH:
        password = ""
    try:
        return _hasher().verify(secret_hash or _nobodys(), _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def new_password() -> str:
    """Make a password of 100 random bits that can be read out over a telephone."""
    return "-".join("".join(secrets.choice(_WORD) for _ in range(5)) for _ in range(4))


@cache
def _hasher() -> PasswordHasher:
    """Give the hasher of 64 MiB and three passes (RFC 9106 §4, the second recommended choice).

    Its library is imported here, for most commands about accounts neither set nor check a password.
    """
    from argon2 import PasswordHasher

    return PasswordHasher()


def _nobodys() -> str:
    """Give what no password has, and what costs as much to find out as for a real one."""
    cost = _hasher()
    return f"$argon2id$v=19$m={cost.memory_cost},t={cost.time_cost},p={cost.parallelism}${'A' * 22}${'A' * 43}"


def _normal(password: str) -> bytes:
    """Give the same bytes for the same characters, however a keyboard composed them (NIST SP 800-63B §3.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
