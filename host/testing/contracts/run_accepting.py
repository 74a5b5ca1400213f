"""What every run store promises about accepting work: submissions, fires and cursors."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from host.errors import InvalidRequestError
from host.model.jobs import OverlapPolicy
from host.model.runs import RunReason, RunRequest, RunState
from host.model.schedules import ScheduleCursor
from host.testing.run_desk import JOB, SECOND, Desk, job_id, request

SCHEDULE = UUID("9f5ad0a4-1f8c-4dd5-8f65-0d3c8f4f2c01")
S = RunState


class RunAccepting:
    """Part of ``JobRunSuite``."""

    def test_every_field_of_a_request_is_kept(self, desk: Desk) -> None:
        asked = request(
            id=uuid4(),
            parameters={"a": 1, "b": [None, True, 1.5, "ü\u2028"], "c": {"d": {}}},
            schedule_id=SCHEDULE,
            schedule_version="v1",
            fire_time=desk.after(-60.000001),
            missed=3,
            tenant="t",
            owner="o",
            priority=-7,
            not_before=desk.after(60),
            expires_at=desk.after(3600),
            timeout=timedelta(seconds=1.5),
            max_attempts=4,
            executor="thread",
            overlap=OverlapPolicy.QUEUE,
            exclusive_key="k",
            trace_id="0123456789abcdef0123456789abcdef",
            origin_run_id=uuid4(),
            idempotency_key="i",
        )
        (run_id,) = desk.submit(asked)
        run = desk.run(run_id)
        for name in RunRequest.__dataclass_fields__:
            if name not in ("skip", "hold"):
                assert getattr(run, name) == getattr(asked, name), name
        assert (run.state, run.reason, run.attempt, run.crashes) == (S.SCHEDULED, None, 0, 0)

    def test_ids_come_in_the_order_of_the_requests(self, desk: Desk) -> None:
        ids = desk.submit(*(request(parameters={"n": number}) for number in range(700)))
        assert len(set(ids)) == 700
        assert [desk.run(ids[number]).parameters["n"] for number in (0, 1, 256, 699)] == [0, 1, 256, 699]

    def test_an_id_made_by_the_store_is_of_version_7_and_a_trace_id_has_128_bits(self, desk: Desk) -> None:
        run = desk.run(desk.add())
        assert run.id.version == 7
        assert len(bytes.fromhex(run.trace_id)) == 16

    def test_no_request_is_no_run(self, desk: Desk) -> None:
        assert desk.submit() == []

    def test_the_first_state_follows_the_request(self, desk: Desk) -> None:
        ids = desk.submit(
            request(),
            request(not_before=desk.after(-5)),
            request(not_before=desk.after(5)),
            request(hold=True),
            request(hold=True, not_before=desk.after(5)),
            request(skip=RunReason.MISFIRE),
        )
        assert desk.states(*ids) == [S.QUEUED, S.QUEUED, S.SCHEDULED, S.PENDING, S.PENDING, S.SKIPPED]
        skipped = desk.run(ids[-1])
        assert skipped.reason is RunReason.MISFIRE
        assert skipped.finished_at is not None

    def test_a_known_idempotency_key_gives_the_first_run(self, desk: Desk) -> None:
        first = desk.add(idempotency_key="a")
        again = desk.submit(request(idempotency_key="b"), request(idempotency_key="a"), request(idempotency_key="b"))
        assert again[1] == first
        assert again[0] == again[2] != first
        assert len(desk(desk.store.runs()).runs) == 2

    def test_a_key_stays_known_when_its_run_has_ended(self, desk: Desk) -> None:
        first = desk.add(idempotency_key="a")
        desk.finish(desk.claim_one())
        assert desk.add(idempotency_key="a") == first

    def test_a_key_is_one_of_its_jobs(self, desk: Desk) -> None:
        other = job_id("other")
        mine, theirs = desk.submit(request(idempotency_key="a"), request(idempotency_key="a", job_id=other))
        assert mine != theirs
        again = desk.submit(request(idempotency_key="a", job_id=other), request(idempotency_key="a"))
        assert again == [theirs, mine]
        assert len(desk(desk.store.runs()).runs) == 2

    def test_a_chosen_id_is_accepted_once(self, desk: Desk) -> None:
        chosen = uuid4()
        assert desk.submit(request(id=chosen), request(id=chosen)) == [chosen, chosen]
        assert desk.add(id=chosen) == chosen
        assert len(desk(desk.store.runs()).runs) == 1

    def test_an_id_of_another_jobs_run_is_refused_and_nothing_is_accepted(self, desk: Desk) -> None:
        taken = desk.add()
        with pytest.raises(InvalidRequestError):
            desk.submit(request(), request(id=taken, job_id=job_id("other")))
        assert [run.id for run in desk(desk.store.runs()).runs] == [taken]

    @pytest.mark.parametrize(
        "fields",
        [
            {"parameters": {"a": object()}},
            {"parameters": {"a": "\ud800"}},
            {"tenant": "a\0b"},
            {"owner": "\udfff"},
            {"tenant": ""},
            {"priority": 2**40},
            {"timeout": timedelta(0)},
            {"timeout": timedelta(seconds=-90)},
            {"timeout": timedelta(days=999_999_999)},
        ],
        ids=[
            "object",
            "surrogate",
            "nul",
            "owner",
            "no tenant",
            "priority",
            "no time",
            "less than no time",
            "eternity",
        ],
    )
    def test_what_cannot_be_kept_is_refused_whole(self, desk: Desk, fields: dict[str, object]) -> None:
        with pytest.raises(InvalidRequestError):
            desk.submit(request(), request(**fields))
        assert desk(desk.store.runs()).runs == ()

    def test_strange_texts_are_kept(self, desk: Desk) -> None:
        for text in ("'; DROP TABLE run; --", "ß" * 2000, '"]},{"', "\u202e\x01\t", "%_!\\"):
            asked = request(tenant=text, owner=text, idempotency_key=text, exclusive_key=text, parameters={text: text})
            run = desk.run(desk.submit(asked)[0])
            assert (run.tenant, run.owner, run.exclusive_key) == (text, text, text)
            assert run.parameters == {text: text}
            assert desk.claim_one().id == run.id

    def test_a_newer_run_supersedes_the_waiting_ones_of_its_key(self, desk: Desk) -> None:
        held, late, due, other = desk.submit(
            request(exclusive_key="k", overlap=OverlapPolicy.QUEUE, hold=True),
            request(exclusive_key="k", overlap=OverlapPolicy.QUEUE, not_before=desk.after(9)),
            request(exclusive_key="k", overlap=OverlapPolicy.QUEUE),
            request(exclusive_key="other"),
        )
        newest = desk.add(exclusive_key="k", overlap=OverlapPolicy.CANCEL_RUNNING)
        assert desk.states(held, late, due, other) == [S.CANCELLED, S.CANCELLED, S.CANCELLED, S.QUEUED]
        assert desk.run(due).reason is RunReason.SUPERSEDED
        assert {run.id for run in desk.claim().runs} == {newest, other}

    def test_a_newer_run_asks_the_active_one_to_stop_and_waits(self, desk: Desk) -> None:
        desk.add(exclusive_key="k")
        active = desk.claim_one()
        newest = desk.add(exclusive_key="k", overlap=OverlapPolicy.CANCEL_RUNNING)
        assert desk.claim().runs == ()
        assert desk.run(active.id).cancel_requested_at is not None
        assert desk.finish(active, S.CANCELLED, reason=RunReason.REQUESTED)
        assert desk.claim_one().id == newest

    def test_the_last_of_a_batch_supersedes_the_others(self, desk: Desk) -> None:
        ids = desk.submit(*(request(exclusive_key="k", overlap=OverlapPolicy.CANCEL_RUNNING) for _ in range(3)))
        assert desk.states(*ids) == [S.CANCELLED, S.CANCELLED, S.QUEUED]

    def test_a_fire_is_accepted_at_most_once(self, desk: Desk) -> None:
        at = desk.now()
        asked = [request(schedule_id=SCHEDULE, fire_time=at), request(schedule_id=SCHEDULE, fire_time=at + SECOND)]
        assert desk(desk.store.fire(asked, ())) == 2
        assert desk(desk.store.fire([*asked, request(schedule_id=uuid4(), fire_time=at)], ())) == 1
        desk.crash()
        assert desk(desk.store.fire(asked, ())) == 0
        assert desk(desk.store.fire([asked[0], asked[0]], ())) == 0
        assert len(desk(desk.store.runs()).runs) == 3

    def test_a_fire_whose_run_was_deleted_is_not_accepted_again(self, desk: Desk) -> None:
        cursor = self._adopt(desk, "v1")
        at = desk.now()
        fire = request(schedule_id=SCHEDULE, schedule_version="v1", fire_time=at)
        assert desk(desk.store.fire([fire], [self._moved(cursor, 0)])) == 1
        desk.finish(desk.claim_one())
        desk.advance(10)
        assert len(desk(desk.store.prune(finished_before=desk.now()))) == 1
        assert desk(desk.store.fire([fire], ())) == 0

    def test_a_cursor_starts_now_and_stays(self, desk: Desk) -> None:
        before = desk.now()
        first = self._adopt(desk, "v1")
        assert before <= first.effective_from <= desk.now()
        assert (first.last_fire_time, first.fire_count, first.version) == (None, 0, "v1")
        desk.advance(60)
        assert self._adopt(desk, "v1") == first

    def test_a_cursor_is_moved_with_the_fires_and_only_forward(self, desk: Desk) -> None:
        cursor = self._adopt(desk, "v1")
        desk(desk.store.fire((), [self._moved(cursor, 60, count=2)]))
        desk(desk.store.fire((), [self._moved(cursor, 30, count=1)]))
        desk.crash()
        assert self._adopt(desk, "v1") == self._moved(cursor, 60, count=2)

    def test_a_new_version_starts_anew_and_the_old_one_moves_it_no_more(self, desk: Desk) -> None:
        old = self._adopt(desk, "v1")
        desk(desk.store.fire((), [self._moved(old, 60, count=2)]))
        desk.advance(100)
        new = self._adopt(desk, "v2")
        assert (new.version, new.last_fire_time, new.fire_count) == ("v2", None, 0)
        assert new.effective_from > old.effective_from
        desk(desk.store.fire((), [self._moved(old, 3600, count=3)]))
        assert self._adopt(desk, "v2") == new

    def test_cursors_of_many_schedules_are_told_apart(self, desk: Desk) -> None:
        schedules = {uuid4(): f"v{number}" for number in range(600)}
        cursors = desk(desk.store.adopt(schedules))
        assert {key: cursor.version for key, cursor in cursors.items()} == schedules
        assert all(cursor.schedule_id == key for key, cursor in cursors.items())
        assert desk(desk.store.adopt({})) == {}

    def test_scheduled_runs_keep_their_job(self, desk: Desk) -> None:
        desk(desk.store.fire([request(schedule_id=SCHEDULE, fire_time=desk.now())], ()))
        assert desk.claim_one().job_id == JOB

    def _adopt(self, desk: Desk, version: str) -> ScheduleCursor:
        return desk(desk.store.adopt({SCHEDULE: version}))[SCHEDULE]

    def _moved(self, cursor: ScheduleCursor, seconds: float, *, count: int = 1) -> ScheduleCursor:
        return ScheduleCursor(
            schedule_id=cursor.schedule_id,
            version=cursor.version,
            effective_from=cursor.effective_from,
            last_fire_time=cursor.effective_from + timedelta(seconds=seconds),
            fire_count=count,
        )
