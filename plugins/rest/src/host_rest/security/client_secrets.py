"""Secrets of programs: 256 random bits, of which only a hash is kept."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256

_NOBODYS = "0" * 64


def new_secret() -> str:
    """Make a secret of 256 random bits, as text of 43 characters."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Give what to keep of a secret. One that is random needs no slow hash: it cannot be guessed."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_secret(secret: str, secret_hash: str | None) -> bool:
    """Say whether a secret is the one that was kept, in constant time; for None, which fits none, as well."""
    return hmac.compare_digest(hash_secret(secret), secret_hash or _NOBODYS)
