"""The run store's statistics: equal to a scan of the runs at all times, folded in steps, never a scan themselves."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

from host.contracts.host import DataDirectory
from host.errors import InvalidRequestError, StoreUnavailableError
from host.local import run_read, run_statistics
from host.local.run_statistics import SQL
from host.local.run_work import ENDING
from host.local.run_work import SQL as RUN_SQL
from host.local.runs import SqliteJobRunStore, SqliteRunStoreSettings, Synchronous
from host.local.sql_text import migrations
from host.model.runs import RunState
from host.model.statistics import BOUNDS, total_of
from host.testing.clock import FakeClock
from host.testing.contracts.run_machine import RunMachine
from host.testing.contracts.run_statistics import BEGINNING, by_state
from host.testing.run_desk import JOB, Desk, request

S = RunState
_NODES = itertools.count()
SETTINGS = SqliteRunStoreSettings(synchronous=Synchronous.NORMAL)
SCAN = """
SELECT state, count(*), sum(started_at >= due_at), sum(CASE WHEN started_at >= due_at THEN started_at - due_at END),
  sum(CASE WHEN started_at >= due_at THEN max(0, finished_at - started_at) END)
FROM run WHERE state > 4 GROUP BY 1 ORDER BY 1
"""
KEPT = """
SELECT state, sum(runs), nullif(sum((wait_bucket >= 0) * runs), 0), nullif(sum(wait_total), 0),
  nullif(sum(duration_total), 0)
