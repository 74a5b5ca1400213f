"""Statistics of any number of jobs, as another host reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from host.contracts.runs import JobRunReader, JobRunWriter
from host.model.jobs import job_id_of
from host.model.runs import RunReason, RunRequest
from host.model.statistics import JobStatistics
from host.testing.clock import FakeClock
from host.wire import from_wire, to_wire
from host_rest.api import all_statistics
from plugins.rest.tests.api.desk import Api, api

pytestmark = pytest.mark.slow

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
JOBS = [job_id_of(f"a:Job{number}") for number in range(50)]


async def with_ended_runs(at: Api, *, times: int) -> None:
    """End a run of each job at each of some minutes."""
    for _ in range(times):
        requests = [
            RunRequest(job_id=job, job_type="a:Job", parameters={}, skip=RunReason.MISFIRE) for job in reversed(JOBS)
        ]
        await at.web.kit.get(JobRunWriter).submit(requests)
        await at.web.kit.advance(timedelta(minutes=3))


async def read(at: Api, jobs: Collection[UUID] = (), **span: Any) -> tuple[Sequence[JobStatistics], int]:
    """Give all entries, and how many pages they took."""
    body = {"jobs": [str(job) for job in jobs], **{name: to_wire(value) for name, value in span.items()}}
    found: list[JobStatistics] = []
    pages, after = 0, None
    while pages == 0 or after is not None:
        page = await at.post("/job-statistics", {**body, "after": after})
        found += from_wire(page["entries"], list[JobStatistics])
        pages, after = pages + 1, page["next_after"]
    return found, pages


def test_a_program_reads_what_the_store_counts_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_statistics, "MOST_ENTRIES", 12)

    async def go() -> None:
        async with api(tmp_path, clock=FakeClock()) as at:
            await with_ended_runs(at, times=3)
            reader, now = at.web.kit.get(JobRunReader), at.web.kit.clock.now()
            spans: list[dict[str, Any]] = [
                {"since": BEGINNING},
                {"since": BEGINNING, "until": now - timedelta(minutes=4)},
                {"since": now - timedelta(minutes=7), "until": now, "step": timedelta(minutes=2)},
                {"since": now - timedelta(hours=1), "step": timedelta(minutes=1)},
                {"since": now, "until": BEGINNING},
                {"since": now, "until": BEGINNING, "step": timedelta(minutes=1)},
            ]
            for jobs in ([], JOBS[:1], JOBS[3:29], [*JOBS, uuid4()], [uuid4()], [JOBS[0]] * 3):
                for span in spans:
                    found, pages = await read(at, jobs, **span)
                    assert found == list(await reader.statistics(jobs, **span)), (len(jobs), span)
                    assert pages > 1 or len(found) <= 12

    asyncio.run(go())


def test_a_page_goes_on_after_a_job_whatever_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_statistics, "SECONDS_A_PAGE", -1.0)

    async def go() -> None:
        async with api(tmp_path, clock=FakeClock()) as at:
            await with_ended_runs(at, times=1)
            since = at.web.kit.clock.now() - timedelta(hours=1)
            found, pages = await read(at, since=since, step=timedelta(hours=1))
            assert [entry.job_id for entry in found] == sorted(JOBS)
            assert pages == 3
            assert all(one.job_id < other.job_id for one, other in pairwise(found))
            last = {"since": to_wire(since), "after": str(UUID(int=2**128 - 1))}
            for more in ({}, {"step": "PT1H"}, {"jobs": [str(JOBS[0])]}, {"jobs": [str(JOBS[0])], "step": "PT1H"}):
                assert await at.post("/job-statistics", {**last, **more}) == {"entries": [], "next_after": None}

    asyncio.run(go())


def test_what_the_store_refuses_is_refused(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, clock=FakeClock()) as at:
            for wrong in ({"step": "PT1.5S"}, {"step": "PT0S"}, {"step": "PT90S"}, {"since": "2026-01-01T00:00:00"}):
                body = {"since": "2026-01-01T00:00:00Z", **wrong}
                problem = await at.problem("POST", "/job-statistics", 400, json=body)
                assert problem["code"] == "request-invalid"
            assert await at.post("/job-statistics", {"since": "0001-01-01T00:00:00Z", "step": "PT1H"}) == {
                "entries": [],
                "next_after": None,
            }
            streaks = {"jobs": [str(JOBS[0])], "at_most": 2**31 - 1}
            assert (await at.post("/failure-streaks", streaks))["streaks"] == [{"job_id": str(JOBS[0]), "failing": 0}]

    asyncio.run(go())
