"""The requests of the first sign-in: from this machine only, and not too often."""

from __future__ import annotations

import math
from ipaddress import ip_address

from starlette.requests import Request
from starlette.responses import Response

from host.contracts.clock import Clock
from host.contracts.http import HttpCall
from host.errors import AuthenticationError, InvalidRequestError
from host_rest.oauth.answers import OAuthError
from host_rest.oauth.first_page import done_page, form_page, refused_page
from host_rest.oauth.first_sign_in import FirstSignIn
from host_rest.oauth.forms import read_form
from host_rest.security.accounts import check_new_name
from host_rest.security.attempts import Attempts
from host_rest.security.passwords import check_password

FREE_ATTEMPTS = 10
_VOID = "The link is not valid: it was used, an hour has passed, or there is a user already."


class FirstFace:
    """Shows the form to who has the token, and makes the administrator."""

    def __init__(self, first: FirstSignIn, clock: Clock) -> None:
        self._first = first
        self._attempts = Attempts(clock, free=FREE_ATTEMPTS)

    async def show(self, request: Request, call: HttpCall) -> Response:
        """Answer with the form."""
        token = request.query_params.get("token", "")
        return self._refusal(token, call) or form_page(token)

    async def create(self, request: Request, call: HttpCall) -> Response:
        """Make the administrator, or show what is wrong."""
        try:
            form = await read_form(request)
        except OAuthError as error:
            return refused_page(error.description, status=error.status)
        token, name, password = form.get("token", ""), form.get("name", "").strip(), form.get("password", "")
        refusal = self._refusal(token, call)
        if refusal is not None:
            return refusal
        errors = _errors(name, password, form.get("repeated", ""))
        if errors:
            return form_page(token, name=name, errors=errors)
        try:
            account = await self._first.create(token, name=name, password=password)
        except AuthenticationError:
            return refused_page(_VOID, status=403)
        call.audit["user"] = account.name
        return done_page(account.name)

    def _refusal(self, token: str, call: HttpCall) -> Response | None:
        if not _is_loopback(call.address):
            return refused_page("The first sign-in works from the host's own machine only.", status=403)
        seconds = self._attempts.wait_seconds(call.address)
        if seconds > 0:
            headers = {"Retry-After": str(math.ceil(seconds))}
            return refused_page("Too many attempts; wait a little.", status=429, headers=headers)
        if not self._first.is_valid(token):
            self._attempts.begin(call.address)
            return refused_page(_VOID, status=403)
        return None


def _errors(name: str, password: str, repeated: str) -> dict[str, str]:
    errors: dict[str, str] = {}
    try:
        check_new_name(name)
    except InvalidRequestError as error:
        errors["name"] = f"{error.message}: {error.hint}"
    try:
        check_password(password, name=name)
    except InvalidRequestError as error:
        errors["password"] = error.message
    if password != repeated:
        errors["repeated"] = "the two passwords differ"
    return errors


def _is_loopback(address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
