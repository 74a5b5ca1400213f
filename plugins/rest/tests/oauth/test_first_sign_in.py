"""The first sign-in: by a link that is told once, from this machine, for one administrator."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs

from host.errors import AuthenticationError
from host.model.security import PrincipalKind
from host.testing.clock import FakeClock
from host_rest.oauth.first_face import FREE_ATTEMPTS
from host_rest.oauth.first_sign_in import VALID_SECONDS, FirstSignIn
from host_rest.security.accounts import AccountBook
from host_rest.security.passwords import is_password
from plugins.rest.tests.oauth.desk import ask, auth_host
from plugins.rest.tests.resthost import RestHost
from plugins.rest.tests.security.desk import accounts_in, client, file_in, user

GOOD = "a long enough password"
LINK = re.compile(r"^  (http://127\.0\.0\.1:\d+/auth/first\?token=\S+)$", re.MULTILINE)


def form(token: str, **changes: str) -> dict[str, str]:
    return {"token": token, "name": "root", "password": GOOD, "repeated": GOOD, **changes}


async def token_of(capsys: pytest.CaptureFixture[str]) -> str:
    """Wait until the link is told, and give its token."""
    told = ""
    async with asyncio.timeout(60):
        while not (found := LINK.search(told)):
            await asyncio.sleep(0.02)
            told += capsys.readouterr().out
    assert len(LINK.findall(told)) == 1
    (token,) = parse_qs(urlsplit(found[1]).query)["token"]
    return token


async def first_host(stack: AsyncExitStack, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[RestHost, str]:
    web = await stack.enter_async_context(auth_host(folder, sections=""))
    return web, await token_of(capsys)


@pytest.mark.slow
def test_the_link_makes_the_administrator_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def go() -> None:
        async with AsyncExitStack() as stack:
            logs = stack.enter_context(capture_logs())
            web, token = await first_host(stack, tmp_path, capsys)
            assert [log for log in logs if "no users" in log["event"]]
            assert token not in repr(logs)
            page = await web.get(f"/auth/first?token={token}")
            assert page.status_code == 200
            assert page.text.count("<label") == 3
            done = await ask(web, form(token), "first", headers={"Sec-Fetch-Site": "same-origin", "Origin": web.url})
            assert done.status_code == 200
            assert "root can sign in now" in done.text
            assert GOOD not in done.text
            for again in (await web.get(f"/auth/first?token={token}"), await ask(web, form(token), "first")):
                assert again.status_code == 403
        (account,) = file_in(tmp_path / "data").read().book.accounts
        assert (account.name, account.roles) == ("root", ("administrator",))
        assert is_password(GOOD, account.secret_hash)

    asyncio.run(go())


@pytest.mark.slow
def test_the_page_loads_nothing_and_is_kept_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def go() -> None:
        async with AsyncExitStack() as stack:
            web, token = await first_host(stack, tmp_path, capsys)
            page = await web.get(f"/auth/first?token={token}")
            policy = page.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; style-src 'sha256-")
            assert "frame-ancestors 'none'" in policy
            assert "form-action 'self'" in policy
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["referrer-policy"] == "strict-origin"
            assert not re.search(r"<script|<img|<link|style=|\son\w+=|https?:", page.text)

    asyncio.run(go())


@pytest.mark.slow
def test_what_is_wrong_stands_beside_its_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def go() -> None:
        async with AsyncExitStack() as stack:
            web, token = await first_host(stack, tmp_path, capsys)
            answer = await ask(web, form(token, name='<b>"x', password="hunter2", repeated="hunter3"), "first")
            assert answer.status_code == 400
            for name in ("name", "password", "repeated"):
                assert f'id="{name}-error"' in answer.text
            assert 'aria-invalid="true"' in answer.text
            assert "hunter" not in answer.text
            assert "<b>" not in answer.text
            assert "&lt;b&gt;&quot;x" in answer.text
            assert (await ask(web, form(token, password="", repeated=""), "first")).status_code == 400
            assert file_in(tmp_path / "data").read().book == AccountBook()
            assert (await ask(web, form(token), "first")).status_code == 200

    asyncio.run(go())


@pytest.mark.slow
def test_a_wrong_token_another_site_and_too_many_attempts_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def go() -> None:
        async with AsyncExitStack() as stack:
            web, token = await first_host(stack, tmp_path, capsys)
            for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
                assert (await ask(web, form(token), "first", headers=headers)).status_code == 403
            for _ in range(FREE_ATTEMPTS):
                assert (await ask(web, form("wrong"), "first")).status_code == 403
            answer = await ask(web, form(token), "first")
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 1
            assert file_in(tmp_path / "data").read().book == AccountBook()

    asyncio.run(go())


@pytest.mark.slow
def test_only_this_machine_can_use_the_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, sections="", server='trustedProxies="127.0.0.1"') as web:
            token = await token_of(capsys)
            outside = {"X-Forwarded-For": "192.0.2.1"}
            assert (await web.get(f"/auth/first?token={token}", headers=outside)).status_code == 403
            assert (await ask(web, form(token), "first", headers=outside)).status_code == 403
            assert (await web.get(f"/auth/first?token={token}")).status_code == 200

    asyncio.run(go())


@pytest.mark.slow
def test_a_user_of_the_command_line_makes_the_link_void(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def go() -> None:
        async with AsyncExitStack() as stack:
            web, token = await first_host(stack, tmp_path, capsys)
            file = file_in(tmp_path / "data")
            file.change(lambda book: book.adding(client("ci")))
            assert (await web.get(f"/auth/first?token={token}")).status_code == 200
            file.change(lambda book: book.adding(user("alice")))
            assert (await ask(web, form(token), "first")).status_code == 403
            file.change(lambda book: book.removing("alice", PrincipalKind.USER))
            assert (await ask(web, form(token), "first")).status_code == 403

    asyncio.run(go())


def test_a_host_that_has_users_tells_no_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def go() -> None:
        with capture_logs() as logs:
            async with auth_host(tmp_path, user()) as web:
                assert (await web.get("/auth/first?token=")).status_code == 403
                assert (await web.get("/auth/first")).status_code == 403
        assert not [log for log in logs if "no users" in log["event"]]
        assert "first" not in capsys.readouterr().out

    asyncio.run(go())


def test_a_token_lasts_an_hour(tmp_path: Path) -> None:
    clock = FakeClock()
    first = FirstSignIn(accounts_in(tmp_path), clock)
    assert not first.is_valid("")
    token = first.open() or ""

    clock.move(VALID_SECONDS - 1)
    assert first.is_valid(token)
    assert not first.is_valid(token[:-1])
    clock.move(1)
    assert not first.is_valid(token)
    clock.move(-1)
    assert not first.is_valid(token)
    again = first.open() or ""
    first.close()
    assert not first.is_valid(again)


@pytest.mark.slow
def test_of_two_at_once_one_becomes_administrator(tmp_path: Path) -> None:
    async def go() -> None:
        first = FirstSignIn(accounts_in(tmp_path), FakeClock())
        token = first.open() or ""
        made = await asyncio.gather(
            *(first.create(token, name=name, password=GOOD) for name in ("ann", "bob")), return_exceptions=True
        )
        assert sorted(isinstance(each, AuthenticationError) for each in made) == [False, True]
        assert len(file_in(tmp_path).read().book.accounts) == 1

    asyncio.run(go())
