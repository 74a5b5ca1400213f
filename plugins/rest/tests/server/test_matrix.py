"""Every kind of request that installed plugins answer, from everybody: as the rules say, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from host.contracts.http import HttpMount, HttpRule, Receive, Scope, Send, call_of
from host.kernel.catalogue import load_catalogue
from host.model.security import Access, Credentials, Policy
from host_rest.server.answers import send_answer
from host_rest.server.gate import Gate
from host_rest.server.hosts import SAFE_METHODS
from plugins.rest.tests.resthost import ROLES, RestHost, rest_host

CALLERS = (None, *ROLES)
LET_IN = 299
AN_ID = str(UUID(int=7))
PANEL = "panel"
PANELS_COOKIE = b"jobhost-80-access"
"""The panel knows its callers by a cookie alone, and of nobody it asks the name."""
PUBLIC_IN_PANEL = {
    "GET /assets/{digest}/{name}",
    "HEAD /assets/{digest}/{name}",
    "GET /sign-in",
    "HEAD /sign-in",
    "POST /sign-in",
    "POST /sign-out",
    "POST /theme",
}
FORMS_THAT_ONLY_READ = {"POST /jobs/{job}/schedules/preview"}


class Doorstep(HttpMount):
    """Stands for a mount, with its rules and its words for refusals, and does nothing when it is reached."""

    def __init__(self, mount: HttpMount) -> None:
        self.mount = mount
        self.reached: list[HttpRule] = []

    @property
    def path(self) -> str:
        return self.mount.path

    def rules(self) -> Sequence[HttpRule]:
        return self.mount.rules()

    def credentials(self, headers: Mapping[bytes, bytes]) -> Credentials | None:
        return self.mount.credentials(headers)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(call_of(scope).rule)
        await send_answer(send, LET_IN, b"", media_type="text/plain")

    async def refuse(self, scope: Scope, receive: Receive, send: Send, *arguments: object) -> None:
        await self.mount.refuse(scope, receive, send, *arguments)  # type: ignore[arg-type]


@dataclass
class Answer:
    status: int = 0
    headers: Mapping[bytes, bytes] | None = None


def bearer(token: str) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {token}".encode()


def cookie(token: str) -> tuple[bytes, bytes]:
    return b"cookie", PANELS_COOKIE + b"=" + token.encode()


async def call(gate: Gate, method: str, path: str, *presented: tuple[bytes, bytes]) -> Answer:
    answer = Answer()
    headers = [(b"host", b"localhost"), *presented]

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, object]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]  # type: ignore[assignment]
            answer.headers = dict(message["headers"])  # type: ignore[call-overload]

    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": headers,
        "client": ("127.0.0.1", 4711),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await gate(scope, receive, send)
    return answer


def mount_classes() -> list[type[HttpMount]]:
    offered = {cls for classes in load_catalogue().providers.values() for cls in classes}
    return sorted((cls for cls in offered if issubclass(cls, HttpMount)), key=lambda cls: cls.__qualname__)


def filled(path: str) -> str:
    """Give a path that a rule matches."""
    segments = (AN_ID if segment.startswith("{") else segment for segment in path.split("/"))
    return "/".join(segments)


def expected(rule: HttpRule, caller: str | None, *, nobody: int) -> int:
    """Say what the rule says: an oracle that knows the roles by heart."""
    if rule.demand is Access.PUBLIC:
        return LET_IN
    if caller is None:
        return nobody
    if rule.demand is Access.AUTHENTICATED:
        return LET_IN
    may = {
        "stranger": set[Policy](),
        "reader": {Policy.READ_SYSTEM_JOBS},
        "operator": {Policy.READ_SYSTEM_JOBS, Policy.START_SYSTEM_JOB, Policy.ALTER_SYSTEM_JOB_SCHEDULE},
        "administrator": set(Policy),
    }
    return LET_IN if rule.demand in may[caller] else 403


def cases(mounts: Sequence[HttpMount]) -> Iterator[tuple[HttpMount, HttpRule, str, str]]:
    for mount in mounts:
        for rule in mount.rules():
            for method in sorted(rule.methods):
                yield mount, rule, method, mount.path + filled(rule.path)


async def wrong_answers(web: RestHost, tokens: Mapping[str, str]) -> tuple[list[str], int]:
    steps = [Doorstep(mount) for mount in web.server.mounts]
    gate = web.server.gate(steps)
    wrong, asked = [], 0
    for mount, rule, method, path in cases(web.server.mounts):
        is_panel = mount.face == PANEL
        ours, theirs = (cookie, bearer) if is_panel else (bearer, cookie)
        presented = [(caller, [ours(tokens[caller])] if caller else []) for caller in CALLERS]
        # What other mounts know a caller by counts for nothing here.
        presented.append((None, [theirs(tokens["administrator"])]))
        for caller, headers in presented:
            asked += 1
            answer = await call(gate, method, path, *headers)
            should = expected(rule, caller, nobody=303 if is_panel else 401)
            if answer.status != should:
                wrong.append(f"{caller or 'nobody'}: {method} {path} ({rule.demand}): {answer.status}, not {should}")
            wrong += [f"{mount.face}: {method} {path}: {each}" for each in wrong_headers(answer)]
    for step in steps:
        missed = [rule for rule in step.rules() if rule not in step.reached]
        wrong += [f"{step.mount.face}: nothing was answered by {rule}" for rule in missed]
    return wrong, asked


def wrong_headers(answer: Answer) -> Iterator[str]:
    """Say what is missing for a caller who is not known to know how to go on."""
    headers = answer.headers or {}
    if answer.status == 401 and not headers.get(b"www-authenticate"):
        yield "401 without WWW-Authenticate"
    if answer.status == 303 and not headers.get(b"location", b"").startswith(b"/sign-in?back="):
        yield f"303 to {headers.get(b'location')!r}"


@pytest.mark.slow
def test_every_route_answers_everybody_as_its_rule_says(tmp_path: Path) -> None:
    async def go() -> tuple[list[str], int]:
        async with rest_host(tmp_path, *mount_classes()) as web:
            return await wrong_answers(web, {role: role for role in ROLES})

    wrong, asked = asyncio.run(go())
    assert not wrong, "\n".join(wrong)
    assert asked > 50


@pytest.mark.slow
def test_it_does_so_with_the_guards_that_are_installed(tmp_path: Path) -> None:
    async def go() -> tuple[list[str], int]:
        async with rest_host(tmp_path, *mount_classes(), providers=()) as web:
            return await wrong_answers(web, {role: await web.sign_up(role) for role in ROLES})

    wrong, _ = asyncio.run(go())
    assert not wrong, "\n".join(wrong)


def test_nothing_that_changes_anything_is_public_but_signing_in(tmp_path: Path) -> None:
    async def go() -> set[str]:
        async with rest_host(tmp_path, *mount_classes()) as web:
            return {
                f"{method} {path}"
                for mount, rule, method, path in cases(web.server.mounts)
                if rule.demand is Access.PUBLIC and method not in SAFE_METHODS and mount.path != "/auth"
            }

    assert asyncio.run(go()) == {"POST /sign-in", "POST /sign-out", "POST /theme"}


def test_the_panel_shows_strangers_the_way_in_and_changes_nothing_for_who_may_only_read(tmp_path: Path) -> None:
    async def go() -> tuple[set[str], set[str]]:
        async with rest_host(tmp_path, *mount_classes()) as web:
            (panel,) = (mount for mount in web.server.mounts if mount.face == PANEL)
            rules = {f"{method} {rule.path}": rule for rule in panel.rules() for method in rule.methods}
            public = {name for name, rule in rules.items() if rule.demand is Access.PUBLIC}
            weak = {Access.AUTHENTICATED, Policy.READ_SYSTEM_JOBS}
            reading = {name for name, rule in rules.items() if name.startswith("POST") and rule.demand in weak}
            return public, reading

    assert asyncio.run(go()) == (PUBLIC_IN_PANEL, FORMS_THAT_ONLY_READ)


def test_what_a_mount_has_no_rule_for_never_reaches_it(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, *mount_classes()) as web:
            steps = [Doorstep(mount) for mount in web.server.mounts]
            gate = web.server.gate(steps)
            for step in steps:
                known = cookie("administrator"), bearer("administrator")
                for path in ("/no/such/path", "/no%2fsuch", "/../admin", "//", "/;/x"):
                    answer = await call(gate, "GET", step.path + path, *known)
                    assert answer.status in (400, 404), step.path + path
                answer = await call(gate, "PURGE", step.path + filled(step.rules()[0].path), *known)
                assert answer.status == 405
            assert [step.reached for step in steps] == [[]] * len(steps)

    asyncio.run(go())
