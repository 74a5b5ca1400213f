"""The checker finds what is wrong in logs made by hand, and nothing in one that is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import check
from tests.chaos.evidence import Evidence, Promises, Row, Verdict
from tests.chaos.journal import Event, read_events

HOST, NEXT = 100, 200


def event(kind: str, at: float, run: str = "", **facts: Any) -> Event:
    process = facts.pop("process", HOST)
    return Event(kind=kind, at=at, run=run, process=process, wall=1000 + at, **facts)


def row(run: str, state: str = "completed", **facts: Any) -> Row:
    return Row(run=run, job="LoopFree", state=state, **facts)


GOOD = [
    event("launched", 0),
    event("ready", 1),
    event("accepted", 2, "a"),
    event("start", 3, "a", job="LoopFree", attempt=1),
    event("end", 4, "a", job="LoopFree", attempt=1),
]
KILLED = [*GOOD, event("died", 5), event("launched", 6, process=NEXT), event("ready", 7, process=NEXT)]


def verdicts(events: list[Event], *rows: Row, **promises: Any) -> list[Verdict]:
    evidence = Evidence(events=events, rows={row.run: row for row in rows}, promises=Promises(**promises))
    return [violation.verdict for violation in check(evidence)]


def start(at: float, run: str, **facts: Any) -> Event:
    return event("start", at, run, **{"job": "LoopExclusive", "attempt": 1, **facts})


def end(at: float, run: str, **facts: Any) -> Event:
    return event("end", at, run, **{"job": "LoopExclusive", "attempt": 1, **facts})


def test_a_right_log_has_no_violation() -> None:
    assert verdicts(GOOD, row("a")) == []


def test_an_accepted_run_without_a_row_is_lost() -> None:
    assert verdicts([*GOOD, event("accepted", 5, "b")], row("a")) == [Verdict.LOST]


def test_a_started_run_without_a_row_is_lost() -> None:
    assert verdicts([*GOOD, start(5, "b"), end(6, "b")], row("a")) == [Verdict.LOST]


def test_a_gap_between_fire_times_is_a_lost_fire() -> None:
    rows = [row(str(n), "skipped", reason="overlap", schedule="s", fire=n * 0.5) for n in (0, 1, 2, 4)]

    found = verdicts(GOOD, row("a"), *rows, interval=0.5)

    assert found.count(Verdict.LOST) == 1


@pytest.mark.parametrize("state", ["pending", "scheduled", "queued", "starting", "running"])
def test_a_run_that_is_not_final_is_stuck(state: str) -> None:
    assert verdicts(GOOD, row("a", state)) == [Verdict.STUCK]


def test_one_fire_time_in_two_rows_is_double() -> None:
    rows = [row("a", schedule="s", fire=9.0), row("b", schedule="s", fire=9.0)]

    assert verdicts([*GOOD, start(5, "b"), end(6, "b")], *rows) == [Verdict.DUP]


def test_one_fire_time_run_under_two_ids_is_double_whatever_the_rows_say() -> None:
    ran = [start(5, "b", fire=1005.0), end(5.1, "b"), start(5.2, "c", fire=1005.0), end(5.3, "c")]

    assert verdicts([*GOOD, *ran], row("a"), row("b"), row("c")) == [Verdict.DUP]


def test_an_at_most_once_run_that_starts_twice_is_double() -> None:
    events = [*KILLED[:-3], start(4.5, "b", once=True), *KILLED[-3:], start(8, "b", once=True), end(9, "b", once=True)]

    assert verdicts(events, row("a"), row("b")) == [Verdict.DUP]


def test_a_run_that_ended_and_runs_again_without_a_crash_is_double() -> None:
    assert verdicts([*GOOD, start(5, "a"), end(6, "a")], row("a")) == [Verdict.DUP]


def test_a_run_that_ended_just_before_a_crash_may_run_again() -> None:
    assert verdicts([*KILLED, start(8, "a", process=NEXT), end(9, "a", process=NEXT)], row("a")) == []


def test_a_run_that_ended_long_before_a_crash_may_not() -> None:
    events = [*KILLED, start(8, "a", process=NEXT), end(9, "a", process=NEXT)]

    assert verdicts(events, row("a"), durable=0.5) == [Verdict.DUP]


def test_an_orderly_stop_is_no_excuse_to_run_again() -> None:
    events = [replace(seen, kind="stopped") if seen.kind == "died" else seen for seen in KILLED]

    assert verdicts([*events, start(8, "a"), end(9, "a")], row("a")) == [Verdict.DUP]


def test_two_exclusive_runs_at_a_time_overlap() -> None:
    events = [
        *GOOD,
        start(5, "b", exclusive=True),
        start(6, "c", exclusive=True),
        end(7, "b", exclusive=True),
        end(8, "c", exclusive=True),
    ]

    assert verdicts(events, row("a"), row("b"), row("c")) == [Verdict.OVERLAP]


def test_a_run_inside_a_long_one_overlaps_although_a_short_one_lies_between() -> None:
    events = [
        start(1, "a", exclusive=True),
        start(2, "b", exclusive=True),
        end(3, "b", exclusive=True),
        start(4, "c", exclusive=True),
        end(5, "c", exclusive=True),
        end(6, "a", exclusive=True),
    ]

    assert verdicts(events, row("a"), row("b"), row("c")) == [Verdict.OVERLAP] * 2


def test_code_that_outlives_its_killed_host_overlaps_with_its_own_second_run() -> None:
    events = [*KILLED[:-3], start(4.5, "b", exclusive=True, process=7), *KILLED[-3:]]
    events += [start(8, "b", exclusive=True, process=8), end(8.5, "b", exclusive=True, process=7)]
    events += [end(9, "b", exclusive=True, process=8)]

    assert Verdict.OVERLAP in verdicts(events, row("a"), row("b"))


def test_a_host_that_died_ends_what_it_ran() -> None:
    events = [*KILLED[:-3], start(4.5, "b", exclusive=True), *KILLED[-3:]]
    events += [start(8, "b", exclusive=True, process=NEXT), end(9, "b", exclusive=True, process=NEXT)]

    assert verdicts(events, row("a"), row("b")) == []


def test_a_completed_run_without_an_end_is_wrong() -> None:
    assert verdicts(GOOD[:-1], row("a")) == [Verdict.WRONG]


def test_a_completed_run_whose_last_start_has_no_end_is_wrong() -> None:
    assert verdicts([*KILLED, start(8, "a", process=NEXT)], row("a")) == [Verdict.WRONG]


def test_a_lost_run_without_a_crash_is_wrong() -> None:
    assert verdicts(GOOD[:-1], row("a", "failed", reason="lost")) == [Verdict.WRONG]


def test_a_run_whose_acceptance_was_read_after_the_crash_may_be_lost() -> None:
    lost = row("b", "failed", reason="lost")
    assert verdicts([*KILLED, event("accepted", 5.5, "b", asked=4.9)], row("a"), lost) == []
    assert verdicts([*KILLED, event("accepted", 5.5, "b", asked=5.1)], row("a"), lost) == [Verdict.WRONG]


def test_a_run_that_ended_long_before_the_crash_cannot_be_lost() -> None:
    assert verdicts(KILLED, row("a", "failed", reason="lost"), durable=0.5) == [Verdict.WRONG]
    assert verdicts(KILLED, row("a", "failed", reason="lost")) == []


def test_a_run_that_failed_with_attempts_left_is_wrong() -> None:
    events = [*GOOD[:-1], event("fails", 4, "a")]

    assert verdicts(events, row("a", "failed", reason="error", max_attempts=2)) == [Verdict.WRONG]
    assert verdicts(events, row("a", "failed", reason="error")) == []


def test_a_run_is_discarded_only_if_it_asked_for_it() -> None:
    assert verdicts(GOOD, row("a", "failed", reason="discarded")) == [Verdict.WRONG]
    assert verdicts([*GOOD[:-1], event("discards", 4, "a")], row("a", "failed", reason="discarded")) == []


def test_code_that_is_to_work_does_not_raise() -> None:
    events = [*GOOD[:-1], event("fails", 4, "a", note="OSError(22)")]

    assert verdicts(events, row("a", "failed", reason="error")) == [Verdict.WRONG]
    assert verdicts(events, row("a", "failed", reason="error"), sound=False) == []


def test_what_was_put_off_is_no_attempt() -> None:
    events = [*GOOD[:-1], event("snoozes", 4, "a"), start(5, "a"), end(6, "a")]

    assert verdicts(events, row("a", attempt=1)) == []
    assert verdicts(events, row("a", attempt=2)) == [Verdict.WRONG]


@pytest.mark.parametrize(("state", "reason"), [("skipped", "overlap"), ("failed", "expired"), ("failed", "timeout")])
def test_a_final_state_that_nothing_explains_is_wrong(state: str, reason: str) -> None:
    assert verdicts(GOOD, row("a", state, reason=reason)) == [Verdict.WRONG]


def test_a_run_that_nobody_cancelled_is_not_cancelled() -> None:
    assert verdicts(GOOD, row("a", "cancelled")) == [Verdict.WRONG]
    assert verdicts([*GOOD, event("cancelled", 5, "a")], row("a", "cancelled")) == []


def test_three_crashes_are_needed_for_quarantine() -> None:
    deaths = [event("died", at) for at in (5, 6, 7)]

    assert verdicts([*GOOD[:-1], *deaths], row("a", "quarantined", reason="crashes")) == []
    assert verdicts([*GOOD[:-1], *deaths[1:]], row("a", "quarantined", reason="crashes")) == [Verdict.WRONG]


def test_a_scheduled_run_has_seen_the_crashes_since_its_fire_time() -> None:
    deaths = [event("died", at) for at in (5, 6, 7)]
    events = [*GOOD, *deaths[:1], start(5.5, "b", fire=1004.5), *deaths[1:]]

    assert verdicts(events, row("a"), row("b", "quarantined", reason="crashes", fire=1004.5), fire_window=9.0) == []
    assert Verdict.WRONG in verdicts(events, row("a"), row("b", "quarantined", reason="crashes", fire=1005.2))


def test_a_process_that_ends_its_run_just_after_its_host_died_has_told_nobody() -> None:
    events = [*KILLED[:-3], start(4.9, "b", process=7), event("died", 5), end(5.01, "b", process=7), *KILLED[-2:]]
    again = [start(8, "b", process=8), end(9, "b", process=8)]

    assert verdicts([*events, *again], row("a"), row("b")) == []


def test_the_crash_of_a_job_in_the_host_is_one_crash_and_not_two() -> None:
    deaths = [event(kind, at, run) for at in (5.0, 6.0) for kind, run in (("dies", "a"), ("died", ""))]

    assert verdicts([*GOOD[:-1], *deaths], row("a", "quarantined", reason="crashes")) == [Verdict.WRONG]


def test_the_crash_of_another_run_s_process_explains_nothing() -> None:
    events = [*GOOD[:-1], start(4, "b", process=7), event("dies", 5, "b", process=7)]
    lost = [row("a", "failed", reason="lost"), row("b", "failed", reason="lost")]

    assert verdicts(events, *lost) == [Verdict.WRONG]


def test_a_start_before_its_fire_time_is_wrong() -> None:
    assert verdicts([start(5, "a", fire=1005.2), end(6, "a")], row("a")) == [Verdict.WRONG]


def test_a_start_long_after_its_fire_time_is_wrong() -> None:
    events = [start(9, "a", fire=1005.0), end(10, "a")]

    assert verdicts(events, row("a"), fire_window=5.0) == []
    assert verdicts(events, row("a"), fire_window=1.0) == [Verdict.LATE]


def test_a_fire_that_fell_into_a_trouble_starts_soon_after_it() -> None:
    def events(began: float) -> list[Event]:
        troubles = [event("trouble", 4), event("calm", 8), event("died", 8.5), event("ready", 9)]
        return [*troubles, start(began, "a", fire=1005.0), end(20, "a")]

    assert verdicts(events(9.5), row("a"), fire_window=1.0) == []
    assert verdicts(events(11.0), row("a"), fire_window=1.0) == [Verdict.LATE]


def test_a_step_of_the_clock_excuses_an_early_start_for_a_moment_only() -> None:
    def events(began: float) -> list[Event]:
        return [event("clock", 4), start(began, "a", fire=5000.0), end(20, "a")]

    assert verdicts(events(5), row("a"), fire_window=2.0) == []
    assert verdicts(events(15), row("a"), fire_window=2.0) == [Verdict.WRONG]


def test_a_host_that_comes_back_and_starts_nothing_is_late() -> None:
    events = [*KILLED, event("accepted", 8, "b"), start(30, "b", process=NEXT), end(31, "b", process=NEXT)]

    assert verdicts(events, row("a"), row("b")) == [Verdict.LATE]
    assert verdicts(events, row("a"), row("b"), recovery=25.0) == []


def test_a_host_that_is_disturbed_again_is_not_late() -> None:
    events = [*KILLED, event("died", 9), event("launched", 10), start(11, "b"), end(31, "b")]

    assert verdicts(events, row("a"), row("b")) == []


def test_a_torn_line_is_an_error() -> None:
    with pytest.raises(ValueError, match="Unterminated"):
        list(read_events('{"kind": "start", "at": 1.0}\n{"kind": "sta'))
