"""Signing in and out, and what guards it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from host.contracts.security import AuditTrail
from host_panel.requests import FORM_FIELD
from plugins.panel.tests.panelhost import PASSWORD, PanelHost, panel_host

pytestmark = pytest.mark.slow


def check(tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]]) -> None:
    async def run() -> None:
        async with panel_host(tmp_path) as web:
            await body(web)

    asyncio.run(run())


def test_nobody_is_sent_to_the_sign_in_and_back(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        answer = await web.open("/runs", None)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?back=")
        page = await web.open(answer.headers["location"], None)
        assert page.status_code == 200
        assert 'name="password"' in page.text

    check(tmp_path, body)


def test_a_wrong_password_and_an_unknown_name_are_refused_alike(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.client("reader")
        await web.open("/sign-in", None)
        answers = [
            await web.send("/sign-in", {"name": name, "password": "not this one"}, None)
            for name in ("reader", "nobody")
        ]
        assert [each.status_code for each in answers] == [403, 403]
        assert all("Name or password is wrong." in each.text for each in answers)
        assert not any("-access" in name for name in (await web.client(None)).cookies)

    check(tmp_path, body)


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_a_sign_in_never_leads_to_another_site(tmp_path: Path, back: str) -> None:
    async def body(web: PanelHost) -> None:
        await web.client("reader")
        await web.open("/sign-in", None)
        answer = await web.send("/sign-in", {"name": "reader", "password": PASSWORD, "back": back}, None)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")

    check(tmp_path, body)


def test_signing_out_ends_the_session_on_the_host(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        client = await web.client("reader")
        kept = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        assert (await web.open("/runs", "reader")).status_code == 200
        assert (await web.send("/sign-out", role="reader")).status_code == 303
        assert not any("-access" in name for name in client.cookies)
        again = await web.open("/runs", None, headers={"Cookie": kept})
        assert again.status_code == 303

    check(tmp_path, body)


@pytest.mark.parametrize("token", ["", "another", None])
def test_a_form_without_its_token_changes_nothing(tmp_path: Path, token: str | None) -> None:
    async def body(web: PanelHost) -> None:
        client = await web.client("administrator")
        fields = {"theme": "dark", **({} if token is None else {FORM_FIELD: token})}
        answer = await client.post("/theme", data=fields)
        assert answer.status_code == 403
        assert not any("-theme" in name for name in client.cookies)

    check(tmp_path, body)


def test_another_sites_page_cannot_send_a_form(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        answer = await web.send("/sign-out", role="reader", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        assert (await web.open("/runs", "reader")).status_code == 200

    check(tmp_path, body)


def test_a_sign_in_is_in_the_audit_and_never_the_password(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.client("operator")
        events = (await web.kit.get(AuditTrail).events()).events
        assert [(event.action, event.detail.get("user")) for event in events] == [("POST /sign-in", "operator")]
        assert PASSWORD not in str(events)

    check(tmp_path, body)


def test_an_expired_token_is_renewed_and_the_request_repeated(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        client = await web.client("operator")
        access = next(name for name in client.cookies if name.endswith("-access"))
        client.cookies.set(access, "stale", domain="127.0.0.1", path="/")
        answer = await client.post("/theme", data={"theme": "dark"})
        assert answer.status_code == 307
        assert answer.headers["location"] == "/theme"
        assert f"{access}=ey" in answer.headers["set-cookie"]

    check(tmp_path, body)


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "///evil.example"])
def test_a_renewal_never_leads_to_another_site(tmp_path: Path, path: str) -> None:
    async def body(web: PanelHost) -> None:
        client = await web.client("operator")
        access = next(name for name in client.cookies if name.endswith("-access"))
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items() if name != access)
        request = client.build_request("GET", web.url, headers={"Cookie": f"{access}=stale; {cookies}"})
        request.url = request.url.copy_with(raw_path=path.encode())
        answer = await client.send(request)
        assert answer.status_code in {303, 307, 400, 404}
        location = answer.headers.get("location", "/")
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))

    check(tmp_path, body)
