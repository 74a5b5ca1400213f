"""Sending a browser on: only ever to a page of this panel, whatever an address, a form or a cookie says."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from host_panel.requests import PanelRequest

_AS_IT_IS = "/?#[]@!$&'()*+,;=:%"
"""Of an address, besides letters and digits; all else is written in hexadecimal, for headers hold no other text."""


def is_own_path(text: str) -> bool:
    """Say whether a text is a path that no browser takes for another site's address."""
    return text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()


def back_from(form_back: str, default: str) -> str:
    """Give the panel's own path that a form wants to come back to; another site's or none gives the default."""
    return form_back if is_own_path(form_back) else default


def go_to(request: PanelRequest, path: str, *, status: int = 303) -> Response:
    """Answer with the way to a path below the panel's own, its query included."""
    return Response(status_code=status, headers={"Location": f"{request.base}{quote(path, safe=_AS_IT_IS)}"})
