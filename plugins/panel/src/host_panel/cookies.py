"""The cookies of a signed-in browser: its tokens, and the text that its forms must repeat."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from host.model.security import IssuedTokens

ACCESS, REFRESH, FORM, FLASH, THEME = "access", "refresh", "form", "flash", "theme"
LONGEST_COOKIE = 4000
"""Characters; browsers drop what is much longer."""


def new_form_token() -> str:
    """Give a text that no other site can guess."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class CookieJar:
    """Names and attributes of the panel's cookies as one browser knows this host.

    Cookies know no ports, so that names carry one: two hosts of one machine keep apart. Over TLS they have the prefix
    ``__Host-``, which browsers keep to this very host.
    """

    port: str
    is_secure: bool

    @classmethod
    def of(cls, authority: str, *, scheme: str) -> CookieJar:
        """Give the jar for a ``Host`` header."""
        port = authority.rpartition(":")[2]
        is_secure = scheme == "https"
        return cls(port if port.isdigit() else ("443" if is_secure else "80"), is_secure)

    def name(self, word: str) -> str:
        """Give the name of one of the panel's cookies."""
        return f"{'__Host-' if self.is_secure else ''}jobhost-{self.port}-{word}"

    def set(self, word: str, value: str) -> tuple[bytes, bytes]:
        """Give the header that sets a cookie until the browser is closed."""
        secure = "; Secure" if self.is_secure else ""
        text = f"{self.name(word)}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"
        return b"set-cookie", text.encode("latin-1")

    def clear(self, word: str) -> tuple[bytes, bytes]:
        """Give the header that removes a cookie."""
        secure = "; Secure" if self.is_secure else ""
        text = f"{self.name(word)}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}"
        return b"set-cookie", text.encode("latin-1")

    def tokens(self, issued: IssuedTokens) -> Iterator[tuple[bytes, bytes]]:
        """Give the headers that keep a sign-in."""
        yield self.set(ACCESS, issued.access_token)
        if issued.refresh_token:
            yield self.set(REFRESH, issued.refresh_token)

    def forget(self) -> Iterator[tuple[bytes, bytes]]:
        """Give the headers that end a sign-in."""
        return map(self.clear, (ACCESS, REFRESH, FORM))

    def read(self, cookies: Mapping[str, str], word: str) -> str | None:
        """Give the value of a cookie, None without one."""
        return cookies.get(self.name(word)) or None


def read_cookies(header: bytes) -> dict[str, str]:
    """Read a ``Cookie`` header; of names given twice the first one counts."""
    found: dict[str, str] = {}
    for part in header.decode("latin-1").split(";"):
        name, equals, value = part.strip().partition("=")
        if equals and name not in found:
            found[name] = unquote(value)
    return found
