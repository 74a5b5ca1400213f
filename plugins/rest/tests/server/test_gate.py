"""What the gate lets in, what it answers otherwise, and what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from host.model.security import AuditOutcome, Policy, Principal, PrincipalKind
from plugins.rest.tests.resthost import RestHost, RoleAuthenticator, RolePolicies, rest_host
from plugins.rest.tests.server.probe import MemoryTrail, ProbeMount

GUARDS = (RoleAuthenticator, RolePolicies, MemoryTrail)


def with_probe(folder: Path, check: Callable[[RestHost], Awaitable[None]], **options: Any) -> None:
    async def go() -> None:
        ProbeMount.reached.clear()
        async with rest_host(folder, ProbeMount, providers=GUARDS, **options) as web:
            await check(web)

    asyncio.run(go())


def test_a_request_reaches_the_mount_with_who_sends_it(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        told = (await web.get("/probe/jobs/a%20b", "reader")).json()
        assert (told["by"], told["values"], told["address"]) == ("reader", {"name": "a b"}, "127.0.0.1")
        assert (told["path"], told["root_path"]) == ("/probe/jobs/a b", "/probe")
        assert (await web.get("/probe/open")).json()["by"] is None
        assert (await web.get("/probe/open", "reader")).json()["by"] == "reader"

    with_probe(tmp_path, check)


def test_nobody_is_asked_to_sign_in_and_strangers_are_refused(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        nobody = await web.get("/probe/jobs/a")
        assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="jobhost"')
        wrong = await web.get("/probe/jobs/a", "forged")
        assert wrong.status_code == 401
        assert wrong.headers["www-authenticate"] == 'Bearer realm="jobhost", error="invalid_token"'
        stranger = await web.get("/probe/jobs/a", "stranger")
        assert (stranger.status_code, stranger.headers["content-type"]) == (403, "application/problem+json")
        assert stranger.json()["code"] == "access-denied"
        assert (await web.get("/probe/known", "stranger")).status_code == 200
        assert (await web.get("/probe/open", "forged")).status_code == 401
        assert ProbeMount.reached == ["GET /probe/known"]

    with_probe(tmp_path, check)


def test_who_could_elevate_is_told_for_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elevator = Principal(name="eve", kind=PrincipalKind.USER, roles=("elevator",))
    monkeypatch.setitem(RoleAuthenticator.extra, "eve", elevator)

    async def check(web: RestHost) -> None:
        answer = await web.get("/probe/jobs/a", "eve")
        scope = Policy.READ_SYSTEM_JOBS.value
        expected = f'Bearer realm="jobhost", error="insufficient_scope", scope="{scope}"'
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, expected)

    with_probe(tmp_path, check)


def test_what_no_rule_matches_never_reaches_the_mount(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        for path in ("/probe", "/probe/", "/probe/open/", "/probe/Open", "/probe/secret", "/probe/jobs/a/b"):
            assert (await web.get(path, "administrator")).status_code == 404, path
        for method in ("DELETE", "PUT", "OPTIONS", "PATCH", "TRACE", "LOCK"):
            answer = await web.request(method, "/probe/open", "administrator")
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, PING, POST"), method
        assert (await web.get("/elsewhere")).json()["code"] == "path-not-found"
        assert ProbeMount.reached == []

    with_probe(tmp_path, check)


def test_a_method_named_by_a_header_is_not_believed(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        headers = {"X-HTTP-Method-Override": "PUT", "X-Method-Override": "PUT"}
        answer = await web.request("POST", "/probe/jobs/a/start?_method=PUT", "operator", headers=headers)
        assert answer.json()["method"] == "POST"

    with_probe(tmp_path, check)


def test_every_answer_has_its_request_id_and_is_not_kept(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        for path, status in (("/probe/open", 200), ("/probe/jobs/a", 401), ("/nowhere", 404), ("/probe/%2e%2e", 400)):
            answer = await web.get(path, headers={"X-Request-Id": "mine-1"})
            headers = answer.headers
            assert (answer.status_code, headers["x-request-id"]) == (status, "mine-1")
            assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
            assert (headers["cache-control"], "date" in headers) == ("no-store", True)
            assert not {"server", "strict-transport-security"} & set(headers)
            assert not [name for name in headers if name.startswith("access-control")]
        made = (await web.get("/probe/open", headers={"X-Request-Id": "a b\t<c>"})).headers["x-request-id"]
        assert len(made) == 16

    with_probe(tmp_path, check)


def test_a_valid_traceparent_goes_on_and_others_begin_a_trace(tmp_path: Path) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    async def told(web: RestHost, traceparent: str) -> str:
        answer = await web.get("/probe/open", headers={"traceparent": traceparent})
        return str(answer.json()["trace_id"])

    async def check(web: RestHost) -> None:
        assert await told(web, f"00-{trace}-00f067aa0ba902b7-01") == trace
        assert await told(web, f"cc-{trace}-00f067aa0ba902b7-01-what-comes") == trace
        for wrong in (
            f"ff-{trace}-00f067aa0ba902b7-01",
            f"00-{'0' * 32}-00f067aa0ba902b7-01",
            f"00-{trace}-{'0' * 16}-01",
            f"00-{trace}-00f067aa0ba902b7-01-more",
            f"00-{trace.upper()}-00f067aa0ba902b7-01",
            "nonsense",
        ):
            made = await told(web, wrong)
            assert made != trace
            assert len(made) == 32

    with_probe(tmp_path, check)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_another_sites_page_changes_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    async def check(web: RestHost) -> None:
        answer = await web.request("POST", "/probe/jobs/a/start", "operator", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross-site-request")
        assert (await web.get("/probe/open", headers=headers)).status_code == 200
        preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        answer = await web.request("OPTIONS", "/probe/jobs/a/start", headers=preflight)
        assert answer.status_code == 405
        assert ProbeMount.reached == ["GET /probe/open"]

    with_probe(tmp_path, check)


def test_our_own_pages_and_programs_may_change_things(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        for headers in ({}, {"Sec-Fetch-Site": "same-origin", "Origin": web.url}, {"Sec-Fetch-Site": "none"}):
            answer = await web.request("POST", "/probe/jobs/a/start", "operator", headers=headers)
            assert answer.status_code == 200

    with_probe(tmp_path, check)


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [("known", 404, "job-not-found"), ("store", 503, "store-unavailable"), ("silent", 200, None)],
)
def test_an_error_of_the_host_has_its_own_status(tmp_path: Path, how: str, status: int, code: str | None) -> None:
    async def check(web: RestHost) -> None:
        answer = await web.request("POST", f"/probe/fails/{how}", "operator")
        assert (answer.status_code, answer.json().get("code")) == (status, code)

    with_probe(tmp_path, check)


def test_a_defect_is_told_to_the_log_and_not_to_the_caller(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def check(web: RestHost) -> None:
        answer = await web.request("POST", "/probe/fails/unforeseen", "operator")
        assert (answer.status_code, answer.json()["code"]) == (500, "unexpected-error")
        assert "secret" not in answer.text
        assert answer.headers["x-request-id"] in answer.json()["hint"]
        half = await web.raw(
            b"POST /probe/fails/half HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer operator\r\n\r\n"
        )
        assert half.startswith(b"HTTP/1.1 200 OK")

    with_probe(tmp_path, check)
    told = capfd.readouterr()
    assert "a secret that nobody should read" in told.out + told.err


def test_nobody_is_told_what_files_the_host_keeps(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, ProbeMount, providers=()) as web:
            token = await web.sign_up("operator")
            (tmp_path / "data" / "accounts.json").write_text("{")
            for answer in (
                await web.get("/probe/known", token),
                await web.request("POST", "/probe/full"),
            ):
                assert answer.status_code == 503
                assert "where" not in answer.json()
                assert str(tmp_path) not in answer.text
                assert "accounts" not in answer.text

    asyncio.run(go())


def test_what_changes_things_is_in_the_audit_trail(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        await web.get("/probe/jobs/a", "reader")
        await web.request("POST", "/probe/jobs/a/start", "operator", headers={"X-Request-Id": "one"})
        await web.get("/probe/watched", "reader")
        await web.request("POST", "/probe/fails/known", "operator")
        event, watched, failed = MemoryTrail.events_
        assert (event.by, event.face, event.action) == ("operator", "probe", "start a job")
        assert (event.target, event.outcome, event.status) == ("/probe/jobs/a/start", AuditOutcome.SUCCESS, 200)
        assert (event.request_id, event.address, event.detail) == ("one", "127.0.0.1", {"job": "a"})
        assert (watched.action, watched.by) == ("GET /watched", "reader")
        assert (failed.outcome, failed.status) == (AuditOutcome.FAILED, 404)

    with_probe(tmp_path, check)


def test_refusals_of_those_who_sign_in_are_in_the_audit_trail(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        await web.get("/probe/jobs/a")
        await web.get("/probe/nowhere", "reader")
        assert MemoryTrail.events_ == []
        await web.get("/probe/jobs/a", "stranger")
        await web.get("/probe/jobs/a", "forged")
        await web.request("POST", "/probe/open", "reader", headers={"Sec-Fetch-Site": "cross-site"})
        known, unknown, foreign = MemoryTrail.events_
        assert (known.by, known.status, known.outcome) == ("stranger", 403, AuditOutcome.DENIED)
        assert (unknown.by, unknown.status, unknown.outcome) == (None, 401, AuditOutcome.DENIED)
        assert (foreign.by, foreign.status, foreign.action) == (None, 403, "POST")

    with_probe(tmp_path, check)


@pytest.mark.slow
def test_a_flood_of_wrong_tokens_does_not_flood_the_audit_trail(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        client = await web.client("forged")
        for _ in range(100):
            assert (await client.get("/probe/jobs/a")).status_code == 401
        assert len(MemoryTrail.events_) <= 70

    with_probe(tmp_path, check)


@pytest.mark.slow
def test_a_flood_of_failing_requests_that_anybody_may_make_does_not_flood_the_audit_trail(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        client = await web.client()
        for _ in range(100):
            assert (await client.post("/probe/break")).status_code == 404
        assert len(MemoryTrail.events_) <= 70
        for _ in range(100):
            assert (await client.post("/probe/open")).status_code == 200
        assert len(MemoryTrail.events_) >= 160

    with_probe(tmp_path, check)


def test_an_audit_trail_that_cannot_be_written_is_a_finding_until_it_can(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        MemoryTrail.is_broken = True
        assert (await web.request("POST", "/probe/jobs/a/start", "operator")).status_code == 200
        assert "audit trail is incomplete" in web.server.check()[0].message
        MemoryTrail.is_broken = False
        await web.request("POST", "/probe/jobs/a/start", "operator")
        assert web.server.check() == ()

    with_probe(tmp_path, check)


def test_a_body_arrives_whole(tmp_path: Path) -> None:
    async def parts() -> Any:
        for _ in range(10):
            yield b"x" * 50_000

    async def check(web: RestHost) -> None:
        answer = await web.request("POST", "/probe/open", content=parts())
        assert answer.json()["body_bytes"] == 500_000
        assert (await web.request("POST", "/probe/open", content=b"hi")).json()["body"] == "hi"
        assert (await web.request("POST", "/probe/open")).json()["body_bytes"] == 0

    with_probe(tmp_path, check)


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(tmp_path: Path) -> None:
    async def parts() -> Any:
        for _ in range(30):
            yield b"x" * 100

    async def check(web: RestHost) -> None:
        for content in (b"x" * 2001, parts()):
            answer = await web.request("POST", "/probe/small", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "request-too-large")
        assert (await web.request("POST", "/probe/small", content=b"x" * 2000)).status_code == 200
        declared = (
            b"POST /probe/open HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n"
        )
        assert (await web.raw(declared)).startswith(b"HTTP/1.1 413 ")
        assert ProbeMount.reached == ["POST /probe/small"]

    with_probe(tmp_path, check)


def test_nobody_sends_a_body_before_they_may(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        head = b"POST /probe/jobs/a/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n"
        answer = await web.raw(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 401 ")

    with_probe(tmp_path, check)
