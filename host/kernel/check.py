"""Saying what a configuration file would do, without doing it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from host.contracts.host import PluginInfo, ProviderInfo
from host.errors import ConfigurationError, HostError, Problem
from host.kernel.builtin import HostStartOptions
from host.kernel.catalogue import Catalogue, load_catalogue
from host.kernel.config import HostConfig, describe_unknown, read_configuration
from host.kernel.foresee import foresee
from host.kernel.graph import Resolution, known_sections, resolve
from host.kernel.host import Host
from host.kernel.missing import broken_plugins
from host.kernel.wiring import contracts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One provider or job that a configuration names, or gets by default."""

    name: str
    kind: str
    where: str
    known: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """Everything a check found."""

    file: str
    providers: tuple[CheckRow, ...] = ()
    jobs: tuple[CheckRow, ...] = ()
    problems: tuple[Problem, ...] = ()
    """What keeps the host from starting."""
    unknown: tuple[Problem, ...] = ()
    """Providers, jobs and sections without an equivalent here; ``serve --skip-unknown`` leaves them out."""
    warnings: tuple[Problem, ...] = ()
    would_run: tuple[str, ...] = ()
    """What would run by itself: jobs with their start type and their schedules in force."""
    is_clean: bool = False


def check_configuration(config: Path) -> CheckReport:
    """Read, resolve and wire a configuration, and report; never raises for what a file may contain."""
    catalogue = load_catalogue()
    try:
        parsed = read_configuration(config, environment=os.environ, skip_missing=True)
    except ConfigurationError as error:
        return CheckReport(file=str(config), problems=_problems(error))
    resolution = resolve(parsed, catalogue)
    broken = broken_plugins(catalogue)
    problems, host = _build(parsed, catalogue)
    would_run, damage = _would_run(resolution, catalogue, host) if host else ((), ())
    infos = host.provider_infos() if host else []
    problems = (*problems, *damage)
    unknown = (
        *parsed.missing_includes,
        *resolution.unknown_providers,
        *resolution.unknown_jobs,
        *(host.left_out if host else ()),
        *describe_unknown(parsed, known_sections(catalogue)),
    )
    return CheckReport(
        file=str(config),
        providers=_provider_rows(parsed, catalogue, infos),
        jobs=_job_rows(resolution),
        problems=problems,
        unknown=unknown,
        warnings=(*parsed.warnings, *(each for each in broken if each not in problems), *_findings(infos)),
        would_run=would_run,
        is_clean=not problems and not unknown,
    )


def list_plugins() -> Sequence[PluginInfo]:
    """Give the installed plugins, also those that fail to load."""
    return load_catalogue().plugins


def _build(config: HostConfig, catalogue: Catalogue) -> tuple[tuple[Problem, ...], Host | None]:
    try:
        host = Host(config, catalogue, skip_unknown=True, options=HostStartOptions())
    except ConfigurationError as error:
        return _problems(error), None
    except HostError as error:
        return (Problem(message=error.message, where=error.where, hint=error.hint),), None
    return (), host


def _problems(error: ConfigurationError) -> tuple[Problem, ...]:
    return error.problems or (Problem(message=error.message, where=error.where, hint=error.hint),)


def _findings(infos: Sequence[ProviderInfo]) -> tuple[Problem, ...]:
    """Give what the providers say of the files they found, e.g. entries of xcron.xml that are out of force."""
    return tuple(Problem(message=finding.message) for info in infos for finding in info.findings)


def _provider_rows(config: HostConfig, catalogue: Catalogue, infos: Sequence[ProviderInfo]) -> tuple[CheckRow, ...]:
    rows = []
    for provider in config.providers:
        classes = catalogue.providers.get(provider.type, [])
        contracts = ", ".join(contract.__name__ for cls in classes for contract in contracts_of(cls))
        rows.append(
            CheckRow(name=provider.type, kind="provider", where=provider.where, known=bool(classes), note=contracts)
        )
    rows.extend(
        CheckRow(name=info.type, kind="provider", where=info.source, known=True, note=", ".join(info.contracts))
        for info in infos
        if info.source == "default"
    )
    return tuple(rows)


def _job_rows(resolution: Resolution) -> tuple[CheckRow, ...]:
    return tuple(
        CheckRow(
            name=job.job_type,
            kind="job",
            where=job.where,
            known=job_type is not None,
            note=f"{job.start_type.value}" + (f", {job_type}" if job_type and job_type != job.job_type else ""),
        )
        for job, job_type in resolution.jobs
    )


def _would_run(resolution: Resolution, catalogue: Catalogue, host: Host) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    if host.left_out:
        return (), ()
    try:
        stored, timezone = asyncio.run(host.stored_schedules())
    except HostError as error:
        return (), (Problem(message=error.message, where=error.where, hint=error.hint),)
    return foresee(resolution, catalogue.infos, stored, timezone), ()
