"""From configuration rows and the catalogue to a built container, with every problem at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import SequenceMatcher

from host.contracts.contract import Contract
from host.contracts.engine import Scheduler
from host.contracts.executors import JobExecutor
from host.contracts.host import ControlFace, HostControl
from host.contracts.jobs import Job, JobManagerService
from host.engine.scheduler import SchedulerSettings
from host.errors import ConfigurationError, HostError, InvalidScheduleError, Problem, WiringError
from host.kernel.backup import ArchiveBackup
from host.kernel.builtin import HostConfigurationFiles, HostJobCatalogue, HostStartOptions
from host.kernel.catalogue import Catalogue
from host.kernel.config import HostConfig, bind_settings, describe_unknown
from host.kernel.container import Container
from host.kernel.suggest import suggest
from host.kernel.wiring import Need, Plan, Row, contracts_of, needs_of, plan_wiring
from host.model.schedules import JobSchedule
from host.santedb.jobs import ConfiguredJob, JobConfiguration
from host.triggers import check_schedule

HOST_SECTION = "HostConfigurationSection"
LIKENESS = 0.7
"""How alike two class names must be for one to be proposed instead of the other."""

ROOTS: tuple[type[Contract], ...] = (JobManagerService, ControlFace)
"""What every host has, from the configuration or by default."""


@dataclass(slots=True)
class Graph:
    """A resolved configuration."""

    plan: Plan
    container: Container
    warnings: tuple[Problem, ...] = ()


@dataclass(slots=True)
class Resolution:
    """What a configuration names, held against the catalogue."""

    rows: list[Row] = field(default_factory=list)
    unknown_providers: list[Problem] = field(default_factory=list)
    jobs: list[tuple[ConfiguredJob, str | None]] = field(default_factory=list)
    """Each configured job with its job type, None where no plugin offers it."""
    unknown_jobs: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def resolve(config: HostConfig, catalogue: Catalogue) -> Resolution:
    """Hold every provider and job that a configuration names against the catalogue."""
    resolution = Resolution()
    seen: dict[tuple[type[Contract], str | None], str] = {}
    for provider in config.providers:
        classes = catalogue.providers.get(provider.type)
        if classes is None:
            resolution.unknown_providers.append(_unknown("provider", provider.type, provider.where, catalogue))
        for cls in classes or ():
            if (cls, provider.name) in seen:
                message = f"provider {provider.type} is listed twice, first at {seen[cls, provider.name]}"
                hint = "remove one, or give each a name="
                resolution.problems.append(Problem(message=message, where=provider.where, hint=hint))
            else:
                seen[cls, provider.name] = provider.where
                resolution.rows.append(Row(cls, provider.where, provider.name))
    _resolve_jobs(config, catalogue, resolution)
    return resolution


def build_graph(
    config: HostConfig, catalogue: Catalogue, control: HostControl, *, skip_unknown: bool, options: HostStartOptions
) -> Graph:
    """Resolve, wire and construct; raises ConfigurationError with every problem found."""
    resolution = resolve(config, catalogue)
    unknown = [*resolution.unknown_providers, *resolution.unknown_jobs]
    problems = [*resolution.problems, *(() if skip_unknown else unknown)]
    jobs = HostJobCatalogue(catalogue)
    built_in: list[Contract] = [jobs, options, HostConfigurationFiles(config.files), control]
    rows = [Row(type(instance), "built-in", instance=instance) for instance in built_in]
    try:
        plan = plan_wiring([*rows, *resolution.rows], default_providers(catalogue), ROOTS, _wishes(catalogue))
        container = Container(plan, lambda cls, name: bind_settings(cls, config, name=name))
        container.build()
        jobs.bind(container.job_factory)
        problems.extend(_check_schedules(config, resolution, container))
        _check_jobs(resolution, catalogue, container)
    except ConfigurationError as error:
        problems.extend(error.problems or [Problem(message=error.message, where=error.where, hint=error.hint)])
    if problems:
        raise ConfigurationError(f"{config.path} cannot be used", problems=list(dict.fromkeys(problems)))
    left_out = (*config.missing_includes, *(unknown if skip_unknown else ()))
    unread = describe_unknown(config, known_sections(catalogue))
    return Graph(plan, container, (*config.warnings, *left_out, *unread))


def default_providers(catalogue: Catalogue) -> dict[type[Contract], list[type[Contract]]]:
    """Give the classes that declare themselves default, by contract."""
    defaults: dict[type[Contract], list[type[Contract]]] = {}
    offered = dict.fromkeys(cls for classes in catalogue.providers.values() for cls in classes)
    classes: list[type[Contract]] = [*offered, ArchiveBackup]
    for cls in classes:
        if cls.is_default:
            for contract in contracts_of(cls):
                defaults.setdefault(contract, []).append(cls)
    return defaults


def known_sections(catalogue: Catalogue) -> set[str]:
    """Give the sections that the host, an offered provider or an offered job reads."""
    classes: set[type] = {cls for offered in catalogue.providers.values() for cls in offered}
    classes.update(catalogue.jobs.values())
    settings = {need.settings for cls in classes for need in _needs(cls) if need.settings is not None}
    return {HOST_SECTION, *(cls.section for cls in settings)}


def _wishes(catalogue: Catalogue) -> list[type[Contract]]:
    """Give the contracts that offered jobs ask for: any of them may be registered while the host runs."""
    wanted = [need.contract for job in catalogue.jobs.values() for need in _needs(job)]
    return [contract for contract in dict.fromkeys(wanted) if contract is not None]


def _needs(cls: type) -> list[Need]:
    try:
        return needs_of(cls)
    except WiringError:
        return []


def _resolve_jobs(config: HostConfig, catalogue: Catalogue, resolution: Resolution) -> None:
    try:
        configuration = bind_settings(JobConfiguration, config)
    except ConfigurationError as error:
        resolution.problems.extend(error.problems or [Problem(message=error.message, where=error.where)])
        return
    seen: dict[str, str] = {}
    for job in configuration.jobs:
        job_type = catalogue.resolve_job(job.job_type)
        resolution.jobs.append((job, job_type))
        if job_type is None:
            resolution.unknown_jobs.append(_unknown("job", job.job_type, job.where, catalogue))
        elif job_type in seen:
            message = f"job {job.job_type} is configured twice, first at {seen[job_type]}"
            resolution.problems.append(Problem(message=message, where=job.where, hint="remove one"))
        else:
            seen[job_type] = job.where


def _check_schedules(config: HostConfig, resolution: Resolution, container: Container) -> list[Problem]:
    """Find what can never work: the default time zone, and schedules that the configuration gives its jobs."""
    scheduler = container.find(Scheduler)
    timezone = scheduler.timezone() if scheduler else "UTC"
    section = config.section(SchedulerSettings.section)
    try:
        check_schedule(JobSchedule.every(timedelta(1)), default_timezone=timezone)
    except InvalidScheduleError as error:
        where = section.where if section else str(config.path)
        return [Problem(message=f"the default zone of schedules: {error.message}", where=where, hint=error.hint)]
    problems = []
    for job, job_type in resolution.jobs:
        for schedule in job.schedules if job_type else ():
            try:
                check_schedule(schedule, default_timezone=timezone)
            except InvalidScheduleError as error:
                message = f"job {job.job_type}: {error.message}"
                problems.append(Problem(message=message, where=job.where, hint=error.hint))
    return problems


def _check_jobs(resolution: Resolution, catalogue: Catalogue, container: Container) -> None:
    problems = []
    executors = sorted(executor.name for executor in container.all(JobExecutor))
    for job, job_type in resolution.jobs:
        if job_type is None:
            continue
        cls: type[Job] = catalogue.jobs[job_type]
        declared = len(cls.parameters)
        if len(job.parameters) > declared:
            message = f"job {job_type} takes {declared} parameters, {len(job.parameters)} are configured"
            problems.append(Problem(message=message, where=job.where))
        wanted = catalogue.infos[job_type].executor
        if executors and wanted not in executors:
            message = f"job {job_type} wants executor {wanted!r}, which no configured provider offers"
            problems.append(Problem(message=message, where=job.where, hint=f"there are {', '.join(executors)}"))
        try:
            container.job_factory(cls)
        except HostError as error:
            problems.append(Problem(message=error.message, where=job.where, hint=error.hint))
    if problems:
        raise WiringError("configured jobs cannot run", problems=problems)


def _unknown(kind: str, name: str, where: str, catalogue: Catalogue) -> Problem:
    known: Sequence[str] = [*catalogue.providers] if kind == "provider" else [*catalogue.names]
    failed = [plugin for plugin in catalogue.plugins if plugin.error]
    close = _meant(name, known)
    hint = f"did you mean {close}?" if close else "jobhost plugins lists what is installed"
    module = name.partition(":")[0].partition(".")[0]
    for plugin in failed:
        if module.replace("_", "-") in plugin.distribution.replace("_", "-") or len(failed) == 1:
            hint = f"plugin {plugin.name!r} could not be loaded: {plugin.error}"
    return Problem(message=f"unknown {kind} {name}", where=where, hint=hint)


def _meant(name: str, known: Iterable[str]) -> str | None:
    """Give what was probably meant; a long common namespace alone makes no likeness."""
    close = suggest(name, known)
    if close is None or SequenceMatcher(None, _last_word(name), _last_word(close)).ratio() < LIKENESS:
        return None
    return close


def _last_word(name: str) -> str:
    return name.partition(",")[0].replace(":", ".").rpartition(".")[2].casefold()
