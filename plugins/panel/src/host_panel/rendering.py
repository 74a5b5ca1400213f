"""Pages from templates: whatever is put into one is text, never markup."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import Response

from host.contracts.clock import Clock
from host.model.runs import RunState
from host.model.security import Policy
from host_panel import strips, words
from host_panel.assets import address
from host_panel.cookies import FLASH, FORM, THEME
from host_panel.flash import read_flash
from host_panel.requests import FORM_FIELD, PanelRequest
from host_panel.sections import SECTIONS, icon_of, section_of

TEMPLATES = Path(__file__).parent / "templates"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, HX-Request",
    "X-Frame-Options": "DENY",
}
_FORM_TOKEN = Markup('<input type="hidden" name="{}" value="{}">')
RIGHTS = {
    "START": Policy.START_SYSTEM_JOB,
    "ALTER": Policy.ALTER_SYSTEM_JOB_SCHEDULE,
    "REGISTER": Policy.REGISTER_SYSTEM_JOB,
    "ADMINISTER": Policy.UNRESTRICTED_ADMINISTRATION,
}
"""What templates ask about: ``request.may(START)``."""
THEMES = ("auto", "light", "dark")


class Renderer:
    """Renders templates for one host."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zone = "UTC"
        self.host_name = "jobhost"
        """How the host calls itself in every page's frame."""
        self._host_state = ""
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            when=self.when, until=self.until, span=words.span, count=words.count, iso=words.iso
        )
        self._environment.globals.update(
            STATES=words.STATES, DRAWN=words.DRAWN, RunState=RunState, SECTIONS=SECTIONS, icon=icon_of, **RIGHTS
        )
        self._environment.globals.update(draw_spark=strips.spark_strip, draw_pair=strips.duration_pair)

    def told(self, *, zone: str, host_name: str, host_state: str) -> None:
        """Take the zone in which instants are shown, and the host's name and state."""
        self._zone, self.host_name, self._host_state = zone, host_name, host_state

    def page(
        self,
        request: PanelRequest,
        template: str,
        *,
        status: int = 200,
        headers: Iterable[tuple[bytes, bytes]] = (),
        **values: Any,
    ) -> Response:
        """Answer with a page; with its content alone where the browser has the frame already."""
        base = request.base
        flash = None if request.is_fragment else read_flash(request.jar.read(request.cookies, FLASH))
        theme = request.jar.read(request.cookies, THEME)
        text = self._environment.get_template(template).render(
            request=request,
            here=section_of(request.path),
            form_token=lambda: _FORM_TOKEN.format(FORM_FIELD, request.form_token),
            layout="fragment.html" if request.is_fragment else "frame.html",
            url=lambda path: f"{base}{path}",
            asset=lambda name: f"{base}{address(name)}",
            host_name=self.host_name,
            host_state=self._host_state,
            zone=self._zone,
            flash=flash,
            theme=theme if theme in THEMES else "auto",
            now=self._clock.now(),
            **values,
        )
        response = Response(text, status_code=status, media_type="text/html", headers=HEADERS)
        if request.jar.read(request.cookies, FORM) is None:
            response.raw_headers.append(request.jar.set(FORM, request.form_token))
        if flash is not None:
            response.raw_headers.append(request.jar.clear(FLASH))
        response.raw_headers.extend(headers)
        return response

    def when(self, instant: datetime | None, none: str = words.NONE) -> Markup | str:
        """Give an instant relative to now, the absolute one with its zone on hover and focus."""
        if instant is None:
            return none
        shown = words.relative(instant, self._clock.now())
        return Markup('<time datetime="{}" title="{}" data-when>{}</time>').format(
            words.iso(instant), words.absolute(instant, self._zone), shown
        )

    def until(self, instant: datetime | None, none: str = words.NONE) -> Markup | str:
        """Give an instant to come: a countdown under one hour, else date and minute."""
        if instant is None:
            return none
        distance = instant - self._clock.now()
        shown = (
            words.clock_time(instant, self._zone)
            if distance >= words.HOUR
            else words.relative(instant, self._clock.now())
        )
        return Markup('<time datetime="{}" title="{}" {}>{}</time>').format(
            words.iso(instant),
            words.absolute(instant, self._zone),
            Markup("data-when") if distance < words.HOUR else "",
            escape(shown),
        )
