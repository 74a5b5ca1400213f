"""A real host with its HTTP server, in the test's own process, on a free port of loopback.

async with rest_host(tmp_path, MyMount) as web:
    answer = await web.get("/mine/things", "reader")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx2

from host.contracts.clock import Clock
from host.contracts.contract import Contract
from host.contracts.http import HttpMount
from host.contracts.jobs import Job
from host.contracts.security import Authenticator, PolicyService, TokenService
from host.errors import AuthenticationError
from host.model.security import BearerToken, Credentials, Decision, Policy, Principal, PrincipalKind
from host.testing.host import running_host
from host.testing.kit import HostKit
from host_rest.security.accounts import new_account
from host_rest.security.client_secrets import hash_secret, new_secret
from host_rest.security.contracts import Accounts
from host_rest.server.health import HealthMount
from host_rest.server.metrics import MetricsMount
from host_rest.server.server import HttpServer

ROLES: Mapping[str, frozenset[Policy]] = {
    "stranger": frozenset(),
    "reader": frozenset({Policy.READ_SYSTEM_JOBS}),
    "operator": frozenset(
        {Policy.READ_SYSTEM_JOBS, Policy.START_SYSTEM_JOB, Policy.ALTER_SYSTEM_JOB_SCHEDULE},
    ),
    "administrator": frozenset({Policy.UNRESTRICTED_ADMINISTRATION}),
}
"""``{role: what it grants}``; each role's token is its name, and so is its only principal's."""


class RoleAuthenticator(Authenticator):
    """Knows one principal a role, whose token is the role's name."""

    extra: ClassVar[dict[str, Principal]] = {}
    """``{token: principal}`` beside them."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        token = credentials.token if isinstance(credentials, BearerToken) else ""
        if token in self.extra:
            return self.extra[token]
        if token not in ROLES:
            raise AuthenticationError("the token is not valid")
        return Principal(name=token, kind=PrincipalKind.CLIENT, roles=(token,))


class RolePolicies(PolicyService):
    """Grants what a role's policies cover; a role ``elevator`` is to elevate for everything."""

    async def decide(self, principal: Principal, policy: Policy) -> Decision:
        if "elevator" in principal.roles:
            return Decision.ELEVATE
        granted = {grant for role in principal.roles for grant in ROLES.get(role, ())}
        is_granted = any(policy == grant or policy.startswith(f"{grant}.") for grant in granted)
        return Decision.GRANT if is_granted else Decision.DENY


class RestHost:
    """A running host and clients that call it."""

    def __init__(self, kit: HostKit, stack: AsyncExitStack) -> None:
        self.kit, self._stack = kit, stack
        self.server = kit.get(HttpServer)
        self.url = self.server.url

    async def client(self, token: str | None = None, **options: Any) -> httpx2.AsyncClient:
        """Give a client that presents a token, of the test's own guards a role; None: none. It ends with the host."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
        verify = options.pop("verify", False)
        made = httpx2.AsyncClient(
            base_url=self.url, headers=headers, trust_env=False, timeout=60, verify=verify, **options
        )
        return await self._stack.enter_async_context(made)

    async def sign_up(self, role: str) -> str:
        """Register a client of a role with the plugin's own guards; gives an access token for it.

        For hosts with ``providers=()``; what no role of the configuration is, grants nothing.
        """
        secret_hash = hash_secret(new_secret())
        at = datetime.now(UTC)
        account = new_account(role, PrincipalKind.CLIENT, secret_hash=secret_hash, roles=(role,), at=at)
        await self.kit.get(Accounts).change(lambda book: book.adding(account))
        principal = Principal(name=role, kind=PrincipalKind.CLIENT, roles=(role,), client=role)
        return (await self.kit.get(TokenService).issue(principal)).access_token

    async def get(self, path: str, token: str | None = None, **options: Any) -> httpx2.Response:
        """GET once, with a token or, of the test's own guards, a role."""
        return await self.request("GET", path, token, **options)

    async def request(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx2.Response:
        """Send one request with a token or, of the test's own guards, a role, over a connection of its own."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=60, verify=False) as client:
            return await client.request(method, path, headers=headers, **options)

    async def raw(self, data: bytes, *, seconds: float = 60) -> bytes:
        """Send bytes over a connection of their own and give all that comes back until it is closed."""
        async with self.connection() as (reader, writer):
            writer.write(data)
            async with asyncio.timeout(seconds):
                return await reader.read()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Give a plain connection."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def rest_host(
    folder: Path,
    *mounts: type[HttpMount],
    jobs: Sequence[type[Job]] = (),
    providers: Sequence[type[Contract]] = (RoleAuthenticator, RolePolicies),
    clock: Clock | None = None,
    server: str = "",
    sections: str = "",
    **options: Any,
) -> AsyncIterator[RestHost]:
    """Give a host with these mounts, ``/health`` and ``/metrics``.

    ``server`` are further attributes of the server's section; ``providers`` guards (and what else is configured),
    by default the test's own; ``()`` for those of the plugin.
    """
    port = "" if "port=" in server else 'port="0"'
    section = f'<section xsi:type="HttpServerConfigurationSection" {port} {server} />'
    classes = [HttpServer, HealthMount, MetricsMount, *mounts, *providers]
    host = running_host(
        folder, jobs=jobs, providers=classes, clock=clock, sections=f"{section}\n  {sections}", **options
    )
    async with host as kit, AsyncExitStack() as stack:
        yield RestHost(kit, stack)
