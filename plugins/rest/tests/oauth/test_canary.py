"""No password, secret or token is ever told: not by logs, errors, audit or anything on the disk."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from host.contracts.security import AuditTrail
from plugins.rest.tests.oauth.desk import ACCOUNTS, ALICE, APP, ask, auth_host, basic
from plugins.rest.tests.security.desk import PASSWORD, SECRET, client, user


@pytest.mark.slow
def test_no_secret_is_told_anywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = {PASSWORD, SECRET, "wrong-canary"}
    texts: list[str] = [repr(user()), repr(client())]
    caplog.set_level(logging.DEBUG)

    async def go() -> None:
        with capture_logs() as logs:
            async with auth_host(tmp_path, *ACCOUNTS) as web:
                told = (await ask(web, ALICE)).json()
                secrets.update({told["access_token"], told["id_token"], told["refresh_token"]})
                refused = [
                    await ask(web, {**ALICE, "password": "wrong-canary"}),
                    await ask(web, {**ALICE, "username": "wrong-canary"}),
                    await ask(web, {"grant_type": "wrong-canary", **APP}),
                    await ask(web, {"grant_type": "refresh_token", "refresh_token": "wrong-canary", **APP}),
                    await ask(web, {"grant_type": "client_credentials", "scope": "wrong-canary", **APP}),
                    await ask(web, {"grant_type": "client_credentials"}, headers=basic("app", "wrong-canary")),
                    await web.get("/auth/session", "wrong-canary"),
                    await web.get("/auth/session?token=wrong-canary"),
                    await web.get("/auth/first?token=wrong-canary"),
                    await ask(web, {"token": "wrong-canary", "password": "wrong-canary"}, "first"),
                ]
                assert all(400 <= answer.status_code < 500 for answer in refused)
                again = await ask(web, {"grant_type": "refresh_token", "refresh_token": told["refresh_token"], **APP})
                secrets.update({again.json()["access_token"], again.json()["refresh_token"]})
                await ask(web, {"token": again.json()["access_token"], **APP}, "revoke")
                page = await web.kit.get(AuditTrail).events(limit=100)
                assert len(page.events) >= 8
                texts.extend(map(repr, page.events))
                texts.extend(f"{answer.headers!r}{answer.text}" for answer in refused)
            texts.extend(map(repr, logs))

    asyncio.run(go())
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    texts += [*(f"{record.getMessage()} {record.exc_text}" for record in ours), *capsys.readouterr()]
    texts += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    for secret in secrets:
        parts = {secret, *secret.split(".")[-1:]}
        assert not [text[:2000] for text in texts for part in parts if part in text]
