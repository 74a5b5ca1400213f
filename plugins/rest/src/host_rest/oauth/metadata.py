"""What clients can find out about the sign-in face (RFC 8414, OpenID Connect Discovery §3)."""

from __future__ import annotations

from collections.abc import Sequence

from host.model.security import Policy
from host_rest.security.signing_keys import ALGORITHM


def metadata(base: str, *, issuer: str, grant_types: Sequence[str]) -> dict[str, object]:
    """Give the document; ``base`` is the address of ``/auth`` as the caller knows it."""
    return {
        "issuer": issuer,
        "token_endpoint": f"{base}/oauth2_token",
        "revocation_endpoint": f"{base}/revoke",
        "userinfo_endpoint": f"{base}/userinfo",
        "jwks_uri": f"{base}/jwks",
        "scopes_supported": ["openid", *(policy.value for policy in Policy)],
        "response_types_supported": [],
        "grant_types_supported": list(grant_types),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }
