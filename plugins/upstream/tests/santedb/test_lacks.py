"""What AMI cannot do: each provider declares it, refuses exactly that, and the page tells it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from host.errors import UnsupportedOperationError
from host.model.runs import BulkAction, RunFilter
from host.model.schedules import JobSchedule
from host.model.submissions import RunSubmission
from host.santedb.ami.schedules import UNSENDABLE
from host_upstream.santedb.control import AmiRunControl
from host_upstream.santedb.jobs import AmiJobManager
from host_upstream.santedb.logs import AmiRunLog
from host_upstream.santedb.reader import AmiRunReader
from host_upstream.santedb.schedules import AmiScheduleManager
from plugins.upstream.tests.santedb.amikit import Upstream
from plugins.upstream.tests.santedb.icdr import Icdr
from plugins.upstream.tests.santedb.test_jobs import run
from plugins.upstream.tests.santedb.test_schedules import NO_WORDS

PAGE = Path(__file__).parents[4] / "docs/reference/upstream-santedb.md"
PROVIDERS = (AmiJobManager, AmiRunControl, AmiScheduleManager, AmiRunReader, AmiRunLog)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = UUID(int=7)
EVERY = [JobSchedule.every(timedelta(hours=1))]

CALLS: dict[type, dict[str, Callable[[Any], Any]]] = {
    AmiJobManager: {
        "jobs": lambda each: each.jobs(),
        "get_available_jobs": lambda each: each.get_available_jobs(),
        "get_job": lambda each: each.get_job("Job 1"),
        "is_job_registered": lambda each: each.is_job_registered("Job 1"),
        "add_job": lambda each: each.add_job("A.B, C"),
        "register_job": lambda each: each.register_job("A.New, A"),
        "start_job": lambda each: each.start_job("Job 1"),
        "cancel_job": lambda each: each.cancel_job("Job 1"),
        "get_job_schedules": lambda each: each.get_job_schedules("Job 1"),
        "set_job_schedule": lambda each: each.set_job_schedule("Job 1", EVERY),
        "clear_job_schedule": lambda each: each.clear_job_schedule("Job 1"),
    },
    AmiRunControl: {
        "submit": lambda each: each.submit([RunSubmission(job="Job 1")]),
        "cancel": lambda each: _latest(each),
        "retry": lambda each: each.retry(RUN),
        "amend": lambda each: each.amend(RUN, priority=1),
        "release": lambda each: each.release(RUN),
        "bulk": lambda each: each.bulk(BulkAction.CANCEL, RunFilter(), dry_run=True),
        "pause": lambda each: each.pause("all", reason="x"),
        "resume": lambda each: each.resume("all"),
    },
    AmiScheduleManager: {
        "all": lambda each: each.all(),
        "get": lambda each: each.get("Job 1"),
        "replace": lambda each: each.replace("Job 1", EVERY),
        "clear": lambda each: each.clear("Job 1"),
        "remove": lambda each: each.remove("Job 1"),
    },
    AmiRunReader: {
        "run": lambda each: each.run(RUN),
        "runs": lambda each: each.runs(),
        "latest": lambda each: each.latest([RUN]),
        "counters": lambda each: each.counters(),
        "changes": lambda each: each.changes(0),
        "statistics": lambda each: each.statistics(since=NOW),
        "failing": lambda each: each.failing([RUN]),
    },
    AmiRunLog: {
        "append": lambda each: each.append(RUN, []),
        "read": lambda each: each.read(RUN),
        "follow": lambda each: each.follow(RUN),
        "prune": lambda each: each.prune([RUN]),
    },
}


async def _latest(control: AmiRunControl) -> None:
    reader = AmiRunReader(None, None, control._clock, client=control._client)  # type: ignore[arg-type]
    await control.cancel((await reader.runs()).runs[0].id)


def test_every_method_of_every_contract_is_called_here() -> None:
    for provider, calls in CALLS.items():
        (contract,) = provider.__bases__
        assert set(calls) == set(contract.__abstractmethods__), provider


@pytest.mark.parametrize(("provider", "method"), [(each, name) for each, calls in CALLS.items() for name in calls])
def test_exactly_what_a_provider_lacks_is_refused_with_a_hint(provider: type, method: str) -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, state="Running", last_start="2026-02-01T04:00:00-05:00")
        icdr.offered.append("A.New, A")
        (each,) = [it for it in vars(upstream).values() if isinstance(it, provider)]
        error = await _error_of(lambda: CALLS[provider][method](each))
        assert (error is not None) == (method in provider.lacks)  # type: ignore[attr-defined]
        assert error is None or (error.hint and icdr.asked == [])

    run(check)


async def _error_of(call: Callable[[], Awaitable[object] | object]) -> UnsupportedOperationError | None:
    try:
        made = call()
        if inspect.isawaitable(made):
            await made
    except UnsupportedOperationError as error:
        return error
    return None


def test_each_option_that_is_lacking_is_tried_by_a_test() -> None:
    options = {name.partition(".")[2] for each in PROVIDERS for name in each.lacks if "." in name}
    assert options == set(UNSENDABLE) == set(NO_WORDS)  # test_schedules tries them through both methods
    for each in PROVIDERS:
        for name in each.lacks:
            assert name.partition(".")[0] in CALLS[each], name


def test_the_page_lists_what_each_provider_lacks() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    for each in PROVIDERS:
        (contract,) = each.__bases__
        assert set(re.findall(r"`([\w.]+)`", rows[contract.__name__])) == each.lacks, contract
