"""From a configuration to a built host: everything wrong is told at once, with its line."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from host.contracts.contract import Contract, Settings
from host.contracts.jobs import Job, JobContext
from host.contracts.locks import LockProvider
from host.errors import ConfigurationError
from host.kernel.host import Host
from host.local.locks import LocalLockProvider
from host.testing.host import catalogue_with, write_configuration


class Oven(Contract):
    @abstractmethod
    def degrees(self) -> int: ...


class GasOven(Oven):
    def degrees(self) -> int:
        return 200


class Plain(Job):
    """Needs nothing."""

    async def run(self, context: JobContext) -> None:
        return None


class Locking(Plain):
    """Needs what no provider of the host needs."""

    def __init__(self, locks: LockProvider) -> None:
        self.locks = locks


class Baking(Plain):
    """Needs what nobody offers by default."""

    def __init__(self, oven: Oven) -> None:
        self.oven = oven


class Unwirable(Plain):
    """Needs what no container can give."""

    def __init__(self, speed: int) -> None:
        self.speed = speed


class Elsewhere(Plain):
    """Is performed by an executor nobody has."""

    executor = "moon"


@dataclass(frozen=True, slots=True, kw_only=True)
class CakeSettings(Settings):
    section: ClassVar[str] = "CakeConfigurationSection"
    layers: int = 2


class Layered(Plain):
    """Has settings."""

    def __init__(self, settings: CakeSettings) -> None:
        self.settings = settings


def host(folder: Path, *jobs: type[Job], providers: tuple[type[Contract], ...] = (), sections: str = "", **options):
    config = write_configuration(folder, jobs=jobs, providers=providers, sections=sections)
    return Host.from_file(config, catalogue=catalogue_with(jobs, providers), **options)


def problems(folder: Path, *jobs: type[Job], providers: tuple[type[Contract], ...] = (), sections: str = "") -> str:
    with pytest.raises(ConfigurationError) as caught:
        host(folder, *jobs, providers=providers, sections=sections)
    return str(caught.value)


def job_factory(built: Host, job: type[Job]):
    return built._container.job_factory(job)


def test_a_job_gets_the_default_of_a_contract_that_nobody_else_needs(tmp_path: Path) -> None:
    built = host(tmp_path, Locking)

    made = job_factory(built, Locking)()
    assert isinstance(made, Locking)
    assert made.locks is built.get(LockProvider)
    assert isinstance(made.locks, LocalLockProvider)


def test_each_run_gets_an_instance_of_its_own(tmp_path: Path) -> None:
    make = job_factory(host(tmp_path, Locking), Locking)

    assert make() is not make()


def test_a_job_gets_its_settings(tmp_path: Path) -> None:
    section = '<section xsi:type="CakeConfigurationSection" layers="5" />'

    assert job_factory(host(tmp_path, Layered, sections=section), Layered)().settings.layers == 5
    assert job_factory(host(tmp_path, Layered), Layered)().settings.layers == 2


def test_a_job_that_needs_what_nobody_offers_is_refused_with_its_line(tmp_path: Path) -> None:
    text = problems(tmp_path, Baking)

    assert "Baking needs Oven, and no configured provider offers it" in text
    assert "host.config.xml:" in text
    assert job_factory(host(tmp_path, Baking, providers=(GasOven,)), Baking)().oven.degrees() == 200


def test_everything_wrong_with_the_jobs_is_told_at_once(tmp_path: Path) -> None:
    entries = "".join(f'<add type="{__name__}:{name}" />' for name in ("Nobody", "Unwirable", "Elsewhere", "Plain"))
    section = f'<section xsi:type="JobConfigurationSection"><jobs>{entries}</jobs></section>'
    section = section.replace('Plain" />', 'Plain"><parameters><int>1</int></parameters></add>')
    text = problems(tmp_path, Unwirable, Elsewhere, Plain, sections=section)

    assert f"unknown job {__name__}:Nobody" in text
    assert "'speed'" in text
    assert "executor 'moon'" in text
    assert "takes 0 parameters, 1 are configured" in text


def test_a_provider_that_nobody_offers_is_refused_or_left_out(tmp_path: Path) -> None:
    config = write_configuration(tmp_path, providers=(GasOven,))
    without = catalogue_with(())

    with pytest.raises(ConfigurationError, match=f"unknown provider {__name__}:GasOven"):
        Host.from_file(config, catalogue=without)
    assert Host.from_file(config, catalogue=without, skip_unknown=True) is not None


def test_a_host_without_any_provider_row_is_complete(tmp_path: Path) -> None:
    infos = host(tmp_path).provider_infos()

    assert {info.source for info in infos} == {"default"}
    assert {"JobManagerService", "JobRunWriter", "JobScheduleManager"} <= {
        contract for info in infos for contract in info.contracts
    }
