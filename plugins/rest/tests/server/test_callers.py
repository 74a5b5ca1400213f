"""For whom a program says that it acts, and what that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pytest

from host.contracts.http import HttpRule, Receive, Scope, Send, call_of
from host.contracts.security import CALLER
from host.model.security import Access, AuditEvent, Policy, Principal, PrincipalKind
from host.wire import to_json
from host_rest.server.answers import ProblemRefusals, send_answer
from host_rest.server.callers import MAX_CHARACTERS
from plugins.rest.tests.resthost import RestHost, RoleAuthenticator, RolePolicies, rest_host
from plugins.rest.tests.server.probe import MemoryTrail, rule

pytestmark = pytest.mark.slow
GUARDS = (RoleAuthenticator, RolePolicies, MemoryTrail)
PERSON = Principal(name="alice", kind=PrincipalKind.USER, roles=("administrator",), client="panel")


class AskingMount(ProblemRefusals):
    """Says for whom a request is made, by the call and by the context."""

    @property
    def path(self) -> str:
        return "/asking"

    def rules(self) -> Sequence[HttpRule]:
        return [rule("GET,POST", "", Policy.READ_SYSTEM_JOBS), rule("GET", "/open", Access.PUBLIC)]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = await asyncio.create_task(_context())
        await send_answer(send, 200, to_json([call_of(scope).caller, seen]), media_type="application/json")


async def _context() -> str | None:
    return CALLER.get()


async def answered(web: RestHost, token: str | None, name: str | None, path: str = "") -> object:
    headers = {} if name is None else {"X-Jobhost-Caller": quote(name, safe="")}
    answer = await web.get(f"/asking{path}", token, headers=headers)
    return answer.json() if answer.is_success else answer.status_code


@pytest.fixture(autouse=True)
def _a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RoleAuthenticator.extra, "alice", PERSON)


def test_a_program_says_for_whom_it_acts_and_a_person_acts_for_nobody_else(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, AskingMount, providers=GUARDS) as web:
            for name in ("bob", "Žofie Ždánská, 2nd", "a/b%20c", "名前", "x" * MAX_CHARACTERS, "é" * MAX_CHARACTERS):
                assert await answered(web, "reader", name) == [name, name]
            assert await answered(web, "reader", None) == ["reader", "reader"]
            assert await answered(web, "alice", None) == ["alice", "alice"]
            assert await answered(web, "alice", "bob") == 403
            assert await answered(web, "alice", "alice") == 403
            assert await answered(web, None, "bob") == 401
            assert await answered(web, "stranger", "bob") == 403
            assert await answered(web, None, "bob", "/open") == [None, None]
            assert await answered(web, "reader", "bob", "/open") == ["bob", "bob"]
            problem = (await web.get("/asking", "alice", headers={"X-Jobhost-Caller": "bob"})).json()
            assert (problem["code"], "alice is a person" in problem["detail"]) == ("access-denied", True)

    asyncio.run(go())


def test_what_is_nobodys_name_is_refused(tmp_path: Path) -> None:
    wrong = ["", "a b", "%", "%zz", "%ff", "%ed%a0%80", "%c0%80", "%00", "a%0Ab", "%e2%80%a8", "%7F", "%C2%85"]

    async def go() -> None:
        async with rest_host(tmp_path, AskingMount, providers=GUARDS) as web:
            for header in (*wrong, "x" * (MAX_CHARACTERS + 1)):
                answer = await web.get("/asking", "reader", headers={"X-Jobhost-Caller": header})
                assert (answer.status_code, answer.json()["code"]) == (400, "request-invalid"), header
            for name in ("quarantine", "Start", " schedule"):
                answer = await web.get("/asking", "reader", headers={"X-Jobhost-Caller": quote(name)})
                assert (answer.status_code, "the host itself" in answer.json()["detail"]) == (400, True), name
            twice = b"X-Jobhost-Caller: a\r\nX-Jobhost-Caller: b\r\n"
            head = b"GET /asking HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer reader\r\nConnection: close\r\n"
            assert b"more than one x-jobhost-caller" in await web.raw(head + twice + b"\r\n")

    asyncio.run(go())


def test_the_audit_names_the_program_and_for_whom_it_acted(tmp_path: Path) -> None:
    def told(event: AuditEvent) -> tuple[str | None, object]:
        return event.by, event.detail.get("for")

    async def go() -> None:
        async with rest_host(tmp_path, AskingMount, providers=GUARDS) as web:
            for token, headers in (
                ("reader", {"X-Jobhost-Caller": "bob"}),
                ("reader", {"X-Jobhost-Caller": "reader"}),
                ("stranger", {"X-Jobhost-Caller": "eve"}),
                ("alice", {"X-Jobhost-Caller": "eve"}),
            ):
                await web.request("POST", "/asking", token, headers=headers)
            assert [told(event) for event in MemoryTrail.events_] == [
                ("reader", "bob"),
                ("reader", None),
                ("stranger", "eve"),
                ("alice", None),
            ]

    asyncio.run(go())
