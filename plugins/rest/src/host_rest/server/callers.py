"""For whom a program acts: the header ``X-Jobhost-Caller``, by which a host before this one names its own callers."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

from host.errors import AccessDeniedError, InvalidRequestError
from host.model.security import HOST_NAMES, Principal, PrincipalKind
from host_rest.server.errors import Refused

HEADER = b"x-jobhost-caller"
MAX_CHARACTERS = 200
_ENCODED = re.compile(rb"(?:[!-$&-~]|%[0-9A-Fa-f]{2})+")
_UNPRINTED = frozenset({"Cc", "Zl", "Zp"})
"""Unicode's categories of what would break a line of a log."""


def caller_of(header: bytes | None, principal: Principal | None) -> str | None:
    """Give the name of whom a request is made for: the one its header has, else the principal's.

    Of a caller that nobody knows the header says nothing. Raises Refused: 403 for anybody but a program, 400 for what
    is no name, or the host's own.
    """
    if header is None or principal is None:
        return principal.name if principal else None
    if principal.kind is not PrincipalKind.CLIENT:
        hint = "leave out X-Jobhost-Caller; only programs, which sign in with a secret, may send it"
        error = AccessDeniedError(f"{principal.name} is a person and acts for nobody else", hint=hint)
        raise Refused(403, error, principal=principal)
    name = _decoded(header)
    if name.strip().casefold() in HOST_NAMES:
        raise Refused(400, InvalidRequestError(f"X-Jobhost-Caller is {name!r}, which is how the host itself signs"))
    return name


def _decoded(header: bytes) -> str:
    try:
        name = unquote_to_bytes(header).decode("utf-8") if _ENCODED.fullmatch(header) else ""
    except UnicodeDecodeError:
        name = ""
    if not name or len(name) > MAX_CHARACTERS or any(unicodedata.category(each) in _UNPRINTED for each in name):
        hint = f"send percent-encoded UTF-8, of 1 to {MAX_CHARACTERS} characters and no control characters"
        raise Refused(400, InvalidRequestError("X-Jobhost-Caller is not the name of anybody", hint=hint))
    return name
