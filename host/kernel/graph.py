"""From configuration rows and the catalogue to a built container, with every problem at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from host.contracts.contract import Contract
from host.contracts.engine import JobDirectory, Scheduler
from host.contracts.executors import JobExecutor
from host.contracts.host import ControlFace, HostControl
from host.contracts.jobs import Job, JobManagerService
from host.engine.scheduler import SchedulerSettings
from host.errors import ConfigurationError, HostError, InvalidScheduleError, Problem, WiringError
from host.kernel.backup import ArchiveBackup
from host.kernel.blueprint import PROCESS, HostProcessBlueprint
from host.kernel.builtin import HostConfigurationFiles, HostJobCatalogue, HostStartOptions
from host.kernel.catalogue import Catalogue
from host.kernel.config import HostConfig, bind_settings, describe_unknown
from host.kernel.container import Container
from host.kernel.missing import broken_plugins, causes_of, unknown_name
from host.kernel.wiring import Need, Plan, Row, contracts_of, needs_of, plan_wiring
from host.model.schedules import JobSchedule
from host.santedb.jobs import ConfiguredJob, JobConfiguration
from host.triggers import check_schedule

HOST_SECTION = "HostConfigurationSection"
ROOTS: tuple[type[Contract], ...] = (JobManagerService, ControlFace)
"""What every host has, from the configuration or by default."""


@dataclass(slots=True)
class Graph:
    """A resolved configuration."""

    plan: Plan
    container: Container
    warnings: tuple[Problem, ...] = ()
    jobs_left_out: tuple[Problem, ...] = ()
    """Configured jobs, where nothing here runs jobs."""


@dataclass(slots=True)
class Resolution:
    """What a configuration names, held against the catalogue."""

    rows: list[Row] = field(default_factory=list)
    unknown_providers: list[Problem] = field(default_factory=list)
    jobs: list[tuple[ConfiguredJob, str | None]] = field(default_factory=list)
    """Each configured job with its job type, None where no plugin offers it."""
    unknown_jobs: list[Problem] = field(default_factory=list)
    causes: list[Problem] = field(default_factory=list)
    """The plugins that could not be loaded and whose own some of the unknown names are."""
    problems: list[Problem] = field(default_factory=list)


def resolve(config: HostConfig, catalogue: Catalogue) -> Resolution:
    """Hold every provider and job that a configuration names against the catalogue."""
    resolution = Resolution()
    seen: dict[tuple[type[Contract], str | None], str] = {}
    for provider in config.providers:
        classes = catalogue.providers.get(provider.type)
        if classes is None:
            resolution.unknown_providers.append(unknown_name("provider", provider.type, provider.where, catalogue))
        for cls in classes or ():
            if (cls, provider.name) in seen:
                message = f"provider {provider.type} is listed twice, first at {seen[cls, provider.name]}"
                hint = "remove one, or give each a name="
                resolution.problems.append(Problem(message=message, where=provider.where, hint=hint))
            else:
                seen[cls, provider.name] = provider.where
                resolution.rows.append(Row(cls, provider.where, provider.name))
    _resolve_jobs(config, catalogue, resolution)
    nameless = [job.job_type for job, job_type in resolution.jobs if job_type is None]
    nameless += [provider.type for provider in config.providers if provider.type not in catalogue.providers]
    resolution.causes.extend(causes_of(nameless, catalogue))
    return resolution


def build_graph(
    config: HostConfig, catalogue: Catalogue, control: HostControl, *, skip_unknown: bool, options: HostStartOptions
) -> Graph:
    """Resolve, wire and construct; raises ConfigurationError with every problem found."""
    resolution = resolve(config, catalogue)
    unknown = [*resolution.unknown_providers, *resolution.unknown_jobs]
    problems = [*resolution.problems, *(() if skip_unknown else [*resolution.causes, *unknown])]
    broken = broken_plugins(catalogue)
    idle: list[Problem] = []
    futile: list[Problem] = []
    jobs = HostJobCatalogue(catalogue)
    blueprint = HostProcessBlueprint(config, catalogue)
    built_in: list[Contract] = [jobs, options, HostConfigurationFiles(config.files), blueprint, control]
    rows = [Row(type(instance), "built-in", instance=instance) for instance in built_in]
    try:
        defaults = default_providers(catalogue)
        plan = plan_wiring([*rows, *resolution.rows], defaults, ROOTS, _wishes(catalogue), causes=broken)
        container = Container(plan, lambda cls, name: bind_settings(cls, config, name=name))
        container.build()
        jobs.bind(container.job_factory)
        blueprint.bind(plan, configured=[job_type for _, job_type in resolution.jobs if job_type])
        if JobDirectory in plan.providers:
            problems.extend(_check_schedules(config, resolution, container))
            _check_jobs(resolution, catalogue, container, blueprint)
        else:
            idle = _jobs_without_engine(resolution, plan)
            problems.extend(() if skip_unknown else idle)
            futile = _futile_pause(options)
    except ConfigurationError as error:
        problems.extend(error.problems or [Problem(message=error.message, where=error.where, hint=error.hint)])
    if problems:
        problems.sort(key=lambda problem: problem not in broken)
        raise ConfigurationError(f"{config.path} cannot be used", problems=list(dict.fromkeys(problems)))
    left_out = (*config.missing_includes, *(unknown if skip_unknown else ()), *idle, *futile)
    unread = describe_unknown(config, known_sections(catalogue))
    return Graph(plan, container, (*config.warnings, *left_out, *unread), tuple(idle))


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
            resolution.unknown_jobs.append(unknown_name("job", job.job_type, job.where, catalogue))
        elif job_type in seen:
            message = f"job {job.job_type} is configured twice, first at {seen[job_type]}"
            resolution.problems.append(Problem(message=message, where=job.where, hint="remove one"))
        else:
            seen[job_type] = job.where


def _jobs_without_engine(resolution: Resolution, plan: Plan) -> list[Problem]:
    """Say of each configured job that nobody here runs it: the jobs are those of another host."""
    manager = plan.providers[JobManagerService]
    hint = "configure it there, and remove it here; serve --skip-unknown leaves it out"
    return [
        Problem(
            message=f"job {job.job_type} would never run: this host's jobs are those of {manager}",
            where=job.where,
            hint=hint,
        )
        for job, job_type in resolution.jobs
        if job_type is not None
    ]


def _futile_pause(options: HostStartOptions) -> list[Problem]:
    reason = options.paused()
    if reason is None:
        return []
    hint = "jobhost jobs pause --all, when it runs, pauses its upstream"
    return [Problem(message=f"started paused ({reason}), which means nothing where no jobs are run", hint=hint)]


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


def _check_jobs(
    resolution: Resolution, catalogue: Catalogue, container: Container, blueprint: HostProcessBlueprint
) -> None:
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
        refusal = blueprint.refusal(job_type) if wanted == PROCESS else None
        if refusal is not None:
            problems.append(Problem(message=refusal.message, where=job.where, hint=refusal.hint))
        try:
            container.job_factory(cls)
        except HostError as error:
            problems.append(Problem(message=error.message, where=job.where, hint=error.hint))
    if problems:
        raise WiringError("configured jobs cannot run", problems=problems)
