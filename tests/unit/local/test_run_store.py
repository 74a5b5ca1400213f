"""The run store's own side: faults of its file, its plans, and what it costs."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.host import DataDirectory
from host.errors import StoreCorruptError, StoreUnavailableError
from host.local import run_claim, run_read, runs
from host.local.run_work import SQL, load_memory
from host.local.runs import SqliteJobRunStore, SqliteRunStoreSettings
from host.local.sql_text import migrations
from host.model.jobs import OverlapPolicy
from host.model.runs import RunFilter, RunReason, RunState
from host.testing.clock import FakeClock
from host.testing.run_desk import Desk, job_id, request

S = RunState
_NODES = itertools.count()
WIDTHS = {
    "insert": 30,
    "known_ids": 2,
    "known_keys": 3,
    "known_fires": 3,
    "check_claims": 3,
    "renew": 3,
    "update_started": 7,
    "update_progress": 7,
    "finish_final": 12,
    "finish_again": 12,
    "refused": 3,
    "standing": 2,
    "cursors": 1,
    "cursor_adopt": 3,
    "cursor_move": 5,
}


class Folder(DataDirectory):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._node = str(next(_NODES))

    def path(self) -> Path:
        return self._path

    def node(self) -> str:
        return self._node


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def desk(tmp_path: Path, clock: FakeClock) -> Iterator[Desk]:
    with Desk(lambda: SqliteJobRunStore(Folder(tmp_path), clock, SqliteRunStoreSettings()), clock.advance) as desk:
        yield desk


def write(desk: Desk, sql: str, *parameters: object) -> list[tuple]:
    return desk(desk.store._database.write(lambda connection: connection.execute(sql, parameters).fetchall()))


def test_a_full_disk_refuses_work_loses_nothing_and_passes(desk: Desk) -> None:
    accepted = desk.submit(*(request(exclusive_key=f"k{number}") for number in range(5)))
    active = desk.claim(1).runs[0]
    (before,) = desk(desk.store.changes(-1))
    write(desk, "PRAGMA max_page_count = 1")
    for work in (
        lambda: desk.submit(*(request(parameters={"x": "y" * 100_000}) for _ in range(5))),
        lambda: desk.finish(active, status_text="y" * 100_000),
    ):
        with pytest.raises(StoreUnavailableError, match="free space"):
            work()
    (finding,) = desk.store.check()
    assert finding.is_failure
    assert desk.states(*accepted) == [S.STARTING, *[S.QUEUED] * 4]
    write(desk, "PRAGMA max_page_count = 1000000000")
    assert desk.finish(active)
    assert list(desk.store.check()) == []
    assert [run.change for run in desk(desk.store.changes(before.change))] == [before.change + 1]
    assert len(desk.claim().runs) == 4


def test_a_failed_write_leaves_nothing_in_memory(desk: Desk) -> None:
    write(desk, "PRAGMA max_page_count = 1")
    with pytest.raises(StoreUnavailableError):
        desk.add(not_before=desk.store._clock.now() + timedelta(seconds=5), parameters={"x": "y" * 100_000})
    write(desk, "PRAGMA max_page_count = 1000000000")
    assert desk.claim().next_due is None


def test_a_file_that_is_no_store_refuses_to_start(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "runs.sqlite"
    path.write_bytes(b"not a database, but somebody's letter" * 100)
    with (
        pytest.raises(StoreCorruptError),
        Desk(lambda: SqliteJobRunStore(Folder(tmp_path), clock, SqliteRunStoreSettings()), clock.advance),
    ):
        pass
    assert path.read_bytes().startswith(b"not a database")


def test_a_row_that_cannot_be_read_fails_and_blocks_nobody(desk: Desk) -> None:
    bad, good = desk.submit(request(exclusive_key="k"), request(exclusive_key="k", overlap=OverlapPolicy.QUEUE))
    write(desk, "UPDATE run SET parameters = '{oops', result = 'x{' WHERE id = ?", bad.bytes)
    assert desk.claim().runs == ()
    row = desk.run(bad)
    assert (row.state, row.reason) == (S.FAILED, RunReason.INVALID_PARAMETERS)
    assert row.parameters == {"(unreadable)": "{oops"}
    assert "cannot be read" in row.errors[0].error
    assert len(desk(desk.store.runs()).runs) == 2
    assert desk.claim_one().id == good


def test_two_runs_of_a_key_can_never_be_ready(desk: Desk) -> None:
    desk.submit(*(request(exclusive_key="k") for _ in range(2)))
    with pytest.raises(sqlite3.IntegrityError):
        write(desk, "UPDATE run SET ready = 1")


def test_more_than_one_claims_worth_of_due_and_expired_runs_is_worked_off(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PROMOTED_AT_ONCE", "EXPIRED_AT_ONCE", "SKIPPED_AT_ONCE"):
        monkeypatch.setattr(run_claim, name, 10)
    soon = desk.after(5)
    desk.submit(*(request(expires_at=soon) for _ in range(25)))
    desk.submit(*(request(not_before=soon) for _ in range(25)))
    desk.submit(*(request(exclusive_key="k", overlap=OverlapPolicy.SKIP) for _ in range(26)))
    desk.advance(6)
    claimed = 0
    for _ in range(10):
        claim = desk.claim()
        assert not (claim.runs and desk(desk.store.runs(RunFilter(text="expired"))).runs)
        claimed += len(claim.runs)
        if claim.next_due is None:
            break
    states = [run.state for run in desk(desk.store.runs(limit=1000)).runs]
    assert claimed == 26
    assert states.count(S.FAILED) == 25
    while desk.claim().changed:
        pass
    assert [run.state for run in desk(desk.store.runs(limit=1000)).runs].count(S.SKIPPED) == 25


def test_a_search_that_finds_nothing_soon_goes_on_with_a_cursor(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_read, "_WINDOW", 4)
    monkeypatch.setattr(run_read, "SEARCH_SECONDS", -1.0)
    wanted = desk.add(tenant="rare")
    desk.submit(*(request() for _ in range(30)))
    cursor, pages, found = None, 0, []
    while True:
        page = desk(desk.store.runs(RunFilter(tenant="rare"), cursor=cursor))
        found += [run.id for run in page.runs]
        pages, cursor = pages + 1, page.next_cursor
        if cursor is None:
            break
    assert found == [wanted]
    assert pages > 3


def test_maintenance_keeps_a_copy_that_can_be_put_back(desk: Desk, tmp_path: Path, clock: FakeClock) -> None:
    run_id = desk.add()
    folder = tmp_path / "backup"
    folder.mkdir()
    assert desk.store.store_name == "runs"
    assert [file.name for file in desk(desk.store.backup(folder))] == ["runs.sqlite"]
    assert list(desk(desk.store.verify())) == []
    assert "free pages" in desk(desk.store.optimise())
    assert desk(desk.store.size()).bytes > 50_000
    later = desk.add()
    with pytest.raises(StoreUnavailableError):
        desk.store.restore(folder)
    desk(desk.store.stop())
    assert [file.name for file in desk.store.restore(folder)] == ["runs.sqlite"]
    desk(desk.store.start())
    assert desk.states(run_id) == [S.QUEUED]
    assert desk(desk.store.run(later)) is None


def test_history_costs_the_claim_nothing(desk: Desk) -> None:
    def cost() -> int:
        desk.submit(*(request(exclusive_key=f"k{number}") for number in range(20)))
        steps = itertools.count()
        connection = desk.store._database._connection
        connection.set_progress_handler(lambda: next(steps) < 0, 1)
        runs = desk.claim(20).runs
        desk(desk.store.finish([desk.outcome(run) for run in runs]))
        connection.set_progress_handler(None, 1)
        return next(steps)

    cost()
    before = cost()
    columns = (
        "state, ready, max_attempts, priority, job_id, job_type, executor, tenant, exclusive_key, overlap, recovery, "
        "due_at, created_at, finished_at, updated_at, trace_id, parameters"
    )
    write(
        desk,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
        f"INSERT INTO run (id, change, {columns}) SELECT randomblob(16), -i, {columns} FROM n, "
        f"(SELECT {columns} FROM run LIMIT 1)",
    )
    assert cost() < before * 1.1


def test_a_store_from_before_keys_were_their_jobs_keeps_its_runs(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def new_store() -> SqliteJobRunStore:
        return SqliteJobRunStore(Folder(tmp_path), clock, SqliteRunStoreSettings())

    with monkeypatch.context() as older:
        older.setattr(runs, "migrations", lambda store: migrations(store)[:2])
        with Desk(new_store, clock.advance) as desk:
            kept = desk.submit(*(request(idempotency_key=f"k{number}") for number in range(100)), request())
            with pytest.raises(sqlite3.IntegrityError):
                desk.submit(request(idempotency_key="k1", job_id=job_id("other")))
    with Desk(new_store, clock.advance) as desk:
        assert [run.id for run in desk(desk.store.runs(limit=200)).runs] == kept[::-1]
        assert write(desk, "PRAGMA user_version") == [(3,)]
        assert desk.add(idempotency_key="k7") == kept[7]
        theirs = desk.add(idempotency_key="k7", job_id=job_id("other"))
        assert theirs not in kept
        assert desk.add(idempotency_key="k7", job_id=job_id("other")) == theirs


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.executescript("".join(migrations("runs")))
    load_memory(connection)
    yield connection
    connection.close()


def plan(connection: sqlite3.Connection, text: str, width: int) -> list[str]:
    rows = ", ".join([f"({', '.join('?' * width)})"] * 256)
    text = text.replace("{values}", rows)
    numbered = [int(number) for number in re.findall(r"\?(\d+)", text)]
    parameters = ["[]"] * (max(numbered) if numbered else text.count("?"))
    named = dict.fromkeys(re.findall(r":(\w+)", text)) if ":below" in text else parameters
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", named)]


@pytest.mark.parametrize("name", [name for name in SQL if not name.startswith("offered")])
def test_no_write_scans_the_runs(connection: sqlite3.Connection, name: str) -> None:
    steps = plan(connection, SQL[name], WIDTHS.get(name, 1))
    assert steps
    assert not [step for step in steps if re.match(r"SCAN (run|r|w|h)\b|.*(BLOOM|AUTOMATIC)", step)], steps
    if not name.startswith(("superseded", "keys", "suspects", "prunable")):
        assert not [step for step in steps if "TEMP B-TREE" in step], steps


@pytest.mark.parametrize(
    "name", ["by_id", "by_seq", "list_any", "list_state", "list_job", "list_schedule", "latest_of_job", "count_state"]
)
def test_no_read_scans_the_runs(connection: sqlite3.Connection, name: str) -> None:
    filters = run_read.SQL["filters"].replace("{text}", run_read.SQL["text_ascii"])
    text = run_read.SQL[name].replace("{filters}", filters).replace("{said}", run_read.SQL["said"])
    steps = plan(connection, text, 1)
    assert [step for step in steps if step.startswith("SEARCH run USING")], steps
    assert not [step for step in steps if re.match(r"SCAN run\b|.*(BLOOM|AUTOMATIC)", step)], steps
    if name != "list_schedule":
        assert not [step for step in steps if "TEMP B-TREE" in step], steps


def test_the_claim_walks_the_index_of_due_runs_alone(connection: sqlite3.Connection) -> None:
    for name in ("tenants", "candidates"):
        runs = [step for step in plan(connection, SQL[name], 1) if step.startswith("SEARCH r ")]
        assert runs
        assert all("USING INDEX run_due (executor=? AND tenant" in step for step in runs)
