"""The jobs of the how-to pages end as the pages say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from host.contracts.jobs import Job
from host.contracts.logs import RunLog
from host.model.runs import RunReason, RunState
from tests.docs.pages import ROOT, blocks_of
from tests.unit.engine.desk import desk, go

HOWTO = ROOT / "docs/howto"


@pytest.fixture
def jobs(request: pytest.FixtureRequest) -> Iterator[dict[str, type[Job]]]:
    """Give the jobs of a page by their names."""
    page: Path = HOWTO / request.param
    name = page.stem.replace("-", "_")
    module = sys.modules[name] = ModuleType(name)
    for block in blocks_of(page):
        if block.language == "python":
            exec(compile(block.text, str(page), "exec"), vars(module))  # our own page
    yield {key: value for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Job)}
    del sys.modules[name]


@pytest.mark.parametrize("jobs", ["retry-and-give-up.md"], indirect=True)
@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        ("yes", RunState.COMPLETED, None),
        ("busy", RunState.SCHEDULED, RunReason.RETRY),
        ("closed", RunState.SCHEDULED, RunReason.SNOOZED),
        ("unknown order", RunState.FAILED, RunReason.DISCARDED),
    ],
)
def test_what_the_job_says_decides(
    tmp_path: Path, jobs: dict[str, Any], answer: str, state: RunState, reason: RunReason | None
) -> None:
    async def check() -> None:
        async with desk(tmp_path, jobs["SendOrder"]) as at:
            run_id = await at.start(jobs["SendOrder"], answer=answer)
            run = await at.until(run_id, lambda run: run.state is state)
            assert run.reason is reason

    go(check())


@pytest.mark.parametrize("jobs", ["retry-and-give-up.md"], indirect=True)
def test_the_policy_waits_between_half_and_all_of_its_delay(tmp_path: Path, jobs: dict[str, Any]) -> None:
    async def check() -> None:
        async with desk(tmp_path, jobs["FetchRates"]) as at:
            run_id = await at.start(jobs["FetchRates"])
            run = await at.until(run_id, lambda run: run.state is RunState.SCHEDULED)
            assert run.not_before is not None
            assert 5 <= (run.not_before - at.clock.now()).total_seconds() <= 10

    go(check())


@pytest.mark.parametrize("jobs", ["use-secrets.md"], indirect=True)
def test_the_secret_is_looked_up_and_hidden(tmp_path: Path, jobs: dict[str, Any]) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "smtp-password").write_text("open sesame\n")

    async def check() -> None:
        async with desk(tmp_path, jobs["SendReport"]) as at:
            run = await at.finished(await at.start(jobs["SendReport"], password="secret:smtp-password"))
            (line,) = await at.host.get(RunLog).read(run.id)
            assert (run.state, line.fields) == (RunState.COMPLETED, {"password": "(hidden)"})

    go(check())
