"""The door of this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from host.contracts.contract import Contract
from host.hookspecs import hookimpl
from host_rest.ami.mount import AmiMount
from host_rest.api.mount import RestMount
from host_rest.events.mount import EventsMount
from host_rest.oauth.mount import OAuthMount
from host_rest.security.authenticator import FileAuthenticator
from host_rest.security.file_accounts import FileAccounts
from host_rest.security.policies import RolePolicyService
from host_rest.security.tokens import JwtTokenService
from host_rest.server.health import HealthMount
from host_rest.server.metrics import MetricsMount
from host_rest.server.server import HttpServer


@hookimpl
def host_service_providers() -> Iterable[type[Contract]]:
    """Offer the HTTP server, its mounts, and what guards them."""
    return (
        HttpServer,
        HealthMount,
        MetricsMount,
        AmiMount,
        RestMount,
        EventsMount,
        FileAccounts,
        FileAuthenticator,
        JwtTokenService,
        RolePolicyService,
        OAuthMount,
    )
