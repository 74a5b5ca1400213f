"""The jobs that a configuration registers (SanteDB: JobConfigurationSection)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from host.contracts.contract import Settings, SettingsElement
from host.errors import ConfigurationError, HostError, InvalidScheduleError, Problem
from host.model.jobs import JobStartType
from host.model.json import JsonValue
from host.model.schedules import JobSchedule
from host.santedb.schedules import read_schedules
from host.santedb.sections import JOB_SECTION, NAMESPACE, XmlSection
from host.santedb.types import normalise_type
from host.xmlfile import Element, elements, line_of

_JOBS = f"{{{NAMESPACE}}}jobs"
_JOB = f"{{{NAMESPACE}}}add"
_SCHEDULE = f"{{{NAMESPACE}}}schedule"
_PARAMETERS = f"{{{NAMESPACE}}}parameters"
_PARAMETER_TYPES: Mapping[object, Callable[[str], JsonValue]] = {
    f"{{{NAMESPACE}}}int": int,
    f"{{{NAMESPACE}}}bool": lambda text: text.strip() in ("true", "1"),
    f"{{{NAMESPACE}}}string": str,
}
_START_TYPES = {start_type.value: start_type for start_type in JobStartType}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredJob:
    """One ``<add>`` of ``<jobs>``."""

    job_type: str
    """``package.module:Class``, or an alias such as ``Namespace.Type, Assembly`` without version parts."""
    start_type: JobStartType = JobStartType.IMMEDIATE
    parameters: tuple[JsonValue, ...] = ()
    """By position."""
    schedules: tuple[JobSchedule, ...] = ()
    """A fallback: in force only while the schedule store has no entry for the job."""
    where: str
    """``file:line``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfiguration(Settings):
    """The configured jobs, in file order, each type once."""

    section: ClassVar[str] = JOB_SECTION

    jobs: tuple[ConfiguredJob, ...] = ()

    @classmethod
    def read_children(cls, element: SettingsElement) -> dict[str, object]:
        """Give ``jobs``; raises ConfigurationError with every problem of every job.

        The section must have passed its schema.
        """
        if not isinstance(element, XmlSection):
            raise TypeError(f"{cls.__name__} reads XML; {type(element).__name__} gives none")
        problems: list[Problem] = []
        jobs: dict[str, ConfiguredJob] = {}
        for xml in _job_elements(element.xml):
            job = _read_job(xml, element.file, problems)
            earlier = jobs.setdefault(job.job_type, job)
            if earlier is not job:
                message = f"job {job.job_type!r} is configured already at {earlier.where}"
                problems.append(Problem(message=message, where=job.where, hint="put all its schedules into one entry"))
        if problems:
            raise ConfigurationError("the configured jobs cannot be used", where=element.where, problems=problems)
        return {"jobs": tuple(jobs.values())}


def _job_elements(section: Element) -> Iterator[Element]:
    for group in section.iterchildren(_JOBS):
        yield from group.iterchildren(_JOB)


def _read_job(xml: Element, file: str, problems: list[Problem]) -> ConfiguredJob:
    parameters: tuple[JsonValue, ...] = ()
    schedules: tuple[JobSchedule, ...] = ()
    for child in xml:
        if child.tag == _SCHEDULE:
            schedules = _read_schedules(child, file, problems)
        elif child.tag == _PARAMETERS:
            parameters = tuple(_PARAMETER_TYPES[value.tag](value.text or "") for value in elements(child))
    return ConfiguredJob(
        job_type=normalise_type(xml.get("type", "")),
        start_type=_START_TYPES[xml.get("startType", "immediate")],
        parameters=parameters,
        schedules=schedules,
        where=f"{file}:{line_of(xml)}",
    )


def _read_schedules(parent: Element, file: str, problems: list[Problem]) -> tuple[JobSchedule, ...]:
    try:
        return read_schedules(parent, name=file)
    except (InvalidScheduleError, ConfigurationError) as error:
        problems.extend(_problems_of(error))
        return ()


def _problems_of(error: HostError) -> tuple[Problem, ...]:
    return error.problems or (Problem(message=error.message, where=error.where, hint=error.hint),)
