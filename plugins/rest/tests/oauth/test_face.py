"""The rest of ``/auth``: what can be found out, sessions and signing out."""

from __future__ import annotations

import asyncio
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import KeySet

from host.errors import StoreUnavailableError
from host_rest.oauth.mount import OAuthMount
from plugins.rest.tests.oauth.desk import ACCOUNTS, ALICE, APP, ask, auth_host


def test_clients_find_out_what_there_is(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            told = (await web.get("/auth/.well-known/openid-configuration")).json()
            assert told == (await web.get("/auth/.well-known/oauth-authorization-server")).json()
            assert told["issuer"] == "https://x.example/auth"
            assert told["token_endpoint"] == f"{web.url}/auth/oauth2_token"
            assert told["grant_types_supported"] == ["client_credentials", "refresh_token", "password"]
            keys = await web.get(told["jwks_uri"].removeprefix(web.url))
            assert "max-age" in keys.headers["cache-control"]
            token = (await ask(web, ALICE)).json()["id_token"]
            identity = jwt.decode(token, KeySet.import_key_set(keys.json()), algorithms=["ES256"])
            assert (identity.claims["sub"], identity.claims["aud"]) == ("alice", "app")
            assert identity.claims["iss"] == told["issuer"]
            assert (await web.request("PING", "/auth/")).status_code == 204

    asyncio.run(go())


def test_a_session_tells_of_itself_until_it_is_ended(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            token = (await ask(web, ALICE)).json()["access_token"]
            session = (await web.get("/auth/session", token)).json()
            assert (session["sub"], session["kind"], session["client_id"]) == ("alice", "user", "app")
            assert session["roles"] == ["operator"]
            user = (await web.get("/auth/userinfo", token)).json()
            assert user == {"sub": "alice", "name": "alice", "preferred_username": "alice", "roles": ["operator"]}
            assert (await web.request("DELETE", "/auth/session", token)).status_code == 204
            for path in ("/auth/session", "/auth/userinfo", "/probe/jobs/x"):
                assert (await web.get(path, token)).status_code == 401

    asyncio.run(go())


def test_refusals_speak_the_words_of_oauth(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            answer = await web.get("/auth/session")
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
            assert answer.headers["www-authenticate"].startswith("Bearer")
            missing = await web.get("/auth/nothing")
            assert (missing.status_code, missing.json()["error"]) == (404, "invalid_request")
            other_site = await ask(web, {**ALICE}, headers={"Sec-Fetch-Site": "cross-site"})
            assert other_site.status_code == 403

    asyncio.run(go())


def test_a_store_that_cannot_be_written_is_told_as_unavailable(tmp_path: Path) -> None:
    async def go() -> None:
        async with auth_host(tmp_path, *ACCOUNTS) as web:
            mount = next(each for each in web.server.mounts if isinstance(each, OAuthMount))

            async def fail(*_: object, **__: object) -> None:
                raise StoreUnavailableError("the disk is full")

            mount._tokens.issue = fail
            answer = await ask(web, {"grant_type": "client_credentials", **APP})
            assert (answer.status_code, answer.json()["error"]) == (503, "server_error")

    asyncio.run(go())
