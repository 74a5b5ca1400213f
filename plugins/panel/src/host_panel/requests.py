"""One request of a browser, as screens read it."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from host.contracts.http import HttpCall, Receive, Scope, call_of
from host.errors import AccessDeniedError, InvalidRequestError
from host.model.security import Policy, Principal
from host_panel.cookies import FORM, CookieJar, new_form_token, read_cookies

FORM_FIELD = "form_token"
FORM_HEADER = "x-form-token"
MOST_FIELDS = 1000


class PanelRequest:
    """What a browser asks for, who it is, and what they may do."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._request = Request(scope, receive)
        self.call: HttpCall = call_of(scope)
        self.base: str = scope.get("root_path", "")
        """Put before every path of a link."""
        self.headers = self._request.headers
        self.jar = CookieJar.of(self.headers.get("host", ""), scheme=self.call.scheme)
        self.cookies: Mapping[str, str] = read_cookies(self.headers.get("cookie", "").encode("latin-1"))
        self.rights: Collection[Policy] = frozenset()
        """What the caller may do; for showing only what they can use."""
        self.form_token = self.jar.read(self.cookies, FORM) or new_form_token()
        """What each form of the answer repeats."""
        self.live_mark = ""
        """Of the instant before anything was read for the answer."""

    @property
    def path(self) -> str:
        """Give the path below the panel's own."""
        return str(self._request.scope["path"])[len(self.base) :] or "/"

    @property
    def is_safe(self) -> bool:
        """Say whether the request changes nothing."""
        return self._request.method in {"GET", "HEAD"}

    @property
    def target(self) -> str:
        """Give path and query, to come back to: never what a browser would read as another site's address."""
        path = quote("/" + self.path.lstrip("/\\"))
        return f"{path}?{self._query}" if self._query else path

    @property
    def is_fragment(self) -> bool:
        """Say whether only the content of the page is wanted, without its frame."""
        return self.headers.get("hx-request") == "true"

    @property
    def principal(self) -> Principal | None:
        """Give who asks."""
        return self.call.principal

    @property
    def by(self) -> str | None:
        """Give the name of who asks, for the record."""
        return self.call.principal.name if self.call.principal else None

    def may(self, policy: Policy) -> bool:
        """Say whether who asks may do what demands a policy."""
        return policy in self.rights

    def value(self, name: str) -> str:
        """Give what a name in the path stands for."""
        return self.call.path_values[name]

    def query(self, name: str, *, longest: int = 200) -> str:
        """Give a parameter of the query, stripped; empty without it. Raises InvalidRequestError for a long one."""
        value = self._request.query_params.get(name, "").strip()
        if len(value) > longest:
            raise InvalidRequestError(f"{name} is longer than {longest} characters")
        return value

    def queries(self, name: str) -> Sequence[str]:
        """Give every value of a parameter of the query that is not empty."""
        return [value for value in self._request.query_params.getlist(name) if value]

    def link(self, **changes: str | Sequence[str] | None) -> str:
        """Give this page's address with parameters of its query changed; None removes one."""
        kept = [(name, value) for name, value in parse_qsl(self._query) if name not in changes]
        for name, value in changes.items():
            values = [value] if isinstance(value, str) else value or ()
            kept += [(name, each) for each in values]
        return f"{self.base}{quote(self.path)}" + (f"?{urlencode(kept)}" if kept else "")

    @property
    def _query(self) -> str:
        # not by way of the whole address: a path may hold an escaped ? or #
        return bytes(self._request.scope["query_string"]).decode("latin-1")

    async def form(self) -> FormData:
        """Give the fields of the form; raises AccessDeniedError if it is not one of this panel's.

        Raises InvalidRequestError for what is no form, or none that this panel shows.
        """
        try:
            form = await self._request.form(max_files=0, max_fields=MOST_FIELDS)
        except (MultiPartException, ValueError) as error:  # the parser's own errors are values'
            raise InvalidRequestError("the form cannot be read", hint=str(error)) from error
        given = self.headers.get(FORM_HEADER) or form.get(FORM_FIELD)
        known = self.jar.read(self.cookies, FORM)
        if not known or not isinstance(given, str) or not hmac.compare_digest(known.encode(), given.encode()):
            raise AccessDeniedError("the form is out of date", hint="load the page again and repeat it")
        return form


def text_of(form: FormData, name: str, *, longest: int = 2000) -> str:
    """Give a field of a form, stripped; empty without it. Raises InvalidRequestError for a long one."""
    value = form.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise InvalidRequestError(f"{name} is longer than {longest} characters")
    return value.strip()
