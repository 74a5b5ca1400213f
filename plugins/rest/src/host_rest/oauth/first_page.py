"""The page of the first sign-in: plain HTML that loads nothing and runs nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape

from starlette.responses import HTMLResponse

from host_rest.oauth.answers import UNSTORED
from host_rest.security.passwords import MIN_LENGTH

_STYLE = """
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem 1rem; font: 1rem/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; }
main { max-width: 26rem; margin: 0 auto; }
h1 { font-size: 1.4rem; line-height: 1.25; }
label { display: block; margin-top: 1rem; font-weight: 600; }
input { width: 100%; padding: .6rem; font: inherit; border: 1px solid GrayText; border-radius: .3rem; }
input[aria-invalid="true"] { border: 2px solid light-dark(#b00020, #ff8a80); }
button { width: 100%; margin-top: 1.5rem; padding: .7rem; font: inherit; font-weight: 600; border: 1px solid CanvasText;
  border-radius: .3rem; background: CanvasText; color: Canvas; cursor: pointer; }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
code { overflow-wrap: anywhere; }
.hint { margin: .2rem 0 0; font-size: .9rem; }
.error { margin: .2rem 0 0; color: light-dark(#b00020, #ff8a80); }
"""
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
# The link holds the token, which no Referer may show; yet under no-referrer browsers would hide the form's Origin.
_HEADERS = {
    **UNSTORED,
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "strict-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def form_page(token: str, *, name: str = "", errors: Mapping[str, str] | None = None) -> HTMLResponse:
    """Give the form, with what was wrong beside each field; the password is never sent back."""
    found = dict(errors or {})
    fields = "".join(
        (
            _field("name", "Name", "text", "username", value=name, error=found.get("name")),
            _field(
                "password",
                "Password",
                "password",
                "new-password",
                hint=f"At least {MIN_LENGTH} characters; a few words are fine.",
                error=found.get("password"),
            ),
            _field("repeated", "Password again", "password", "new-password", error=found.get("repeated")),
        )
    )
    text = (
        "<h1>Create the administrator</h1>"
        "<p>This host has no users yet. The one you create here may do everything.</p>"
        f'<form method="post" action="first"><input type="hidden" name="token" value="{escape(token)}">'
        f'{fields}<button type="submit">Create</button></form>'
    )
    title = "Error: create the administrator" if found else "Create the administrator"
    return _page(title, text, status=400 if found else 200)


def done_page(name: str) -> HTMLResponse:
    """Tell that the administrator can sign in now, and where."""
    where = 'If the panel is configured, it is <a href="../">the first page of this host</a>.'
    text = f"<h1>Done</h1><p>{escape(name)} can sign in now. {where} The link has done its work and is void.</p>"
    return _page("Done", text)


def refused_page(message: str, *, status: int, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Tell why there is no form."""
    hint = (
        "While there are no users, each start of the host gives a new link. On the host's machine this always creates "
        "one:</p><p><code>jobhost users add NAME --role administrator</code>"
    )
    text = f"<h1>This does not work</h1><p>{escape(message)}</p><p>{hint}</p>"
    return _page("This does not work", text, status=status, headers=headers)


def _field(
    name: str, label: str, type: str, autocomplete: str, *, value: str = "", hint: str = "", error: str | None = None
) -> str:
    described = " ".join(f"{name}-{part}" for part, text in (("hint", hint), ("error", error)) if text)
    attributes = f' aria-describedby="{described}"' if described else ""
    attributes += ' aria-invalid="true"' if error else ""
    return (
        f'<label for="{name}">{label}</label>'
        f'<input id="{name}" name="{name}" type="{type}" autocomplete="{autocomplete}" '
        f'value="{escape(value)}" required{attributes}>'
        + (f'<p class="hint" id="{name}-hint">{escape(hint)}</p>' if hint else "")
        + (f'<p class="error" id="{name}-error">{escape(error)}</p>' if error else "")
    )


def _page(title: str, text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} | jobhost</title><style>{_STYLE}</style></head><body><main>{text}</main></body></html>"
    )
    return HTMLResponse(html, status, {**_HEADERS, **(headers or {})})
