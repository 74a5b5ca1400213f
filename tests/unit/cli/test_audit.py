"""``jobhost audit``, against a host behind a real socket and against the trail that one left."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from host.local import audit_rows
from host.local.audit import SqliteAuditTrail
from host.local.clock import SystemClock
from host.local.socket import ControlSocket
from host.model.security import AuditEvent, AuditOutcome
from tests.unit.cli.conftest import (
    NOW,
    Control,
    Folder,
    HostInMemory,
    HostUnderTest,
    Jobs,
    Log,
    Memory,
    Runs,
    Schedules,
    serve_until,
)

CANCEL = AuditEvent(
    at=NOW - timedelta(hours=1),
    by="kim",
    client="panel",
    address="10.0.0.7",
    face="rest",
    action="POST /runs/{run_id}/cancel",
    target="/rest/v1/runs/01935a2e-7c1f-7a44-9e0b-5f3c1d2a8b6f/cancel",
    outcome=AuditOutcome.SUCCESS,
    status=200,
    request_id="r-1",
    detail={"job": "Import\x1b[31m orders"},
)
DENIED = replace(CANCEL, at=NOW - timedelta(minutes=30), by=None, outcome=AuditOutcome.DENIED, status=401)
PAUSE = AuditEvent(
    at=NOW - timedelta(minutes=5),
    by="ann",
    face="cli",
    action="RunControl.pause",
    target="job:a:B",
    outcome=AuditOutcome.FAILED,
)
EVENTS = (CANCEL, DENIED, PAUSE)


class AuditedSocket(ControlSocket):
    """A control socket that brings its trail along."""

    def __init__(self, folder: Path) -> None:
        memory = Memory()
        inside = HostInMemory(memory, folder)
        self.trail = SqliteAuditTrail(Folder(folder))
        faces = (Jobs(memory), Control(memory), Schedules(), Runs(memory), Log(memory), inside)
        super().__init__(Folder(folder), *faces, SystemClock(), inside, self.trail)

    async def start(self) -> None:
        await self.trail.start()
        await super().start()

    async def stop(self) -> None:
        await super().stop()
        await self.trail.stop()


@pytest.fixture
def left(tmp_path: Path) -> HostUnderTest:
    """The command line, pointed at what a host has left."""
    record(tmp_path, EVENTS)
    return HostUnderTest(Memory(), tmp_path, lambda: None)


@pytest.fixture
def audited(left: HostUnderTest) -> Iterator[HostUnderTest]:
    """The same while a host runs."""
    ready = threading.Event()
    ends: list[Callable[[], object]] = []

    def ask_stop(stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        ends.append(lambda: loop.call_soon_threadsafe(stop.set))

    thread = threading.Thread(target=serve_until, args=(AuditedSocket(left.folder), ready, ask_stop))
    thread.start()
    assert ready.wait(60)
    yield left
    ends[0]()
    thread.join(60)
    assert not thread.is_alive()


def record(folder: Path, events: Sequence[AuditEvent]) -> None:
    async def main() -> None:
        trail = SqliteAuditTrail(Folder(folder))
        await trail.start()
        await trail.record(events)
        await trail.stop()

    asyncio.run(main())


def actions(host: HostUnderTest, *arguments: str) -> list[str]:
    return [event["action"] for event in json.loads(host.printed("audit", "--json", *arguments))["events"]]


@pytest.mark.parametrize("fixture", ["left", "audited"])
def test_events_are_listed_newest_first(request: pytest.FixtureRequest, fixture: str) -> None:
    host: HostUnderTest = request.getfixturevalue(fixture)
    head, *lines = host.printed("audit", columns=200).splitlines()
    assert head.split() == ["WHEN", "BY", "FACE", "OUTCOME", "ACTION", "TARGET", "FROM", "DETAIL"]
    assert [line.split()[2:6] for line in lines] == [
        ["ann", "cli", "failed", "RunControl.pause"],
        ["-", "rest", "denied", "401"],
        ["kim", "rest", "success", "200"],
    ]
    assert "panel 10.0.0.7" in lines[2]
    assert r"job=Import\x1b[31m orders" in lines[2]


@pytest.mark.parametrize("columns", [80, 100, 120, 200])
def test_it_fits_any_width(left: HostUnderTest, columns: int) -> None:
    lines = left.printed("audit", columns=columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert "RunControl.pause" in lines[1]
    assert len(lines) == 4 or columns == 80


def test_where_there_is_little_room_nothing_is_cut(left: HostUnderTest) -> None:
    lines = left.printed("audit", "--by", "kim", columns=80).splitlines()
    words = [line[29:].split() for line in lines[1:]]
    assert "…" not in "".join(lines)
    assert "".join(parts[-1] for parts in words) == CANCEL.target


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--since", "45m"), 2),
        (("--until", "45m"), 1),
        (("--by", "kim"), 1),
        (("--face", "cli"), 1),
        (("--outcome", "denied"), 1),
        (("--text", "CANCEL"), 2),
        (("--text", "job:A"), 1),
        (("--limit", "2"), 2),
        (("--by", "nobody"), 0),
    ],
)
def test_options_narrow(left: HostUnderTest, arguments: Sequence[str], found: int) -> None:
    assert len(actions(left, *arguments)) == found


def test_pages_go_on_by_their_cursor(audited: HostUnderTest) -> None:
    first = audited.printed("audit", "--limit", "2")
    cursor = first.splitlines()[-1].removeprefix("more: --cursor ")
    rest = audited.printed("audit", "--limit", "2", "--cursor", cursor).splitlines()
    assert len(rest) == 2
    assert rest[1].split()[2] == "kim"
    assert audited("audit", "--cursor", "nonsense").exit_code == 2


def test_a_page_is_filled_though_the_trail_gives_little_at_a_time(
    left: HostUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_rows, "SEARCH_SECONDS", 0)
    monkeypatch.setattr(audit_rows, "_WINDOW", 1)
    assert len(actions(left, "--text", "cancel")) == 2


def test_json_gives_whole_events_and_the_cursor(left: HostUnderTest) -> None:
    page = json.loads(left.printed("audit", "--json", "--limit", "1", "--by", "kim"))
    assert page["next_cursor"] is None
    (event,) = page["events"]
    assert event["target"] == CANCEL.target
    assert (event["number"], event["status"], event["detail"]) == (1, 200, {"job": "Import\x1b[31m orders"})


def test_without_any_event_it_says_so(left: HostUnderTest) -> None:
    assert left.printed("audit", "--by", "nobody") == "no event\n"


def test_what_the_command_line_changes_is_in_it(audited: HostUnderTest) -> None:
    audited.printed("jobs", "pause", "--all", "--reason", "upkeep")
    assert actions(audited, "--limit", "1", "--outcome", "success") == ["RunControl.pause"]
    assert "reason=upkeep" in audited.printed("audit", "--limit", "1", columns=200)


def test_where_no_host_ever_ran_there_is_nothing_to_read(tmp_path: Path) -> None:
    result = HostUnderTest(Memory(), tmp_path, lambda: None)("audit")
    assert result.exit_code == 5
    assert "no host is running" in result.stderr
    assert list(tmp_path.iterdir()) == []
