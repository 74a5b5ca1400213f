"""The token endpoint: for which grants tokens are issued, and revoked (RFC 6749 §4, RFC 7009)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from host.contracts.http import HttpCall
from host.contracts.security import Authenticator, TokenService
from host.errors import AuthenticationError, InvalidRequestError, TooManyAttemptsError
from host.model.security import IssuedTokens, PasswordCredentials, Principal
from host_rest.oauth.answers import OAuthError, error_answer, json_answer
from host_rest.oauth.client_authentication import authenticate_client
from host_rest.oauth.forms import read_form
from host_rest.security.scopes import is_oid

EVERYTHING = "*"
UNNARROWING_SCOPES = frozenset({EVERYTHING, "openid", "profile", "offline_access"})
"""Scopes of SanteDB and OpenID Connect that ask for no policy."""

Form = Mapping[str, str]
Grant = Callable[[Form, Principal, HttpCall], Awaitable[IssuedTokens]]


class TokenEndpoint:
    """Gives tokens to programs: for themselves, for a person whose password they have, or for a refresh token."""

    def __init__(self, authenticator: Authenticator, tokens: TokenService, *, allow_password_grant: bool) -> None:
        self._authenticator = authenticator
        self._tokens = tokens
        self._grants: dict[str, Grant] = {
            "client_credentials": self._client_credentials,
            "refresh_token": self._refresh_token,
        }
        if allow_password_grant:
            self._grants["password"] = self._password

    @property
    def grant_types(self) -> list[str]:
        """Name the grants it knows."""
        return list(self._grants)

    async def token(self, request: Request, call: HttpCall) -> Response:
        """Answer a request for tokens."""
        try:
            form = await read_form(request)
            grant_type = form.get("grant_type")
            if grant_type is None:
                raise OAuthError("invalid_request", "the form has no grant_type")
            if grant_type not in self._grants:
                raise OAuthError("unsupported_grant_type", f"expected one of {', '.join(self._grants)}")
            call.audit["grant"] = grant_type
            client = await self._client(request, form, call)
            tokens = await self._issued(self._grants[grant_type], form, client, call)
        except OAuthError as error:
            return error_answer(error)
        return json_answer(
            {
                "access_token": tokens.access_token,
                "id_token": tokens.id_token,
                "token_type": "bearer",
                "expires_in": tokens.expires_in,
                "refresh_token": tokens.refresh_token,
                "scope": " ".join(tokens.scopes) or None,
                "nonce": form.get("nonce"),
            }
        )

    async def revoke(self, request: Request, call: HttpCall) -> Response:
        """End the session of a token; the answer does not tell whether there was one."""
        try:
            form = await read_form(request)
            await self._client(request, form, call)
            if "token" not in form:
                raise OAuthError("invalid_request", "the form has no token")
            await self._tokens.revoke(form["token"])
        except OAuthError as error:
            return error_answer(error)
        return json_answer({})

    async def _client(self, request: Request, form: Form, call: HttpCall) -> Principal:
        authorization = request.headers.get("authorization")
        client = await authenticate_client(self._authenticator, authorization, form, address=call.address)
        call.audit["client"] = client.name
        return client

    async def _issued(self, grant: Grant, form: Form, client: Principal, call: HttpCall) -> IssuedTokens:
        try:
            return await grant(form, client, call)
        except TooManyAttemptsError as error:
            raise OAuthError.too_many(error) from error
        except AuthenticationError as error:
            raise OAuthError("invalid_grant", error.message) from error
        except InvalidRequestError as error:
            raise OAuthError("invalid_scope", error.message) from error

    async def _client_credentials(self, form: Form, client: Principal, call: HttpCall) -> IssuedTokens:
        return await self._tokens.issue(client, scopes=_scopes(form))

    async def _refresh_token(self, form: Form, client: Principal, call: HttpCall) -> IssuedTokens:
        if "refresh_token" not in form:
            raise OAuthError("invalid_request", "the form has no refresh_token")
        return await self._tokens.renew(form["refresh_token"], client=client.name, scopes=_scopes(form))

    async def _password(self, form: Form, client: Principal, call: HttpCall) -> IssuedTokens:
        if "username" not in form or "password" not in form:
            raise OAuthError("invalid_request", "the form has no username or no password")
        scopes = _scopes(form)
        credentials = PasswordCredentials(name=form["username"], password=form["password"], address=call.address)
        person = replace(await self._authenticator.authenticate(credentials), client=client.name)
        call.audit["user"] = person.name
        return await self._tokens.issue(person, scopes=scopes, is_renewable=True, nonce=form.get("nonce"))


def _scopes(form: Form) -> tuple[str, ...]:
    """Give the OIDs that are asked for; none for everything the principal may."""
    asked = dict.fromkeys(form.get("scope", "").split())
    if not all(scope in UNNARROWING_SCOPES or is_oid(scope) for scope in asked):
        raise OAuthError("invalid_scope", "expected OIDs of policies, or *")
    return () if EVERYTHING in asked else tuple(scope for scope in asked if scope not in UNNARROWING_SCOPES)
