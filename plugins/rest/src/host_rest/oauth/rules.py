"""Every kind of request below ``/auth``, and who may make it."""

from __future__ import annotations

from host.contracts.http import HttpRule
from host.model.security import Access

MAX_FORM_BYTES = 16 * 1024
"""More than any sign-in needs."""


def _rule(method: str, path: str, name: str, demand: Access = Access.PUBLIC) -> HttpRule:
    return HttpRule(methods=frozenset({method}), path=path, demand=demand, name=name, max_body_bytes=MAX_FORM_BYTES)


RULES = (
    _rule("POST", "/oauth2_token", "token"),
    _rule("POST", "/revoke", "revoke"),
    _rule("GET", "/.well-known/openid-configuration", "metadata"),
    _rule("GET", "/.well-known/oauth-authorization-server", "metadata"),
    _rule("GET", "/jwks", "keys"),
    _rule("GET", "/userinfo", "user", Access.AUTHENTICATED),
    _rule("GET", "/session", "session", Access.AUTHENTICATED),
    _rule("DELETE", "/session", "sign out", Access.AUTHENTICATED),
    _rule("GET", "/first", "first sign-in page"),
    _rule("POST", "/first", "first sign-in"),
    _rule("PING", "/", "ping"),
)
"""A rule's name says who answers it, and what the audit calls it."""
