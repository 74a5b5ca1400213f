"""What needs somebody's attention: what is stuck, late, quarantined, and how the host itself is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from host.contracts.contract import Finding
from host.contracts.host import HostState, HostStatus, LastReload, ProviderInfo
from host.contracts.registry import Pause
from host.errors import UpstreamUnavailableError
from host.model.jobs import JobInfo
from host.model.runs import JobRun, RunCounters, RunReason, RunState
from host_panel.attention import LONGEST, Found, Item, Seen, items_of
from host_panel.last_known import Trouble
from host_panel.pauses import QUARANTINE, NamedPause
from host_panel.reckonings import FailingJob

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = UUID("62d1c9ce-4583-4ec7-a9f0-9c5ef05eafa8")
JOB = JobInfo(id=ID, job_type="work:Work", name="Work")


def run(state: RunState, **fields: object) -> JobRun:
    values: dict[str, object] = {"id": ID, "job_id": ID, "job_type": JOB.job_type, "state": state}
    return JobRun(**values, created_at=NOW, updated_at=NOW, **fields)  # type: ignore[arg-type]  # fields of the run


def status(**fields: object) -> HostStatus:
    values: dict[str, object] = {"state": HostState.READY, "version": "1", "pid": 1, "node": "a/b", "started_at": NOW}
    values |= {"configuration": "c.xml", "data_directory": "d", "timezone": "UTC", "unfinished": {}}
    return HostStatus(**{**values, **fields})  # type: ignore[arg-type]  # fields of the status


def items(**fields: object) -> list[Item]:
    seen: dict[str, object] = {"status": None, "troubles": {}, "counters": None, "failing": (), "found": Found()}
    return list(items_of(Seen(**{**seen, **fields}), NOW))  # type: ignore[arg-type]  # what is seen


def test_nothing_needs_attention_while_all_is_well() -> None:
    due = RunCounters(by_state={RunState.QUEUED: 5}, oldest_due_at=NOW - timedelta(seconds=30))
    assert items(status=status(), counters=due) == []


def test_a_run_that_ignores_its_end_is_stuck_since_it_was_asked() -> None:
    asked = NOW - timedelta(minutes=3)
    stuck = run(RunState.RUNNING, is_stuck=True, started_at=NOW - timedelta(hours=1), cancel_requested_at=asked)
    [item] = items(found=Found(stuck=(stuck,), names={ID: JOB.name}))
    assert (item.kind, item.text, item.since, item.link) == ("Stuck", "Work", asked, f"/runs/{ID}")


def test_findings_stand_where_their_weight_puts_them_and_not_beside_what_they_are_about() -> None:
    stuck = run(RunState.RUNNING, is_stuck=True)
    findings = (
        Finding(message="the disk is nearly full"),
        Finding(message=f"run {ID} of work:Work ignores its cancellation"),
        Finding(message="the store is gone", is_failure=True),
    )
    provider = ProviderInfo(type="a:B", contracts=(), source="default", findings=findings)
    found = items(status=status(providers=(provider,)), found=Found(stuck=(stuck,), names={ID: JOB.name}))
    assert [item.text for item in found] == ["the store is gone", "Work", "the disk is nearly full"]


def test_runs_that_are_due_for_long_are_late_and_told_by_their_number() -> None:
    due = NOW - timedelta(minutes=5)
    [item] = items(counters=RunCounters(by_state={RunState.QUEUED: 1}, oldest_due_at=due))
    assert (item.kind, item.text) == ("Late", "1 run queued, the first one due for 5 min")
    [item] = items(counters=RunCounters(by_state={RunState.QUEUED: 10_000}, capped=True, oldest_due_at=due))
    assert item.text.startswith("10\u202f000 or more runs queued")


def test_a_reload_that_failed_and_a_host_that_drains_are_told() -> None:
    failed = LastReload(at=NOW - timedelta(hours=2), error="line 7: unknown provider " + "x" * 1000)
    told = items(status=status(last_reload=failed, state=HostState.DRAINING))
    assert [item.kind for item in told] == ["Reload failed", "Host draining"]
    assert len(told[0].detail) == LONGEST
    assert items(status=status(last_reload=LastReload(at=NOW))) == []


def test_a_quarantined_job_is_one_item_with_its_release_not_three() -> None:
    pause = Pause(scope=f"job:{JOB.job_type}", reason="crashed", by=QUARANTINE, at=NOW)
    named = NamedPause(pause=pause, name=JOB.name, path=f"/jobs/{ID}", job=JOB)
    lost = run(RunState.QUARANTINED, reason=RunReason.LOST)
    failing = (FailingJob(job=JOB, number=3, newest=lost),)
    told = items(status=status(pauses=(pause,)), failing=failing, found=Found(pauses=(named,), quarantined={ID: lost}))
    assert [(item.kind, item.act and item.act.word) for item in told] == [("Quarantined", "Release")]


def test_parts_that_fail_for_the_same_reason_are_told_once_and_first() -> None:
    lost = UpstreamUnavailableError("no answer")
    troubles = {
        name: Trouble(error=lost, since=NOW - timedelta(minutes=age)) for name, age in (("runs", 1), ("jobs", 2))
    }
    told = items(troubles=troubles, failing=(FailingJob(job=JOB, number=100, newest=None),))
    assert [item.kind for item in told] == ["Not known", "Failing"]
    assert told[0].since == NOW - timedelta(minutes=2)
    assert "runs, jobs" in told[0].detail
    assert told[1].detail == "100 or more runs in a row"
