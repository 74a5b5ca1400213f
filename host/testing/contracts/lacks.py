"""What every provider of a face contract promises about what it lacks: exactly that is refused, and at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import cast
from uuid import UUID

import pytest

from host.contracts.contract import Contract
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.errors import HostError, UnsupportedOperationError
from host.kernel.catalogue import type_name
from host.model.jobs import JobStartType
from host.model.logs import LogLevel, RunLogLine
from host.model.runs import BulkAction, RunFilter
from host.model.schedules import IntervalMode, JobSchedule, MisfirePolicy, Weekday
from host.model.submissions import RunSubmission
from host.testing.place_jobs import Greet, Offered

Calls = Mapping[str, Callable[[], object]]
"""``{method or method.option: a call that asks for it}``."""
NewProvider = Callable[[], AbstractAsyncContextManager[Contract]]

JOB, OFFERED = type_name(Greet), type_name(Offered)
RUN = UUID(int=7)
LATER = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = JobSchedule.every(HOUR)
SCHEDULES: Mapping[str, JobSchedule] = {
    "cron": JobSchedule.cron("0 3 * * *"),
    "weekly": JobSchedule.weekly([Weekday.MONDAY], time(3)),
    "once": JobSchedule.once(LATER),
    "fixed_delay": JobSchedule.every(HOUR, mode=IntervalMode.FIXED_DELAY),
    "start": JobSchedule.every(HOUR, start=LATER),
    "stop": JobSchedule.every(HOUR, stop=LATER),
    "timezone": JobSchedule.every(HOUR, timezone="Europe/Prague"),
    "max_count": JobSchedule.every(HOUR, max_count=3),
    "jitter": replace(HOURLY, jitter=timedelta(seconds=1)),
    "misfire": replace(HOURLY, misfire=MisfirePolicy.SKIP),
    "misfire_window": replace(HOURLY, misfire_window=HOUR),
    "parameters": replace(HOURLY, parameters={"whom": "you"}),
    "id": replace(HOURLY, id="often"),
}
"""What a schedule can say beside an interval: ``{option: one that says it}``."""
PLAIN = RunSubmission(job=JOB, parameters={"whom": "you"})
SUBMISSIONS: Mapping[str, RunSubmission] = {
    "parameters": RunSubmission(job=JOB, parameters=["you"]),
    "tenant": replace(PLAIN, tenant="t"),
    "owner": replace(PLAIN, owner="anna"),
    "priority": replace(PLAIN, priority=1),
    "not_before": replace(PLAIN, not_before=LATER),
    "expires_at": replace(PLAIN, expires_at=LATER),
    "timeout": replace(PLAIN, timeout=HOUR),
    "idempotency_key": replace(PLAIN, idempotency_key="k"),
    "trace_id": replace(PLAIN, trace_id="4bf92f3577b34da6a3ce929d0e0e4736"),
    "hold": replace(PLAIN, hold=True),
}
WAIT_SECONDS = 0.2
"""How long a stream that is not refused may go without an item before it is taken for one that works."""


class LacksSuite:
    """Mix in beside a provider's suite; supply ``new_provider``, over a place with the jobs of ``place_jobs``."""

    @pytest.fixture
    def new_provider(self) -> NewProvider:
        """Give what opens the provider of one of the face contracts."""
        raise NotImplementedError

    def test_exactly_what_it_lacks_is_refused(self, new_provider: NewProvider) -> None:
        async def check() -> None:
            async with asyncio.timeout(120), new_provider() as provider:
                calls = calls_of(provider)
                assert set(calls) >= provider.lacks, "something lacks that a caller cannot ask for"
                refused = {name for name, call in calls.items() if await _is_refused(call)}
            methods = {name for name in refused if "." not in name}
            # An option of a method that lacks altogether lacks, too, without being named.
            told = {name for name in refused if name in provider.lacks or name.partition(".")[0] not in methods}
            assert told == provider.lacks, f"undeclared: {told - provider.lacks}; done: {provider.lacks - told}"

        asyncio.run(check())


def calls_of(provider: Contract) -> Calls:
    """Give a call for each method and option of the face contract that the provider offers."""
    if isinstance(provider, JobManagerService):
        return _manager_calls(provider)
    if isinstance(provider, RunControl):
        return _control_calls(provider)
    if isinstance(provider, JobScheduleManager):
        return _schedule_calls(provider)
    if isinstance(provider, JobRunReader):
        return _reader_calls(provider)
    assert isinstance(provider, RunLog), f"{provider} offers no face contract"
    return _log_calls(provider)


