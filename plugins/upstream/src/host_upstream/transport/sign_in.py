"""Signing in to the upstream: OAuth 2.0's client credentials as SanteDB and a jobhost take them (RFC 6749 §4.4)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus, urlencode

from host.contracts.secrets import SECRET_PREFIX, SecretProvider
from host.errors import ConfigurationError, SecretNotFoundError, UpstreamRefusedError, WireError
from host.wire import from_json
from host_upstream.link import UpstreamAnswer, UpstreamApi
from host_upstream.settings import CredentialKind, UpstreamCredential, UpstreamSettings, credential
from host_upstream.transport.fault import Fault
from host_upstream.transport.tokens import Token
from host_upstream.transport.verdict import quoted

PATH = "/auth/oauth2_token"
MEDIA_TYPE = "application/x-www-form-urlencoded"
SHORTEST_SECONDS = 2.0
UNTOLD_SECONDS = 300.0
"""Life of a token whose end is not told."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=|:-]+")
_NOT_OURS = frozenset({"server_error", "temporarily_unavailable", "unspecified_error"})
"""Errors that say nothing of the credentials (RFC 6749 §4.1.2.1; SanteDB)."""

Post = Callable[[str, bytes, Mapping[str, str], float], Awaitable[UpstreamAnswer]]
"""Posts a body to a path, with headers and a deadline; raises Fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Granted:
    access_token: str
    token_type: str = "bearer"  # noqa: S105  # a kind of token
    expires_in: float | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Denied:
    error: str
    error_description: str = ""


class SignIn:
    """Presents the application's credentials, and the device's where there are any."""

    def __init__(self, settings: UpstreamSettings, secrets: SecretProvider | None, post: Post) -> None:
        self._secrets = secrets
        self._post = post
        self._api = settings.api
        application = credential(settings, CredentialKind.APPLICATION)
        if application is None:
            raise ConfigurationError("there are no credentials of type 'app'", where=settings.realm.where)
        self._application = application
        self._device = credential(settings, CredentialKind.DEVICE)

    def proof(self) -> tuple[str, ...]:
        """Give the secrets as they are now; raises SecretNotFoundError for a reference that leads nowhere."""
        return tuple(self._secret(each) for each in (self._application, self._device) if each is not None)

    async def token(self, deadline: float) -> Token:
        """Ask for a token; raises UpstreamRefusedError if the credentials are refused, and Fault."""
        answer = await self._post(PATH, urlencode(self._form()).encode("ascii"), self._headers(), deadline)
        if answer.status == 200:
            return _token(answer)
        try:
            denied = from_json(answer.body, _Denied)
        except WireError:
            hint = "is that a jobhost or a SanteDB server? check the realm's domain and port, and pathPrefix"
            reason = f"its token endpoint {PATH} answers with status {answer.status}, {quoted(answer)}"
            raise Fault(reason, hint=hint, is_outage=False) from None
        said = " ".join(f"{denied.error}: {denied.error_description}".split())[:300]
        if denied.error in _NOT_OURS:
            raise Fault(f"its token endpoint answers with status {answer.status}, {said}", is_outage=False)
        raise UpstreamRefusedError(
            f"the upstream refuses the credentials of {self._application.name!r}: {said}",
            where=self._application.where or None,
            hint="check name and secret of the credentials, and that the account exists there",
        )

    def _form(self) -> dict[str, str]:
        form = {"grant_type": "client_credentials", "scope": "*"}
        if not self._application.is_basic:
            form["client_id"] = self._application.name
            if self._application.secret is not None:
                form["client_secret"] = self._secret(self._application)
        return form

    def _headers(self) -> dict[str, str]:
        if self._application.is_basic:
            name, secret = self._application.name, self._secret(self._application)
            is_encoded = self._api is not UpstreamApi.SANTEDB
        elif self._device is not None and self._device.is_basic:
            name, secret = self._device.name, self._secret(self._device)
            is_encoded = self._api is UpstreamApi.JOBHOST
        else:
            return {}
        if is_encoded:  # RFC 6749 §2.3.1; SanteDB takes a device's name and secret as they are
            name, secret = quote_plus(name), quote_plus(secret)
        return {"authorization": "Basic " + b64encode(f"{name}:{secret}".encode()).decode("ascii")}

    def _secret(self, one: UpstreamCredential) -> str:
        text = one.secret or ""
        if not text.startswith(SECRET_PREFIX):
            return text
        name = text.removeprefix(SECRET_PREFIX)
        found = self._secrets.get(name) if self._secrets is not None else None
        if found is None:
            hint = "see the secrets folder of the configuration"
            raise SecretNotFoundError(f"there is no secret {name!r}", where=one.where or None, hint=hint)
        return found


def _token(answer: UpstreamAnswer) -> Token:
    try:
        granted = from_json(answer.body, _Granted)
    except WireError:
        granted = None  # the reason may quote what is no business of a log
    if granted is None or granted.token_type.lower() != "bearer" or not _TOKEN.fullmatch(granted.access_token):
        kind = answer.headers.get("content-type", "no media type")
        raise Fault(f"its token endpoint {PATH} answers with {kind} that holds no bearer token", is_outage=False)
    try:
        seconds = float(granted.expires_in) if granted.expires_in is not None else UNTOLD_SECONDS
    except ValueError:
        seconds = UNTOLD_SECONDS
    # No minus or not-a-number either, which would ask for a token with every call.
    return Token(authorization=f"Bearer {granted.access_token}", seconds=max(SHORTEST_SECONDS, seconds))
