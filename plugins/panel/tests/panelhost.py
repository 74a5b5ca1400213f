"""A host with the panel in the test's own process, and a browser's part played by a plain client.

async with panel_host(tmp_path, jobs=[MyJob]) as web:
    page = await web.open("/jobs", "operator")
    page = await web.send("/jobs/…/pause", {"reason": "x"}, "operator")
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from host.contracts.clock import Clock
from host.contracts.contract import Contract
from host.contracts.jobs import Job
from host.model.security import PrincipalKind
from host.testing.host import running_host
from host.testing.kit import HostKit
from host_panel.mount import PanelMount
from host_panel.requests import FORM_FIELD
from host_rest.security.accounts import new_account
from host_rest.security.contracts import Accounts
from host_rest.security.passwords import hash_password
from host_rest.server.server import HttpServer

PASSWORD = "correct horse battery"
_HASH: list[str] = []


class PanelHost:
    """A running host, and a signed-in client a role."""

    def __init__(self, kit: HostKit, stack: AsyncExitStack) -> None:
        self.kit, self._stack = kit, stack
        self.url = kit.get(HttpServer).url
        self._clients: dict[str | None, httpx2.AsyncClient] = {}

    async def client(self, role: str | None) -> httpx2.AsyncClient:
        """Give a client that is signed in as a user of a role; None: nobody. Redirects are not followed."""
        if role not in self._clients:
            made = httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=30)
            self._clients[role] = await self._stack.enter_async_context(made)
            if role is not None:
                await self._sign_in(made, role)
        return self._clients[role]

    async def open(self, path: str, role: str | None = "administrator", **options: Any) -> httpx2.Response:
        """GET a page."""
        return await (await self.client(role)).get(path, **options)

    async def send(
        self, path: str, fields: Mapping[str, Any] | None = None, role: str | None = "administrator", **options: Any
    ) -> httpx2.Response:
        """POST a form as the page would."""
        client = await self.client(role)
        token = next((value for name, value in client.cookies.items() if name.endswith("-form")), "")
        return await client.post(path, data={FORM_FIELD: token, **(fields or {})}, **options)

    async def _sign_in(self, client: httpx2.AsyncClient, role: str) -> None:
        if not _HASH:
            _HASH.append(hash_password(PASSWORD))
        at = datetime.now(UTC)
        account = new_account(role, PrincipalKind.USER, secret_hash=_HASH[0], roles=(role,), at=at)
        await self.kit.get(Accounts).change(lambda book: book.adding(account))
        page = await client.get("/sign-in")
        assert page.status_code == 200
        token = next(value for name, value in client.cookies.items() if name.endswith("-form"))
        answer = await client.post("/sign-in", data={FORM_FIELD: token, "name": role, "password": PASSWORD})
        assert answer.status_code == 303, answer.text


@asynccontextmanager
async def panel_host(
    folder: Path,
    *,
    jobs: Sequence[type[Job]] = (),
    providers: Sequence[type[Contract]] = (),
    clock: Clock | None = None,
    sections: str = "",
) -> AsyncIterator[PanelHost]:
    """Give a host that serves the panel on a free port."""
    server = '<section xsi:type="HttpServerConfigurationSection" port="0" accessLog="false" />'
    stores = '<section xsi:type="SqliteRunStoreConfigurationSection" synchronous="normal" />'
    parts = [HttpServer, PanelMount, *providers]
    async with (
        running_host(folder, jobs=jobs, providers=parts, clock=clock, sections=server + stores + sections) as kit,
        AsyncExitStack() as stack,
    ):
        yield PanelHost(kit, stack)
