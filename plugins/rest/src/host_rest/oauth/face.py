"""The requests below ``/auth``, each with who answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from host.contracts.clock import Clock
from host.contracts.http import HttpCall, HttpRefusal, Receive, Scope, Send, call_of
from host.contracts.security import Authenticator, TokenService
from host.model.security import Principal, PrincipalKind
from host_rest.oauth.answers import OAuthError, error_answer, json_answer
from host_rest.oauth.first_face import FirstFace
from host_rest.oauth.first_sign_in import FirstSignIn
from host_rest.oauth.grants import TokenEndpoint
from host_rest.oauth.metadata import metadata
from host_rest.security.token_settings import TokenSettings

Answer = Callable[[Request, HttpCall], Awaitable[Response]]


class OAuthFace:
    """Answers requests that were let in; and those that were not, in the token endpoint's words."""

    def __init__(
        self,
        authenticator: Authenticator,
        tokens: TokenService,
        first: FirstSignIn,
        clock: Clock,
        settings: TokenSettings,
    ) -> None:
        self._tokens = tokens
        self._settings = settings
        self._endpoint = TokenEndpoint(authenticator, tokens, allow_password_grant=settings.allow_password_grant)
        face = FirstFace(first, clock)
        self._answers: dict[str, Answer] = {
            "token": self._endpoint.token,
            "revoke": self._endpoint.revoke,
            "metadata": self._metadata,
            "keys": self._keys,
            "user": self._user,
            "session": self._session,
            "sign out": self._sign_out,
            "first sign-in page": face.show,
            "first sign-in": face.create,
            "ping": self._ping,
        }

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the name of the rule."""
        call = call_of(scope)
        response = await self._answers[call.rule.name](Request(scope, receive), call)
        await response(scope, receive, send)

    async def refuse(self, scope: Scope, receive: Receive, send: Send, refusal: HttpRefusal) -> None:
        """Answer as RFC 6749 §5.2 and RFC 6750 §3.1 have errors."""
        words = {401: "invalid_token", 403: "insufficient_scope", 429: "invalid_grant"}
        word = words.get(refusal.status, "invalid_request" if refusal.status < 500 else "server_error")
        error = OAuthError(word, refusal.error.message, status=refusal.status, headers=refusal.headers)
        await error_answer(error)(scope, receive, send)

    async def _metadata(self, request: Request, call: HttpCall) -> Response:
        base = f"{call.scheme}://{request.headers.get('host', '')}{request.scope['root_path']}"
        return json_answer(metadata(base, issuer=self._settings.issuer, grant_types=self._endpoint.grant_types))

    async def _keys(self, request: Request, call: HttpCall) -> Response:
        return json_answer({"keys": self._tokens.keys()}, headers={"Cache-Control": "public, max-age=300"})

    async def _user(self, request: Request, call: HttpCall) -> Response:
        principal = _principal(call)
        return json_answer(
            {
                "sub": principal.name,
                "name": principal.name,
                "preferred_username": principal.name if principal.kind is PrincipalKind.USER else None,
                "roles": principal.roles,
            }
        )

    async def _session(self, request: Request, call: HttpCall) -> Response:
        principal = _principal(call)
        return json_answer(
            {
                "session_id": principal.session,
                "sub": principal.name,
                "kind": principal.kind,
                "client_id": principal.client,
                "roles": principal.roles,
                "scope": " ".join(principal.scopes) or None,
                "expires_at": principal.expires_at,
            }
        )

    async def _sign_out(self, request: Request, call: HttpCall) -> Response:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        await self._tokens.revoke(token.strip())
        return Response(status_code=204)

    async def _ping(self, request: Request, call: HttpCall) -> Response:
        return Response(status_code=204)


def _principal(call: HttpCall) -> Principal:
    assert call.principal is not None  # the rule demands it
    return call.principal
