"""What every run store promises about statistics: every run that ends is counted, once, for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from host.model.ids import to_microseconds
from host.model.jobs import OverlapPolicy
from host.model.runs import RunReason, RunState
from host.model.statistics import BOUNDS, JobStatistics, total_of
from host.testing.run_desk import JOB, Desk, job_id, request

S = RunState
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def statistics(desk: Desk, job: UUID = JOB, since: datetime = BEGINNING) -> JobStatistics | None:
    """Give all statistics of a job."""
    return total_of(desk(desk.store.statistics([job], since=since)))


def by_state(desk: Desk, job: UUID = JOB) -> dict[RunState, int]:
    """Give how many runs of a job ended, by state."""
    found = statistics(desk, job)
    return dict(found.by_state) if found else {}


def to_the_minute(instant: datetime) -> datetime:
    """Give the beginning of the minute."""
    return instant - timedelta(microseconds=to_microseconds(instant) % 60_000_000)


class RunStatistics:
    """Part of ``JobRunSuite``."""

    def test_nothing_finished_is_no_entry(self, desk: Desk) -> None:
        desk.submit(request(), request(hold=True))
        desk.claim(1)
        assert list(desk(desk.store.statistics(since=BEGINNING))) == []
        assert list(desk(desk.store.statistics([JOB, uuid4()], since=BEGINNING))) == []

    def test_every_way_to_end_counts_once(self, desk: Desk) -> None:
        for state in (S.COMPLETED, S.COMPLETED, S.FAILED, S.CANCELLED, S.QUARANTINED):
            desk.add()
            desk.finish(desk.claim_one(), state)
        assert by_state(desk) == {S.COMPLETED: 2, S.FAILED: 1, S.CANCELLED: 1, S.QUARANTINED: 1}
        desk.add(skip=RunReason.MISFIRE)
        assert by_state(desk)[S.SKIPPED] == 1
        desk.cancel(desk.add(), desk.add(hold=True))
        assert by_state(desk)[S.CANCELLED] == 3
        desk.submit(*(request(exclusive_key="k", overlap=OverlapPolicy.SKIP) for _ in range(3)))
        holder = desk.claim_one()
        assert by_state(desk)[S.SKIPPED] == 3
        desk.cancel(holder.id)
        desk.finish(holder)
        assert by_state(desk)[S.CANCELLED] == 4

    def test_superseded_expired_and_fired_runs_count(self, desk: Desk) -> None:
        desk.submit(*(request(exclusive_key="k", overlap=OverlapPolicy.CANCEL_RUNNING) for _ in range(3)))
        assert by_state(desk) == {S.CANCELLED: 2}
        desk.add(expires_at=desk.after(5))
        desk.advance(6)
        desk.claim()
        assert by_state(desk) == {S.CANCELLED: 2, S.FAILED: 1}
        fired = request(schedule_id=uuid4(), fire_time=desk.now(), skip=RunReason.MISFIRE)
        desk(desk.store.fire([fired], []))
        desk(desk.store.fire([fired], []))
        assert by_state(desk) == {S.CANCELLED: 2, S.FAILED: 1, S.SKIPPED: 1}

    def test_an_expired_run_counts(self, desk: Desk) -> None:
        desk.add(expires_at=desk.after(5))
        desk.advance(6)
        desk.claim()
        assert by_state(desk) == {S.FAILED: 1}

    def test_another_attempt_that_a_cancel_ends_counts(self, desk: Desk) -> None:
        desk.add(max_attempts=2)
        run = desk.claim_one()
        desk.cancel(run.id)
        desk.finish(run, S.SCHEDULED, reason=RunReason.RETRY, not_before=desk.after(50))
        assert by_state(desk) == {S.CANCELLED: 1}

    def test_what_goes_on_does_not_count_and_rescued_runs_do_when_they_end(self, desk: Desk) -> None:
        desk.add(max_attempts=9)
        desk.finish(desk.claim_one(), S.SCHEDULED, reason=RunReason.RETRY, not_before=desk.now())
        assert by_state(desk) == {}
        for _ in range(2):
            desk.claim()
            desk.crash()
        assert by_state(desk) == {}
        desk.claim()
        desk.crash()
        assert by_state(desk) == {S.QUARANTINED: 1}

    def test_what_was_counted_is_never_counted_again(self, desk: Desk) -> None:
        run_id = desk.add()
        run = desk.claim_one()
        desk.finish(run)
        before = statistics(desk)
        assert not desk.finish(run)
        for is_locked in (True, False):
            desk(desk.store.amend(run_id, is_locked=is_locked))
        desk.cancel(run_id)
        desk.add()
        desk.claim()
        desk.crash()
        after = statistics(desk)
        assert before is not None
        assert after is not None
        assert (after.by_state, after.waits, after.durations) == (before.by_state, before.waits, before.durations)

    def test_pruning_leaves_statistics(self, desk: Desk) -> None:
        desk.add()
        desk.finish(desk.claim_one(), S.FAILED)
        desk.advance(10)
        assert desk(desk.store.prune(finished_before=desk.now()))
        assert by_state(desk) == {S.FAILED: 1}

    def test_waits_and_durations_are_those_of_the_last_attempt(self, desk: Desk) -> None:
        desk.add(max_attempts=2)
        desk.advance(100)
        first = desk.claim_one()
        desk.advance(7)
        desk.finish(first, S.SCHEDULED, reason=RunReason.RETRY, not_before=desk.after(50))
        desk.advance(60)
        second = desk.claim_one()
        desk.advance(33)
        desk.finish(second)
        found = statistics(desk)
        assert found is not None
        row = desk.run(second.id)
        assert row.not_before is not None
        assert row.started_at is not None
        assert found.waits.total == row.started_at - row.not_before
        assert found.durations.total == row.duration
        assert (found.waits.count, found.durations.count) == (1, 1)
        for histogram in (found.waits, found.durations):
            bucket = histogram.counts.index(1)
            assert BOUNDS[bucket - 1] < histogram.total <= BOUNDS[bucket]

    def test_runs_that_never_started_have_no_times(self, desk: Desk) -> None:
        desk.cancel(desk.add())
        desk.add(skip=RunReason.MISFIRE)
        desk.add()
        desk.finish(desk.claim_one(), S.FAILED, started_at=None)
        found = statistics(desk)
        assert found is not None
        assert (found.runs, found.waits.count, found.durations.count) == (3, 0, 0)

    def test_a_run_cancelled_between_attempts_has_no_times(self, desk: Desk) -> None:
        run_id = desk.add(max_attempts=2)
        desk.finish(desk.claim_one(), S.SCHEDULED, reason=RunReason.RETRY, not_before=desk.after(50))
        desk.advance(20)
        desk.cancel(run_id)
        found = statistics(desk)
        assert found is not None
        assert (found.runs, found.waits.count, found.durations.count) == (1, 0, 0)

    def test_spans_are_half_open_and_to_the_minute(self, desk: Desk) -> None:
        ends = []
        for _ in range(3):
            desk.add()
            desk.finish(desk.claim_one())
            ends.append(desk.now())
            desk.advance(60)
        first, second, third = (to_the_minute(end) for end in ends)
        for since, until, count in (
            (first, third, 2),
            (second, third + MINUTE, 2),
            (first + MINUTE / 2, second + MINUTE / 2, 1),
            (first, None, 3),
            (third + MINUTE, None, 0),
            (third, first, 0),
        ):
            found = total_of(desk(desk.store.statistics(since=since, until=until)))
            assert (found.runs if found else 0) == count, (since, until)

    def test_steps_give_an_entry_for_each_that_had_any_oldest_first(self, desk: Desk) -> None:
        other = job_id("other")
        began = to_the_minute(desk.now())
        for count in (1, 0, 2, 1):
            for number in range(count):
                desk.add(job_id=other if number else JOB)
                desk.finish(desk.claim_one())
            desk.advance(120)
        found = desk(desk.store.statistics(since=began, step=2 * MINUTE))
        mine = [entry for entry in found if entry.job_id == JOB]
        assert [entry.since - began for entry in mine] == [0 * MINUTE, 4 * MINUTE, 6 * MINUTE]
        assert [entry.until - entry.since for entry in mine] == [2 * MINUTE] * 3
        assert [entry.runs for entry in mine] == [1, 1, 1]
        assert [entry.since - began for entry in found if entry.job_id == other] == [4 * MINUTE]
        assert list(found) == [
            entry for job in dict.fromkeys(e.job_id for e in found) for entry in found if entry.job_id == job
        ]

    def test_jobs_are_told_apart_however_many_are_named(self, desk: Desk) -> None:
        jobs = [job_id(str(number)) for number in range(30)]
        desk.submit(*(request(job_id=job, skip=RunReason.MISFIRE) for job in jobs for _ in range(2)))
        for wanted in (jobs[:1], jobs[3:8], jobs[1:], []):
            found = desk(desk.store.statistics(wanted, since=BEGINNING))
            assert {entry.job_id: entry.runs for entry in found} == dict.fromkeys(wanted or jobs, 2)

    def test_old_statistics_stay_to_the_hour(self, desk: Desk) -> None:
        began = desk.now()
        for _ in range(4):
            desk.add()
            desk.finish(desk.claim_one())
            desk.advance(20 * 60)
        desk.advance(3 * DAY.total_seconds())
        before = statistics(desk)
        self.optimise(desk)
        desk.add(skip=RunReason.MISFIRE)
        after = statistics(desk)
        assert before is not None
        assert after is not None
        assert dict(after.by_state) == {S.COMPLETED: 4, S.SKIPPED: 1}
        assert (after.waits, after.durations) == (before.waits, before.durations)
        found = desk(desk.store.statistics([JOB], since=began, step=HOUR))
        assert sum(entry.runs for entry in found) == 5
        assert len({entry.since for entry in found}) == len(found)

    def test_failing_counts_the_newest_failures_in_a_row(self, desk: Desk) -> None:
        other = job_id("other")
        assert desk(desk.store.failing([JOB])) == {JOB: 0}
        for state in (S.FAILED, S.COMPLETED, S.FAILED, S.CANCELLED, S.QUARANTINED):
            desk.add()
            desk.finish(desk.claim_one(), state)
        desk.submit(request(skip=RunReason.OVERLAP), request(job_id=other, hold=True))
        assert desk(desk.store.failing([JOB, other])) == {JOB: 2, other: 0}
        assert desk(desk.store.failing([JOB], at_most=1)) == {JOB: 1}
        assert desk(desk.store.failing([])) == {}
        desk.add()
        desk.finish(desk.claim_one())
        assert desk(desk.store.failing([JOB])) == {JOB: 0}

    def test_the_oldest_due_run_is_told(self, desk: Desk) -> None:
        assert desk(desk.store.counters()).oldest_due_at is None
        desk.add(not_before=desk.after(3600))
        desk.add(hold=True)
        assert desk(desk.store.counters()).oldest_due_at is None
        first = desk.add(exclusive_key="k")
        desk.claim()
        desk.add(exclusive_key="k", overlap=OverlapPolicy.QUEUE)
        assert desk(desk.store.counters()).oldest_due_at is None
        desk.advance(5)
        desk.add()
        due = desk.now()
        desk.advance(5)
        desk.add(priority=9)
        assert desk(desk.store.counters()).oldest_due_at == due
        assert desk.states(first) == [S.STARTING]

    def optimise(self, desk: Desk) -> None:
        """Do the store's upkeep, where it has any."""
        optimise = getattr(desk.store, "optimise", None)
        if optimise is not None:
            desk(optimise())
