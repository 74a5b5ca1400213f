"""What jobs in processes are wired to, and from which configuration."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from host.contracts.executors import JobExecutor
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.processes import ProcessBlueprint
from host.contracts.runs import JobRunReader
from host.errors import ConfigurationError
from host.kernel.host import Host
from host.local.processes import ProcessJobExecutor
from host.model.runs import JobRun, RunState
from host.model.submissions import RunSubmission
from host.testing.host import catalogue_with, running_host, write_configuration
from tests.unit.local.process_desk import on_loop, until
from tests.unit.local.process_jobs import AsyncTea, Kettle, SafeKettle, Tea, UnsafeKettle

HOT = '<section xsi:type="KettleConfigurationSection" degrees="95" place="pantry" />'


async def run_of(host: Host, job: type, **parameters: Any) -> JobRun:
    """Submit a run and give it when it has ended."""
    name = f"{job.__module__}:{job.__qualname__}"
    (run_id,) = await host.get(RunControl).submit([RunSubmission(job=name, parameters=parameters)])
    end = time.monotonic() + 60
    while not (run := await host.get(JobRunReader).run(run_id)).state.is_final:
        assert time.monotonic() < end, run
        await until(lambda: True)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("job", [Tea, AsyncTea])
@on_loop
async def test_a_process_safe_provider_is_built_started_and_stopped_in_the_child(tmp_path: Path, job: type) -> None:
    async with running_host(tmp_path, jobs=[job], providers=[SafeKettle], sections=f"{HOT}{configured(job)}") as host:
        run = await run_of(host, job)
        assert (run.state, run.executor) == (RunState.COMPLETED, "process"), run
        degrees, _, pid = str(run.result).partition(" in ")
        assert degrees == "95"
        assert int(pid) != os.getpid()
        assert (tmp_path / "pantry").read_text() == f"off in {pid}"


@pytest.mark.slow
@on_loop
async def test_children_have_the_configuration_that_the_host_read(tmp_path: Path) -> None:
    sections = f"{HOT}{configured(Tea)}"
    async with running_host(tmp_path, jobs=[Tea], providers=[SafeKettle], sections=sections) as host:
        file = tmp_path / "host.config.xml"
        file.write_text(file.read_text().replace('degrees="95"', 'degrees="1"'))
        assert str((await run_of(host, Tea)).result).startswith("95 in ")
        (executor,) = (each for each in host._container.all(JobExecutor) if isinstance(each, ProcessJobExecutor))
        before = executor._template
        file.unlink()
        assert before is not None
        os.kill(before._process.pid, 9)
        await until(lambda: not before.is_alive)
        assert str((await run_of(host, Tea)).result).startswith("95 in ")


@pytest.mark.slow
@on_loop
async def test_a_process_that_cannot_be_had_is_no_crash_of_the_job(tmp_path: Path) -> None:
    sections = f"{HOT}{configured(Tea)}"
    async with running_host(tmp_path, jobs=[Tea], providers=[SafeKettle], sections=sections) as host:
        blueprint = host.get(ProcessBlueprint)
        blueprint.document = lambda: b"{}"  # type: ignore[method-assign]  # as if plugins were gone
        (executor,) = (each for each in host._container.all(JobExecutor) if isinstance(each, ProcessJobExecutor))
        await executor.stop()
        run_id = await host.submit(Tea)
        while (run := await host.runs.run(run_id)) is not None and run.state is not RunState.SCHEDULED:
            await asyncio.sleep(0.01)
        assert run is not None
        assert "cannot begin: the process for jobs could not start" in str(run.status_text)
        assert (run.crashes, run.attempt, run.errors) == (0, 0, ())


def test_a_configured_job_with_an_unsafe_provider_is_an_error_at_boot_with_both_lines(tmp_path: Path) -> None:
    config = write_configuration(tmp_path, jobs=[Tea], providers=[UnsafeKettle])
    with pytest.raises(ConfigurationError) as found:
        Host.from_file(config, catalogue=catalogue_with([Tea], [UnsafeKettle]))
    (problem,) = found.value.problems
    lines = config.read_text().splitlines()
    job, row = (next(n for n, line in enumerate(lines, 1) if word in line) for word in (":Tea", ":UnsafeKettle"))
    assert problem.where == f"{config}:{job}"
    assert "process_jobs:Tea runs in a process and needs Kettle" in problem.message
    assert f"process_jobs:UnsafeKettle ({config}:{row})" in problem.message
    assert "not process-safe" in problem.message


@pytest.mark.slow
@on_loop
async def test_a_job_that_is_only_offered_fails_with_the_reason(tmp_path: Path) -> None:
    sections = '<section xsi:type="JobConfigurationSection"><jobs /></section>'
    async with running_host(tmp_path, jobs=[Tea], providers=[UnsafeKettle], sections=sections) as host:
        await host.get(JobManagerService).register_job("tests.unit.local.process_jobs:Tea")
        run = await run_of(host, Tea)
        assert run.state is RunState.FAILED
        assert "not process-safe" in run.errors[0].error


def test_secrets_and_sections_go_to_the_child_only_if_it_needs_them(tmp_path: Path) -> None:
    other = '<section xsi:type="XmlJobScheduleConfigurationSection" path="hidden.xml" />'
    config = write_configuration(
        tmp_path, jobs=[Tea], providers=[SafeKettle], sections=f"{HOT}{other}{configured(Tea)}"
    )
    host = Host.from_file(config, catalogue=catalogue_with([Tea], [SafeKettle]))
    document = host.get(ProcessBlueprint).document().decode()
    assert "KettleConfigurationSection" in document
    assert "hidden.xml" not in document
    assert host.get(ProcessBlueprint).is_wanted()
    assert Kettle.__name__ in document


def configured(job: type) -> str:
    name = f"{job.__module__}:{job.__qualname__}"
    return f'<section xsi:type="JobConfigurationSection"><jobs><add type="{name}" startType="never" /></jobs></section>'
