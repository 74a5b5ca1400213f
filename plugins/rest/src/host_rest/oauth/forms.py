"""Reading forms: one value a name, of a size that no sign-in exceeds."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from host_rest.oauth.answers import OAuthError
from host_rest.oauth.rules import MAX_FORM_BYTES

MEDIA_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 40


async def read_form(request: Request) -> Mapping[str, str]:
    """Give the fields of a form, empty ones left out (RFC 6749 §3.2).

    Raises OAuthError ``invalid_request`` for anything else: another media type, a name that occurs twice, too much,
    or what is no UTF-8. It never quotes the form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise OAuthError("invalid_request", f"expected a body of type {MEDIA_TYPE}")
    body = await _read(request)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise OAuthError("invalid_request", "the form cannot be read") from None
    if len({name for name, _ in pairs}) < len(pairs):
        raise OAuthError("invalid_request", "a field occurs twice")
    return {name: value for name, value in pairs if value}


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_FORM_BYTES:
            raise OAuthError("invalid_request", f"the form is larger than {MAX_FORM_BYTES:,} bytes", status=413)
    return bytes(body)