FROM run_statistics GROUP BY 1 ORDER BY 1
"""


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
    with Desk(lambda: SqliteJobRunStore(Folder(tmp_path), clock, SETTINGS), clock.advance) as desk:
        yield desk


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.executescript("".join(migrations("runs")))
    yield connection
    connection.close()


def rows(desk: Desk, sql: str, *parameters: object) -> list[tuple]:
    return desk(desk.store._database.write(lambda connection: connection.execute(sql, parameters).fetchall()))


class ScanMachine(RunMachine):
    """Compares the statistics with a scan; nothing is pruned."""

    def prune(self) -> None:
        """Take the rule away."""

    @invariant()
    def statistics_equal_a_scan(self) -> None:
        scanned = [tuple(value or None for value in row) for row in rows(self.desk, SCAN)]
        assert rows(self.desk, KEPT) == scanned


@pytest.mark.slow
def test_statistics_equal_a_scan_of_the_runs_at_all_times(tmp_path: Path, clock: FakeClock) -> None:
    numbers = itertools.count()

    def new_machine() -> RunMachine:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return ScanMachine(Desk(lambda: SqliteJobRunStore(Folder(folder), clock, SETTINGS), clock.advance))

    run_state_machine_as_test(
        cast("type[RuleBasedStateMachine]", new_machine),
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_statement_that_makes_runs_final_is_known() -> None:
    changes = {name for name, text in RUN_SQL.items() if re.search(r"\bfinished_at = ", text.partition("WHERE")[0])}
    assert changes == ENDING


def test_what_is_not_written_is_not_counted(desk: Desk) -> None:
    desk.submit(request(), request())
    first, second = desk.claim().runs
    rows(desk, "PRAGMA max_page_count = 1")
    with pytest.raises(StoreUnavailableError):
        desk.finish(first, status_text="y" * 100_000)
    rows(desk, "PRAGMA max_page_count = 1000000000")
    assert by_state(desk) == {}
    desk.finish(first)
    desk.finish(second)
    assert by_state(desk) == {S.COMPLETED: 2}


@pytest.mark.parametrize("number", range(len(BOUNDS) + 1))
def test_a_value_lies_in_the_first_bucket_whose_bound_is_not_below_it(
    connection: sqlite3.Connection, number: int
) -> None:
    below = BOUNDS[number - 1] // timedelta(microseconds=1) if number else -1
    for value in (below + 1, BOUNDS[number] // timedelta(microseconds=1) if number < len(BOUNDS) else below * 9):
        (found,) = connection.execute(f"SELECT {run_statistics._bucket('?1')}", (value,)).fetchone()
        assert found == number, value


def test_old_minutes_are_folded_in_steps_and_old_hours_deleted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_statistics, "_ROWS_AT_ONCE", 3)
    for number in range(40):
        desk.add()
        desk.finish(desk.claim_one(), S.FAILED if number % 3 else S.COMPLETED)
        desk.advance(300)
    kept = rows(desk, KEPT)
    desk.advance(timedelta(days=3).total_seconds())
    assert "40 rows of statistics folded" in desk(desk.store.optimise(hold_at_most=timedelta(0)))
    assert {span for (span,) in rows(desk, "SELECT span FROM run_statistics")} == {60}
    assert rows(desk, KEPT) == kept
    assert len(rows(desk, "SELECT DISTINCT start FROM run_statistics WHERE start % 60 = 0")) in {4, 5}
    desk.advance(timedelta(days=390).total_seconds())
    desk(desk.store.optimise())
    assert rows(desk, KEPT) == kept
    desk.advance(timedelta(days=9).total_seconds())
    desk(desk.store.optimise())
    assert rows(desk, KEPT) == []


def test_what_is_not_old_is_not_folded(desk: Desk) -> None:
    desk.add()
    desk.finish(desk.claim_one())
    desk.advance(timedelta(days=1, hours=23).total_seconds())
    desk(desk.store.optimise())
    assert rows(desk, "SELECT span FROM run_statistics") == [(1,)]


def test_folding_changes_no_answer(desk: Desk) -> None:
    began = desk.now()
    for _ in range(20):
        desk.add()
        desk.finish(desk.claim_one())
        desk.advance(7 * 60)
    desk.advance(timedelta(days=2).total_seconds())

    def answers() -> list[int]:
        found = []
        for minutes in range(0, 150, 13):
            since = began + timedelta(minutes=minutes)
            for until in (None, since + timedelta(minutes=70)):
                for jobs in ([JOB], []):
                    total = total_of(desk(desk.store.statistics(jobs, since=since, until=until)))
                    found.append(total.runs if total else 0)
        return found

    before = answers()
    desk(desk.store.optimise())
    assert rows(desk, "SELECT 1 FROM run_statistics WHERE span = 60")
    assert answers() == before
    assert len(set(before)) > 3


@pytest.mark.parametrize("step", [timedelta(seconds=59), timedelta(seconds=90), timedelta(0), timedelta(minutes=-1)])
def test_a_step_that_is_no_whole_minutes_is_refused(desk: Desk, step: timedelta) -> None:
    with pytest.raises(InvalidRequestError, match="whole minutes"):
        desk(desk.store.statistics(since=BEGINNING, step=step))


def test_the_oldest_due_run_behind_many_held_back_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_read, "DUE_LIMIT", 3)
    desk.add(exclusive_key="k")
    desk.claim()
    desk.submit(*(request(exclusive_key="k") for _ in range(5)))
    desk.advance(5)
    desk.add()
    due = desk.now()
    assert desk(desk.store.counters()).oldest_due_at == due


@pytest.mark.parametrize("name", [*SQL, "oldest_due"])
def test_no_statistics_scan_the_runs(connection: sqlite3.Connection, name: str) -> None:
    text = {**SQL, "oldest_due": run_read.SQL["oldest_due"]}[name].replace("{values}", "(?4), (?5)")
    count = max(map(int, re.findall(r"\?(\d+)", text)))
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", [b""] * count)]
    assert [step for step in steps if re.match(r"SEARCH (run|run_statistics|r)\b", step)], steps
    scans = [step for step in steps if re.match(r"SCAN (run|run_statistics|r)\b|.*(BLOOM|AUTOMATIC)", step)]
    # The first few of the due runs: the statement has a limit.
    assert scans == (["SCAN run USING INDEX run_due"] if name == "oldest_due" else [])
