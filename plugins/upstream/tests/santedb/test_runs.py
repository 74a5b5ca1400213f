"""Runs of a SanteDB server: the latest of each job, with an id of its own for as long as it is that."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from host.errors import InvalidRequestError, RunNotFoundError, RunStateError, UpstreamUnavailableError
from host.model.runs import CancelResult, JobRun, RunFilter, RunState
from host.santedb.ami.values import AmiCollection
from host.santedb.ami.xml_writing import write_xml
from host_upstream.santedb.reader import AmiRunReader
from plugins.upstream.tests.santedb.amikit import Upstream
from plugins.upstream.tests.santedb.icdr import Icdr, Reply
from plugins.upstream.tests.santedb.test_jobs import run

START, FINISH = "2026-02-01T04:00:00.1234567-05:00", "2026-02-01T04:00:10-05:00"
STARTED = datetime(2026, 2, 1, 9, 0, 0, 123456, tzinfo=UTC)
FINISHED = datetime(2026, 2, 1, 9, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("Stopped", RunState.CANCELLED),
        ("Starting", RunState.STARTING),
        ("Running", RunState.RUNNING),
        ("Cancelled", RunState.CANCELLED),
        ("Completed", RunState.COMPLETED),
        ("Aborted", RunState.FAILED),
    ],
)
def test_a_jobs_state_is_its_latest_run(told: str, state: RunState) -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state=told, last_start=START, last_finish=FINISH, progress=0.5, status="half", name="Backup")

        (seen,) = (await upstream.runs.runs()).runs

        assert (seen.state, seen.job_id, seen.job_type) == (state, UUID(int=1), f"santedb:{UUID(int=1)}")
        assert (seen.started_at, seen.created_at, seen.status_text) == (STARTED, STARTED, "half")
        assert seen.finished_at == (FINISHED if state.is_final else None)
        assert seen.progress == (1.0 if state is RunState.COMPLETED else 0.5)
        assert await upstream.runs.run(seen.id) == seen
        assert await upstream.runs.latest([UUID(int=1)]) == {UUID(int=1): seen}
        assert await upstream.runs.latest([UUID(int=1)], [state]) == {UUID(int=1): seen}
        assert await upstream.runs.latest([UUID(int=1)], set(RunState) - {state}) == {}

    run(check)


def test_a_job_that_never_ran_has_no_run_though_registering_gave_it_a_start() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state="NotRun", last_start=START)
        icdr.add(2, state="Unheard")
        icdr.add(3, state=None)
        assert (await upstream.runs.runs()).runs == ()
        assert await upstream.runs.changes(0) == []
        assert await upstream.runs.changes(-1) == []

    run(check)


@pytest.mark.parametrize(
    ("start", "finish", "started", "finished"),
    [
        (START, None, STARTED, None),  # SanteDB sets no finish for what failed
        (START, "2026-02-01T03:00:00-05:00", STARTED, None),  # that of the run before
        ("2026-02-01T09:00:00Z", None, datetime(2026, 2, 1, 9, tzinfo=UTC), None),
        ("2026-02-01T09:00:00", None, datetime(2026, 2, 1, 9, tzinfo=UTC), None),  # its database keeps UTC
        ("0001-01-01T00:00:00", FINISH, None, FINISHED),
        (None, FINISH, None, FINISHED),
        (None, None, None, None),
    ],
)
def test_instants_are_taken_as_far_as_they_are_told(
    start: str | None, finish: str | None, started: datetime | None, finished: datetime | None
) -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state="Aborted", last_start=start, last_finish=finish)
        (seen,) = (await upstream.runs.runs()).runs
        assert (seen.started_at, seen.finished_at) == (started, finished)
        assert seen.created_at == (started or finished or upstream.clock.now())
        upstream.clock.move(5)
        icdr.change(icdr.jobs[str(UUID(int=1))], status="x")
        assert (await upstream.runs.runs()).runs[0].created_at == seen.created_at

    run(check)


@pytest.mark.parametrize(
    ("told", "progress"), [("NaN", None), ("INF", None), ("-3", 0.0), ("7", 1.0), ("1E-05", 1e-5), ("", None)]
)
def test_progress_of_a_job_that_counts_badly_is_bounded_or_none(told: str, progress: float | None) -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        job = icdr.add(1, state="Running", last_start=START)
        element = f"<progress>{told}</progress><name>".encode() if told else b"<name>"
        listing = write_xml(AmiCollection(resource=(job,), size=1)).replace(b"<name>", element)
        icdr.hooks.append(lambda _: Reply(200, listing))
        assert (await upstream.runs.runs()).runs[0].progress == progress

    run(check)


def test_an_instant_that_is_none_is_told() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state="Running", last_start="yesterday")
        with pytest.raises(UpstreamUnavailableError, match="yesterday"):
            await upstream.runs.runs()

    run(check)


def test_a_run_is_the_same_while_it_lasts_and_gone_with_the_next_one() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        job = icdr.add(1, state="Running", last_start=START, progress=0.1)
        (first,) = (await upstream.runs.runs()).runs
        icdr.change(job, progress=0.2, last_start="2026-02-01T10:00:00.123456+01:00")  # the same instant
        assert (await upstream.runs.runs()).runs[0].id == first.id
        icdr.change(job, state="Completed", last_finish=FINISH)
        assert (await upstream.runs.runs()).runs[0].id == first.id
        icdr.change(job, state="Running", last_start="2026-02-01T05:00:00-05:00", last_finish=None)
        (second,) = (await upstream.runs.runs()).runs
        assert second.id != first.id
        assert await upstream.runs.run(first.id) is None

    run(check)


def test_a_listing_is_newest_first_pages_on_and_refuses_what_makes_no_sense() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        for number in range(1, 8):
            icdr.add(number, state="Completed", last_start=f"2026-02-0{number}T00:00:00+00:00", last_finish=FINISH)
        seen: list[JobRun] = []
        cursor = None
        for size in (3, 3, 1):
            page = await upstream.runs.runs(cursor=cursor, limit=3)
            assert len(page.runs) == size
            seen += page.runs
            cursor = page.next_cursor
        assert cursor is None
        assert [each.job_id.int for each in seen] == [7, 6, 5, 4, 3, 2, 1]
        for bad in ("", "x", "r5", "s1.x", "s" + "9" * 40):
            with pytest.raises(InvalidRequestError):
                await upstream.runs.runs(cursor=bad)
        for limit in (0, 1001):
            with pytest.raises(InvalidRequestError):
                await upstream.runs.runs(limit=limit)

    run(check)


def test_each_filter_narrows() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state="Running", last_start="2026-02-01T00:00:00+00:00", status="Größe 100%")
        icdr.add(2, state="Aborted", last_start="2026-02-02T00:00:00+00:00", job_type="A.B, C")
        day = datetime(2026, 2, 2, tzinfo=UTC)
        for where, count in (
            (RunFilter(), 2),
            (RunFilter(job_id=UUID(int=2)), 1),
            (RunFilter(states=frozenset({RunState.RUNNING})), 1),
            (RunFilter(tenant="default"), 2),
            (RunFilter(tenant="other"), 0),
            (RunFilter(schedule_id=UUID(int=1)), 0),
            (RunFilter(created_from=day), 1),
            (RunFilter(created_until=day), 1),
            (RunFilter(text="größe"), 1),
            (RunFilter(text="fehlt"), 0),
            (RunFilter(text="a.b"), 1),
        ):
            assert len((await upstream.runs.runs(where)).runs) == count, where
        counters = await upstream.runs.counters()
        assert {state: count for state, count in counters.by_state.items() if count} == {RunState.RUNNING: 1}
        assert set(counters.by_state) == {state for state in RunState if not state.is_final}

    run(check)


def test_every_change_that_is_seen_is_told_once_in_order() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        one = icdr.add(1, state="Running", last_start=START)
        two = icdr.add(2, state="Completed", last_start=START, last_finish=FINISH)
        first = await upstream.runs.changes(0)
        assert [each.job_id.int for each in first] == [1, 2]
        assert first[0].change < first[1].change
        assert await upstream.runs.changes(-1) == first[1:]
        assert await upstream.runs.changes(first[1].change) == []

        icdr.change(one, progress=0.5)
        icdr.change(two, description="no change of a run")
        upstream.clock.move(1)
        (changed,) = await upstream.runs.changes(first[1].change)
        assert (changed.job_id.int, changed.progress, changed.updated_at) == (1, 0.5, upstream.clock.now())
        assert [each.job_id.int for each in await upstream.runs.changes(0)] == [2, 1]
        assert [each.job_id.int for each in await upstream.runs.changes(0, limit=1)] == [2]
        del icdr.jobs[str(two.id)]
        assert [each.job_id.int for each in await upstream.runs.changes(0)] == [1]

    run(check)


def test_who_followed_before_this_host_was_started_anew_is_told_of_every_run() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state="Running", last_start=START)
        (before,) = await upstream.runs.changes(0)
        again = AmiRunReader(upstream.link, upstream.settings, upstream.clock)
        upstream.clock.move(1)
        (now,) = await again.changes(before.change)
        assert now.id == before.id

    run(check)


def test_cancelling_a_run_cancels_its_job() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state="Running", last_start=START)
        icdr.add(2, state="Running", last_start=START)
        runs = await upstream.runs.latest([UUID(int=1), UUID(int=2)])

        wanted = runs[UUID(int=2)].id
        assert await upstream.control.cancel(wanted, by="me") == CancelResult(run_id=wanted, state=RunState.CANCELLED)

        assert icdr.paths("POST") == [f"/ami/JobInfo/{UUID(int=2)}/$cancel"]
        with pytest.raises(RunStateError, match="cancelled already"):
            await upstream.control.cancel(wanted)
        with pytest.raises(RunNotFoundError, match="latest run of each job"):
            await upstream.control.cancel(UUID(int=5))

    run(check)


def test_a_job_is_asked_to_stop_also_if_it_shows_no_run_and_tells_of_what_it_shows() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state="Running", last_start=START)
        icdr.add(2, state="Completed", last_start=START)
        (result,) = await upstream.manager.cancel_job("Job 1", by="me")
        assert result.state is RunState.CANCELLED
        assert await upstream.manager.cancel_job("Job 2") == ()
        assert len(icdr.paths("POST")) == 2

    run(check)


def test_a_job_that_cannot_be_cancelled_says_so_and_is_not_asked() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state="Running", last_start=START, can_cancel=False)
        with pytest.raises(RunStateError, match="cannot be cancelled"):
            await upstream.manager.cancel_job("Job 1")
        (seen,) = (await upstream.runs.runs()).runs
        with pytest.raises(RunStateError, match="cannot be cancelled"):
            await upstream.control.cancel(seen.id)
        assert icdr.paths("POST") == []

    run(check)


def test_an_upstream_that_dies_after_it_was_asked_to_cancel_was_asked() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state="Running", last_start=START)
        icdr.dies_at = lambda asked: asked.method == "GET" and bool(icdr.paths("POST"))
        (result,) = await upstream.manager.cancel_job("Job 1")
        assert result.state is RunState.RUNNING
        assert len(icdr.paths("POST")) == 1

    run(check)
