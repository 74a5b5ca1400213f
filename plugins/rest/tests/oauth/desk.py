"""A host with ``/auth`` and its real guards, on a real socket."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx2

from host_rest.oauth.mount import OAuthMount
from host_rest.security.accounts import Account
from plugins.rest.tests.resthost import RestHost, rest_host
from plugins.rest.tests.security.desk import PASSWORD, SECRET, client, user, write_accounts
from plugins.rest.tests.server.probe import ProbeMount

APP = {"client_id": "app", "client_secret": SECRET}
ALICE = {"grant_type": "password", "username": "alice", "password": PASSWORD, **APP}
ALLOWED = '<section xsi:type="TokenConfigurationSection" allowPasswordGrant="true" issuer="https://x.example/auth" />'
ACCOUNTS = (user("alice", "operator"), client("app", "reader"), client("device", "reader"))


@asynccontextmanager
async def auth_host(
    folder: Path, *accounts: Account, sections: str = ALLOWED, **options: Any
) -> AsyncIterator[RestHost]:
    """Give a host with these accounts beside those it has; by default alice, the program app, and a device."""
    write_accounts(folder / "data", *accounts)
    async with rest_host(folder, OAuthMount, ProbeMount, providers=(), sections=sections, **options) as web:
        yield web


async def ask(web: RestHost, form: dict[str, str], path: str = "oauth2_token", **options: Any) -> httpx2.Response:
    """Post a form below ``/auth``."""
    return await web.request("POST", f"/auth/{path}", data=form, **options)


def basic(id: str, secret: str) -> dict[str, str]:
    text = f"{quote_plus(id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}
