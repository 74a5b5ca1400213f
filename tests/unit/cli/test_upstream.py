"""The command line before a host whose jobs are those of an upstream: what cannot be told, and what is waited for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from host.cli import watch
from host.cli.connect import ConnectedHost
from host.cli.jobs_start import _submitted
from host.cli.status import _facts
from host.cli.watch import wait_final
from host.contracts.host import HostState, HostStatus
from host.errors import UnsupportedOperationError, UpstreamUnavailableError
from host.model.runs import JobRun, RunState
from host.model.submissions import RunSubmission

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = JobRun(
    id=UUID(int=1), job_id=UUID(int=2), job_type="a:B", state=RunState.COMPLETED, created_at=NOON, updated_at=NOON
)


@dataclass
class Ami:
    """What a SanteDB server lets a host do: start jobs, and tell no run of it."""

    started: list[tuple[Any, ...]] = field(default_factory=list)

    async def submit(self, _: Any) -> Any:
        raise UnsupportedOperationError("AMI tells no run")

    async def start_job(self, *given: Any, by: str | None) -> None:
        self.started.append((*given, by))


@dataclass
class Flaky:
    """Reads a run once its upstream answers."""

    failures: int

    async def run(self, _: UUID) -> JobRun:
        self.failures -= 1
        if self.failures >= 0:
            raise UpstreamUnavailableError("it does not answer")
        return RUN


def connected(**parts: object) -> ConnectedHost:
    names = ("jobs", "control", "schedules", "runs", "log", "host", "backup", "caller")
    return ConnectedHost(**{name: cast(Any, parts.get(name)) for name in names})


def test_an_upstream_that_tells_no_run_still_starts_jobs() -> None:
    ami = Ami()
    host = connected(jobs=ami, control=ami)
    plain = RunSubmission(job="B", parameters={"x": 1}, owner="carla")
    assert asyncio.run(_submitted(host, plain, needs_run=False)) is None
    assert ami.started == [("B", {"x": 1}, "carla")]
    with pytest.raises(UnsupportedOperationError):
        asyncio.run(_submitted(host, plain, needs_run=True))
    with pytest.raises(UnsupportedOperationError):
        asyncio.run(_submitted(host, RunSubmission(job="B", priority=3), needs_run=False))
    assert len(ami.started) == 1


def test_what_an_upstream_does_not_tell_is_said_to_be_unknown() -> None:
    status = HostStatus(
        state=HostState.READY,
        version="1",
        pid=1,
        node="n",
        started_at=NOON,
        configuration="c",
        data_directory="d",
        timezone="",
        unfinished={},
        is_engine_known=False,
    )
    facts = {name: str(text) for name, text in _facts(status)}
    assert {facts[name] for name in ("default zone", "unfinished runs", "paused")} == {"not known"}
    assert facts["executors"] == "none: its jobs run elsewhere"


def test_a_run_is_waited_for_while_the_upstream_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.001)
    assert asyncio.run(wait_final(connected(runs=Flaky(3)), RUN.id)) is RUN
    assert capsys.readouterr().err == "it does not answer; waiting for it\n"