def _manager_calls(manager: JobManagerService) -> Calls:
    return {
        "jobs": manager.jobs,
        "get_available_jobs": manager.get_available_jobs,
        "get_job": lambda: manager.get_job(JOB),
        "is_job_registered": lambda: manager.is_job_registered(JOB),
        "add_job": lambda: manager.add_job(JOB),
        "add_job.start_type": lambda: manager.add_job(JOB, start_type=JobStartType.NEVER),
        "add_job.interval": lambda: manager.add_job(JOB, interval=HOUR),
        "register_job": lambda: manager.register_job(OFFERED),
        "start_job": lambda: manager.start_job(JOB, ["you"]),
        "start_job.parameters": lambda: manager.start_job(JOB, {"whom": "you"}),
        "start_job.by": lambda: manager.start_job(JOB, ["you"], by="anna"),
        "cancel_job": lambda: manager.cancel_job(JOB),
        "cancel_job.by": lambda: manager.cancel_job(JOB, by="anna"),
        "get_job_schedules": lambda: manager.get_job_schedules(JOB),
        "set_job_schedule": lambda: manager.set_job_schedule(JOB, [HOURLY]),
        "set_job_schedule.expected_version": lambda: manager.set_job_schedule(JOB, [HOURLY], expected_version="x"),
        **{
            f"set_job_schedule.{option}": partial(manager.set_job_schedule, JOB, [schedule])
            for option, schedule in SCHEDULES.items()
        },
        "clear_job_schedule": lambda: manager.clear_job_schedule(JOB),
        "clear_job_schedule.expected_version": lambda: manager.clear_job_schedule(JOB, expected_version="x"),
    }


def _control_calls(control: RunControl) -> Calls:
    cancel = BulkAction.CANCEL
    return {
        "submit": lambda: control.submit([PLAIN]),
        **{f"submit.{option}": partial(control.submit, [given]) for option, given in SUBMISSIONS.items()},
        "cancel": lambda: control.cancel(RUN),
        "cancel.by": lambda: control.cancel(RUN, by="anna"),
        "retry": lambda: control.retry(RUN),
        "retry.by": lambda: control.retry(RUN, by="anna"),
        "amend": lambda: control.amend(RUN),
        "amend.priority": lambda: control.amend(RUN, priority=1),
        "amend.not_before": lambda: control.amend(RUN, not_before=LATER),
        "amend.is_locked": lambda: control.amend(RUN, is_locked=True),
        "release": lambda: control.release(RUN),
        "release.by": lambda: control.release(RUN, by="anna"),
        "bulk": lambda: control.bulk(cancel, RunFilter()),
        "bulk.at_most": lambda: control.bulk(cancel, RunFilter(), at_most=1),
        "bulk.dry_run": lambda: control.bulk(cancel, RunFilter(), dry_run=True),
        "bulk.by": lambda: control.bulk(cancel, RunFilter(), by="anna"),
        "pause": lambda: control.pause("all", reason="why not"),
        "pause.by": lambda: control.pause("all", reason="why not", by="anna"),
        "resume": lambda: control.resume("all"),
        "resume.by": lambda: control.resume("all", by="anna"),
    }


def _schedule_calls(manager: JobScheduleManager) -> Calls:
    return {
        "all": manager.all,
        "get": lambda: manager.get(JOB),
        "replace": lambda: manager.replace(JOB, [HOURLY]),
        "replace.expected_version": lambda: manager.replace(JOB, [HOURLY], expected_version="x"),
        **{f"replace.{option}": partial(manager.replace, JOB, [schedule]) for option, schedule in SCHEDULES.items()},
        "clear": lambda: manager.clear(JOB),
        "clear.expected_version": lambda: manager.clear(JOB, expected_version="x"),
        "remove": lambda: manager.remove(JOB),
        "remove.expected_version": lambda: manager.remove(JOB, expected_version="x"),
    }


def _reader_calls(reader: JobRunReader) -> Calls:
    return {
        "run": lambda: reader.run(RUN),
        "runs": reader.runs,
        "runs.where": lambda: reader.runs(RunFilter(tenant="t")),
        "runs.cursor": lambda: reader.runs(cursor="x"),
        "runs.limit": lambda: reader.runs(limit=1),
        "latest": lambda: reader.latest([RUN]),
        "counters": reader.counters,
        "changes": lambda: reader.changes(0),
        "changes.limit": lambda: reader.changes(0, limit=1),
        "statistics": lambda: reader.statistics(since=LATER),
        "statistics.until": lambda: reader.statistics(since=LATER, until=LATER + HOUR),
        "statistics.step": lambda: reader.statistics(since=LATER, step=HOUR),
        "failing": lambda: reader.failing([RUN]),
        "failing.at_most": lambda: reader.failing([RUN], at_most=1),
    }


def _log_calls(log: RunLog) -> Calls:
    line = RunLogLine(at=LATER, level=LogLevel.INFO, event="line")
    return {
        "append": lambda: log.append(RUN, [line]),
        "read": lambda: log.read(RUN),
        "read.after": lambda: log.read(RUN, after=1),
        "read.limit": lambda: log.read(RUN, limit=1),
        "follow": lambda: _first_line(log, after=0),
        "follow.after": lambda: _first_line(log, after=1),
        "prune": lambda: log.prune([RUN]),
    }


async def _first_line(log: RunLog, *, after: int) -> None:
    lines = cast("AsyncGenerator[RunLogLine, None]", log.follow(RUN, after=after))
    async with aclosing(lines):
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await anext(lines)
        except TimeoutError:
            return


async def _is_refused(call: Callable[[], object]) -> bool:
    try:
        answer = call()
        if isinstance(answer, Awaitable):
            await answer
    except UnsupportedOperationError:
        return True
    except HostError:
        return False  # whatever else is wrong with the call, it is not that it lacks
    return False
