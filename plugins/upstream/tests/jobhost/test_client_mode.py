"""A host that only forwards: what it is made of, what it refuses, and what it says while its upstream is down."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.contracts.host import HostControl, HostState
from host.contracts.jobs import JobManagerService
from host.contracts.metrics import HostMetrics
from host.errors import ConfigurationError, UpstreamUnavailableError
from host.kernel.check import check_configuration
from host.kernel.host import Host
from host_upstream.providers import (
    ALIASES,
    UpstreamJobManager,
    UpstreamJobRunReader,
    UpstreamJobScheduleManager,
    UpstreamRunControl,
    UpstreamRunLog,
)

ROOT = Path(__file__).parents[4]
SHIPPED = ROOT / "config/santedb.upstream.config.xml"
ENGINE = {
    "JobDirectory",
    "Dispatcher",
    "Scheduler",
    "JobRunWriter",
    "JobRunClaimer",
    "JobRegistry",
    "JobExecutor",
    "Notifier",
    "Leadership",
    "LockProvider",
}
"""Contracts of which a host that runs nothing has no provider."""
CONFIGURATION = f"""<?xml version="1.0" encoding="utf-8"?>
<SanteDBConfiguration xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <section xsi:type="ApplicationServiceContextConfigurationSection">
    <serviceProviders><add type="{ALIASES[0]}" /></serviceProviders>
  </section>
  <section xsi:type="UpstreamConfigurationSection">
    <realm domain="127.0.0.1" port="9" tls="false" />
    <credentials convey="secret" type="app" name="front"><secret>nothing</secret></credentials>
  </section>
  <section xsi:type="DataDirectoryConfigurationSection" path="data" />
  <section xsi:type="JobConfigurationSection">
    <jobs>{{jobs}}</jobs>
  </section>
</SanteDBConfiguration>
"""
FIVE = (
    UpstreamJobManager,
    UpstreamRunControl,
    UpstreamJobScheduleManager,
    UpstreamJobRunReader,
    UpstreamRunLog,
)
JOB = '<add type="host_maintenance.optimise:CheckStores" startType="schedule" />'


def _configured(folder: Path, jobs: str = "") -> Path:
    path = folder / "front.xml"
    path.write_text(CONFIGURATION.format(jobs=jobs), encoding="utf-8")
    return path


def test_the_shipped_configuration_brings_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBHOST_DATA", str(tmp_path))
    report = check_configuration(SHIPPED)
    assert report.is_clean, report
    host = Host.from_file(SHIPPED)
    offered = {contract for info in host.provider_infos() for contract in info.contracts}
    assert not offered & ENGINE
    assert offered >= {"JobManagerService", "RunControl", "JobScheduleManager", "JobRunReader", "RunLog", "AuditTrail"}
    assert isinstance(host.get(JobManagerService), UpstreamJobManager)


def test_configured_jobs_are_refused_with_their_line_or_left_out(tmp_path: Path) -> None:
    path = _configured(tmp_path, JOB)
    with pytest.raises(ConfigurationError) as caught:
        Host.from_file(path)
    (problem,) = caught.value.problems
    assert problem.where == f"{path}:12"
    assert "CheckStores would never run" in problem.message
    assert "UpstreamJobManager" in problem.message
    report = check_configuration(path)
    assert report.unknown == (problem,)
    assert not report.is_clean
    assert Host.from_file(path, skip_unknown=True).left_out == (problem,)


@pytest.mark.parametrize(
    ("left_out", "told"),
    [
        ("UpstreamRunLog", "UpstreamJobManager"),
        ("UpstreamJobManager", "UpstreamRunControl"),
        ("UpstreamRunControl UpstreamJobScheduleManager UpstreamJobRunReader UpstreamRunLog", "UpstreamJobManager"),
    ],
)
def test_only_some_of_its_providers_beside_an_engine_are_refused_with_their_line(
    tmp_path: Path, left_out: str, told: str
) -> None:
    path = _configured(tmp_path)
    names = [each.__name__ for each in FIVE if each.__name__ not in left_out.split()]
    rows = "".join(f'\n<add type="host_upstream.providers:{name}" />' for name in names)
    path.write_text(path.read_text().replace(f'<add type="{ALIASES[0]}" />', rows))
    with pytest.raises(ConfigurationError) as caught:
        Host.from_file(path)
    (problem,) = caught.value.problems
    assert problem.where == f"{path}:5"
    assert f"{told} ({problem.where}): expected a provider of " in problem.message
    assert ALIASES[0] in (problem.hint or "")


def test_all_five_by_their_own_names_are_the_same_as_the_alias(tmp_path: Path) -> None:
    path = _configured(tmp_path)
    rows = "".join(f'<add type="host_upstream.providers:{each.__name__}" />' for each in FIVE)
    path.write_text(path.read_text().replace(f'<add type="{ALIASES[0]}" />', rows))
    assert isinstance(Host.from_file(path).get(JobManagerService), UpstreamJobManager)


def test_it_starts_and_tells_how_it_is_while_its_upstream_is_down(tmp_path: Path) -> None:
    async def check() -> None:
        async with asyncio.timeout(60), Host.from_file(_configured(tmp_path)) as host:
            status = await host.get(HostControl).status()
            assert status.state is HostState.READY
            assert (status.timezone, dict(status.unfinished), status.pauses) == ("", {}, ())
            assert not status.is_engine_known
            with pytest.raises(UpstreamUnavailableError):
                await host.get(HostControl).pauses()
            with pytest.raises(UpstreamUnavailableError, match="refused"):
                await host.jobs.jobs()
            status = await host.get(HostControl).status()
            findings = [finding for info in status.providers for finding in info.findings]
            assert any("127.0.0.1:9" in finding.message for finding in findings)

    asyncio.run(check())


def test_being_paused_from_the_start_is_said_to_mean_nothing(tmp_path: Path) -> None:
    host = Host.from_file(_configured(tmp_path), paused="asked for at start")
    assert any("paused" in warning.message for warning in host._graph.warnings)


def test_measuring_waits_for_the_upstream(tmp_path: Path) -> None:
    async def check() -> None:
        path = _configured(tmp_path)
        metrics = '<add type="host.engine.metrics:HostedMetrics" />'
        path.write_text(path.read_text().replace("</serviceProviders>", f"{metrics}</serviceProviders>"))
        async with asyncio.timeout(60), Host.from_file(path) as host:
            with pytest.raises(UpstreamUnavailableError):
                await host.get(HostMetrics).exposition()

    asyncio.run(check())
