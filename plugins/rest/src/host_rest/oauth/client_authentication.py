"""Which program asks for tokens (RFC 6749 §2.3.1), and on which device (SanteDB)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import unquote_plus

from host.contracts.security import Authenticator
from host.errors import AuthenticationError, TooManyAttemptsError
from host.model.security import ClientCredentials, Principal
from host_rest.oauth.answers import OAuthError

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="jobhost", charset="UTF-8"'}


async def authenticate_client(
    authenticator: Authenticator, authorization: str | None, form: Mapping[str, str], *, address: str
) -> Principal:
    """Give the program that asks; raises OAuthError.

    It presents its id and secret by Basic or in the form, not both ways. Where Basic presents another one than the
    form, that is the device a SanteDB application runs on: both must be right, and the application is who asks.
    """
    device = None if authorization is None else _basic(authorization, address)
    id, secret = form.get("client_id"), form.get("client_secret")
    application = ClientCredentials(id=id, secret=secret, address=address) if id and secret else None
    if device is not None and application is not None and device.id == application.id:
        raise OAuthError("invalid_request", "the client presents its secret twice; use Basic or the form")
    if application is None and device is not None and id in {None, device.id} and secret is None:
        application, device = device, None
    if application is None:
        raise _unknown(authorization, "the client must present its id and secret")
    try:
        if device is not None:
            await authenticator.authenticate(device)
        return await authenticator.authenticate(application)
    except TooManyAttemptsError as error:
        raise OAuthError.too_many(error) from error
    except AuthenticationError as error:
        raise _unknown(authorization, error.message) from error


def _basic(authorization: str, address: str) -> ClientCredentials:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise _unknown(authorization, "expected Basic")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        id, colon, secret = text.partition(":")
        id, secret = unquote_plus(id, errors="strict"), unquote_plus(secret, errors="strict")
    except ValueError:
        raise _unknown(authorization, "the Authorization header cannot be read") from None
    if not (id and colon and secret):
        raise _unknown(authorization, "the Authorization header names no client or no secret")
    return ClientCredentials(id=id, secret=secret, address=address)


def _unknown(authorization: str | None, description: str) -> OAuthError:
    return OAuthError("invalid_client", description, status=401, headers=_CHALLENGE if authorization else {})
