"""What tokens say: access tokens (RFC 9068) and, for persons, id tokens (OpenID Connect Core §2)."""

from __future__ import annotations

import secrets
from datetime import datetime

from host.model.security import IssuedTokens, PrincipalKind
from host_rest.security.sessions import Session
from host_rest.security.signing_keys import ALGORITHM, SigningKey
from host_rest.security.token_settings import TokenSettings
from host_rest.security.verification import TOKEN_TYPE


def write_tokens(
    settings: TokenSettings,
    key: SigningKey,
    session: Session,
    scopes: tuple[str, ...],
    *,
    now: datetime,
    refresh_token: str | None,
    nonce: str | None = None,
) -> IssuedTokens:
    """Give the tokens of a session, valid from now and no longer than the session."""
    issued = int(now.timestamp())
    expires = min(issued + int(settings.access_lifetime.total_seconds()), int(session.ends_at.timestamp()))
    claims: dict[str, object] = {
        "iss": settings.issuer,
        "sub": session.account,
        "aud": settings.audience,
        "exp": expires,
        "nbf": issued,
        "iat": issued,
        "jti": secrets.token_urlsafe(16),
        "sid": session.id,
        "client_id": session.client or session.account,
        "scope": " ".join(scopes),
    }
    is_person = session.kind is PrincipalKind.USER
    return IssuedTokens(
        access_token=_signed(key, TOKEN_TYPE, claims),
        expires_in=expires - issued,
        refresh_token=refresh_token,
        id_token=_signed(key, "JWT", _identity(claims, session, nonce)) if is_person else None,
        scopes=scopes,
    )


def _identity(claims: dict[str, object], session: Session, nonce: str | None) -> dict[str, object]:
    kept = {name: claims[name] for name in ("iss", "sub", "exp", "iat", "sid")}
    began = int(session.began_at.timestamp())
    own = {"aud": claims["client_id"], "auth_time": began, "preferred_username": session.account}
    return {**kept, **own, **({"nonce": nonce} if nonce else {})}


def _signed(key: SigningKey, type: str, claims: dict[str, object]) -> str:
    from joserfc import jwt  # it takes long to import, and few commands sign

    return jwt.encode({"alg": ALGORITHM, "typ": type, "kid": key.id}, claims, key.key, algorithms=[ALGORITHM])
