"""Reading an access token: the one place that decides whether it is one of ours (RFC 9068 §4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from host.errors import AuthenticationError
from host_rest.security.signing_keys import ALGORITHM

if TYPE_CHECKING:  # it takes long to import, and few commands verify
    from joserfc.jwk import ECKey, GuestProtocol

TOKEN_TYPE = "at+jwt"  # noqa: S105  # a media type
MAX_TOKEN = 8 * 1024
SKEW_SECONDS = 60
"""How far the clock may have been set back since the token was issued."""
_HEADER = {"alg", "typ", "kid"}
_TEXTS = ("iss", "aud", "sub", "sid", "jti", "client_id", "scope")
_TIMES = ("exp", "nbf", "iat")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """What a valid token says."""

    session: str
    subject: str
    scopes: tuple[str, ...]
    expires_at: datetime


def verify(
    token: str, find_key: Callable[[str], ECKey | None], *, issuer: str, audience: str, now: datetime
) -> AccessClaims:
    """Give what a token says, if we signed it, it is for us, and it is valid now.

    The algorithm and the members of the header are fixed: nothing in the token chooses how it is checked, but which
    of our own keys. Raises AuthenticationError, which does not quote the token.
    """
    if len(token) > MAX_TOKEN or not token.isascii():
        raise AuthenticationError("the token is not valid")
    claims = _signed_claims(token, find_key)
    if not all(isinstance(claims.get(name), str) for name in _TEXTS):
        raise AuthenticationError("the token is not valid")
    if not all(type(claims.get(name)) is int for name in _TIMES):
        raise AuthenticationError("the token is not valid")
    if claims["iss"] != issuer or claims["aud"] != audience:
        raise AuthenticationError("the token is not for this host")
    instant = int(now.timestamp())
    if max(claims["nbf"], claims["iat"]) > instant + SKEW_SECONDS:
        raise AuthenticationError("the token is not valid yet")
    if claims["exp"] <= instant:
        raise AuthenticationError("the token has expired")
    return AccessClaims(
        session=claims["sid"],
        subject=claims["sub"],
        scopes=tuple(claims["scope"].split()),
        expires_at=_instant(claims["exp"]),
    )


def _signed_claims(token: str, find_key: Callable[[str], ECKey | None]) -> Mapping[str, Any]:
    from joserfc import jwt
    from joserfc.errors import JoseError

    def key(unchecked: GuestProtocol) -> ECKey:
        header = unchecked.headers()
        if set(header) != _HEADER or header["alg"] != ALGORITHM or header["typ"] != TOKEN_TYPE:
            raise ValueError("header")
        found = find_key(header["kid"])
        if found is None:
            raise ValueError("kid")
        return found

    try:
        return jwt.decode(token, key, algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise AuthenticationError("the token is not valid") from None  # the cause may quote the token


def _instant(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise AuthenticationError("the token is not valid") from None
