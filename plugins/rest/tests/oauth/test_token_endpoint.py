"""The token endpoint over a real socket: what it gives, to whom, and how it refuses."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from host.model.security import Policy, PrincipalKind
from plugins.rest.tests.oauth.desk import ACCOUNTS, ALICE, APP, ask, auth_host, basic
from plugins.rest.tests.security.desk import PASSWORD, SECRET, file_in

SELF = {"grant_type": "client_credentials"}


def test_a_program_gets_a_token_by_form_and_by_basic(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            for answer in (
                await ask(web, {**SELF, **APP}),
                await ask(web, SELF, headers=basic("app", SECRET)),
                await ask(web, {**SELF, "client_id": "app"}, headers=basic("app", SECRET)),
            ):
                assert answer.status_code == 200
                assert answer.headers["cache-control"] == "no-store"
                assert answer.headers["content-type"] == "application/json"
                told = answer.json()
                assert set(told) == {"access_token", "token_type", "expires_in"}
                assert (told["token_type"], told["expires_in"]) == ("bearer", 3600)
                known = await web.get("/probe/jobs/x", told["access_token"])
                assert known.json()["by"] == "app"
                assert (await web.request("POST", "/probe/jobs/x/start", told["access_token"])).status_code == 403

    asyncio.run(go())


def test_a_person_gets_tokens_where_that_is_allowed(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            told = (await ask(web, {**ALICE, "nonce": "n-1", "scope": "*"})).json()
            names = {"access_token", "id_token", "token_type", "expires_in", "refresh_token", "nonce"}
            assert set(told) == names
            assert told["nonce"] == "n-1"
            assert (await web.request("POST", "/probe/jobs/x/start", told["access_token"])).json()["by"] == "alice"
            again = (
                await ask(web, {"grant_type": "refresh_token", "refresh_token": told["refresh_token"], **APP})
            ).json()
            assert (await web.get("/probe/jobs/x", again["access_token"])).status_code == 200
            used = await ask(web, {"grant_type": "refresh_token", "refresh_token": told["refresh_token"], **APP})
            assert (used.status_code, used.json()["error"]) == (400, "invalid_grant")
            assert (await web.get("/probe/jobs/x", again["access_token"])).status_code == 401

    asyncio.run(go())


def test_the_password_grant_is_off_unless_it_is_allowed(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS, sections="") as web:
            answer = await ask(web, ALICE)
            assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
            told = (await web.get("/auth/.well-known/openid-configuration")).json()
            assert told["grant_types_supported"] == ["client_credentials", "refresh_token"]

    asyncio.run(go())


def test_santedbs_device_and_application_must_both_be_right_and_the_application_asks(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            told = (await ask(web, {**SELF, **APP}, headers=basic("device", SECRET))).json()
            assert (await web.get("/probe/jobs/x", told["access_token"])).json()["by"] == "app"
            for form, headers in (
                ({**SELF, **APP}, basic("device", "wrong")),
                ({**SELF, **APP}, basic("nobody", SECRET)),
                ({**SELF, **APP, "client_secret": "wrong"}, basic("device", SECRET)),
                ({**SELF, "client_id": "app"}, basic("device", SECRET)),
                ({**SELF, "client_secret": SECRET}, basic("device", SECRET)),
            ):
                answer = await ask(web, form, headers=headers)
                assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
                assert answer.headers["www-authenticate"].startswith("Basic")

    asyncio.run(go())


def test_scopes_narrow_what_a_token_may(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            read = Policy.READ_SYSTEM_JOBS.value
            told = (await ask(web, {**ALICE, "scope": f"openid {read}"})).json()
            assert told["scope"] == read
            assert (await web.get("/probe/jobs/x", told["access_token"])).status_code == 200
            assert (await web.request("POST", "/probe/jobs/x/start", told["access_token"])).status_code == 403
            for scope in ("reports", f"{read} everything", "1..3", "\u202e"):
                answer = await ask(web, {**ALICE, "scope": scope})
                assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
            form = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"], "scope": "1.3.6", **APP}
            assert (await ask(web, form)).json()["error"] == "invalid_scope"

    asyncio.run(go())


BAD = {
    "no grant": (APP, 400, "invalid_request"),
    "an unknown grant": ({"grant_type": "authorization_code", **APP}, 400, "unsupported_grant_type"),
    "no client": (SELF, 401, "invalid_client"),
    "no secret": ({**SELF, "client_id": "app"}, 401, "invalid_client"),
    "an unknown client": ({**SELF, "client_id": "nobody", "client_secret": SECRET}, 401, "invalid_client"),
    "a wrong secret": ({**SELF, "client_id": "app", "client_secret": "wrong-canary"}, 401, "invalid_client"),
    "a user as client": ({**SELF, "client_id": "alice", "client_secret": PASSWORD}, 401, "invalid_client"),
    "no password": ({"grant_type": "password", "username": "alice", **APP}, 400, "invalid_request"),
    "a wrong password": ({**ALICE, "password": "wrong-canary"}, 400, "invalid_grant"),
    "an unknown user": ({**ALICE, "username": "nobody"}, 400, "invalid_grant"),
    "a client as user": ({**ALICE, "username": "app", "password": SECRET}, 400, "invalid_grant"),
    "no refresh token": ({"grant_type": "refresh_token", **APP}, 400, "invalid_request"),
    "a wrong refresh token": ({"grant_type": "refresh_token", "refresh_token": "canary", **APP}, 400, "invalid_grant"),
}


@pytest.mark.slow
def test_bad_requests_get_the_error_that_the_rfc_has_for_them(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            for name, (form, status, error) in BAD.items():
                answer = await ask(web, form)
                assert (name, answer.status_code, answer.json()["error"]) == (name, status, error)
                assert set(answer.json()) == {"error", "error_description"}
                assert answer.headers["cache-control"] == "no-store"
                assert "canary" not in answer.text

    asyncio.run(go())


BODIES = {
    "twice": b"grant_type=client_credentials&grant_type=password",
    "no utf-8": b"grant_type=%ff",
    "bytes": b"grant_type=\xff\xfe",
    "many": b"&".join(b"f%d=x" % number for number in range(60)),
}


def test_a_body_that_is_no_form_is_refused(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            for body in BODIES.values():
                answer = await web.request("POST", "/auth/oauth2_token", content=body, headers=form)
                assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
            answer = await web.request("POST", "/auth/oauth2_token", json={**SELF, **APP})
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
            answer = await web.request("POST", "/auth/oauth2_token", content=b"a=" + b"x" * 20_000, headers=form)
            assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")
            assert (await web.get(f"/auth/oauth2_token?client_id=app&client_secret={SECRET}")).status_code == 405

    asyncio.run(go())


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic YXBw", "Basic OnNlY3JldA==", "Digest x", "Basic /w=="])
def test_an_authorization_that_cannot_be_read_is_refused(tmp_path: Path, header: str) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            answer = await ask(web, SELF, headers={"Authorization": header})
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    asyncio.run(go())


def test_a_secret_presented_twice_is_refused(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            answer = await ask(web, {**SELF, **APP}, headers=basic("app", SECRET))
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
            plain = base64.b64encode(f"app:{SECRET}".encode()).decode()
            assert (await ask(web, SELF, headers={"Authorization": f"basic {plain}"})).status_code == 200

    asyncio.run(go())


def test_too_many_attempts_are_answered_with_when_to_try_again(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            for _ in range(5):
                assert (await ask(web, {**ALICE, "password": "wrong"})).status_code == 400
            answer = await ask(web, ALICE)
            assert (answer.status_code, answer.json()["error"]) == (429, "invalid_grant")
            assert 1 <= int(answer.headers["retry-after"]) <= 60

    asyncio.run(go())


def test_an_account_that_is_removed_is_out_with_its_next_request(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            token = (await ask(web, ALICE)).json()["access_token"]
            assert (await web.get("/probe/jobs/x", token)).status_code == 200
            file_in(tmp_path / "data").change(lambda book: book.removing("alice", PrincipalKind.USER))
            answer = await web.get("/probe/jobs/x", token)
            assert answer.status_code == 401
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    asyncio.run(go())


def test_a_token_can_be_revoked_by_who_has_it(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            for which in ("access_token", "refresh_token"):
                told = (await ask(web, ALICE)).json()
                assert (await ask(web, {"token": told[which]}, "revoke")).status_code == 401
                assert (await ask(web, {"token": told[which], **APP}, "revoke")).status_code == 200
                assert (await web.get("/probe/jobs/x", told["access_token"])).status_code == 401
            assert (await ask(web, {"token": "nothing", **APP}, "revoke")).status_code == 200
            assert (await ask(web, APP, "revoke")).json()["error"] == "invalid_request"

    asyncio.run(go())
