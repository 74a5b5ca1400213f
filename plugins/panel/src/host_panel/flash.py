"""What the page after a change tells about it, once: a text, and how to undo it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace

from starlette.responses import Response

from host.errors import ErrorKind, HostError
from host.wire import from_json, to_json
from host_panel.cookies import FLASH, LONGEST_COOKIE
from host_panel.redirects import go_to, is_own_path
from host_panel.requests import PanelRequest

LONGEST_TEXT = 500
_TOLD = frozenset({ErrorKind.INVALID, ErrorKind.CONFLICT, ErrorKind.UNAVAILABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Flash:
    """One message."""

    text: str
    is_error: bool = False
    undo: str | None = None
    """Path below the panel's own that a form is sent to, to undo what was done."""
    undo_fields: Mapping[str, str] = field(default_factory=dict)
    link: str | None = None
    """Path below the panel's own of what came about: the new run."""
    link_text: str = ""


def read_flash(value: str | None) -> Flash | None:
    """Read a message from its cookie; None for what is none."""
    if not value or len(value) > LONGEST_COOKIE:
        return None
    try:
        flash = from_json(urlsafe_b64decode(value.encode("ascii")), Flash)
    except (HostError, ValueError):
        return None
    paths = [path for path in (flash.undo, flash.link) if path is not None]
    return flash if all(map(is_own_path, paths)) else None


def back_to(
    request: PanelRequest,
    path: str,
    text: str,
    *,
    is_error: bool = False,
    undo: str | None = None,
    undo_fields: Mapping[str, str] | None = None,
    link: str | None = None,
    link_text: str = "",
) -> Response:
    """Answer a form: go to a page of the panel, which tells what was done.

    What is too much for a cookie cannot be undone from that page; the text is told all the same.
    """
    flash = Flash(
        text=text[:LONGEST_TEXT],
        is_error=is_error,
        undo=undo,
        undo_fields=undo_fields or {},
        link=link,
        link_text=link_text,
    )
    if is_error:
        request.call.audit["not done"] = text[:200]  # the status of the answer says nothing of it
    cookie = _packed(flash)
    if len(cookie) > LONGEST_COOKIE:
        cookie = _packed(replace(flash, undo=None, undo_fields={}))
    response = go_to(request, path)
    response.raw_headers.append(request.jar.set(FLASH, cookie))
    return response


async def attempt(request: PanelRequest, path: str, act: Awaitable[Response]) -> Response:
    """Answer a form as an act does; what does not work as things are is told on the page that the form came from."""
    try:
        return await act
    except HostError as error:
        if error.kind not in _TOLD:
            raise
        return back_to(request, path, f"{error.message}{': ' + error.hint if error.hint else ''}", is_error=True)


def _packed(flash: Flash) -> str:
    return urlsafe_b64encode(to_json(flash)).decode("ascii")
