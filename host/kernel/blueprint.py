"""What a child process needs to build jobs as this host does: written by the host, read by ``host.kernel.worker``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from host.contracts.contract import Contract
from host.contracts.jobs import Job
from host.contracts.processes import ProcessBlueprint
from host.errors import PluginError, WiringError
from host.kernel.catalogue import Catalogue, type_name
from host.kernel.elements import SectionElement, SectionSource
from host.kernel.hostconfig import HostConfig
from host.kernel.wiring import Plan, Row, contracts_of, needs_of
from host.wire import to_json
from host.xmlfile import canonical, line_of, parse_xml

PROCESS = "process"
"""Name of the executor that performs jobs in processes of their own."""

_LOCAL = "<locals>"

K = TypeVar("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSection:
    """A section as the host has it, references replaced."""

    type: str
    name: str | None
    file: Path
    line: int
    xml: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRow:
    """A process-safe provider; other rows are meant by their position."""

    type: str
    where: str
    name: str | None
    arguments: Mapping[str, int | list[int] | None]
    provides: tuple[str, ...]
    """The contracts it is the outermost provider of, as type names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBlueprint:
    """Everything a child process needs; it has secrets in it."""

    configuration: Path
    import_path: tuple[str, ...]
    sections: tuple[WrittenSection, ...]
    rows: tuple[WrittenRow, ...]
    """In the order they are built."""
    jobs: tuple[str, ...]
    """Types of jobs that no plugin offers: a program that embeds the host brought them."""


class HostProcessBlueprint(ProcessBlueprint):
    """Of the configuration and the wiring that a host runs with, whatever the files say by now."""

    def __init__(self, config: HostConfig, catalogue: Catalogue) -> None:
        self._config = config
        self._catalogue = catalogue
        self._plan = Plan()
        self._is_wanted = False
        self._refusals: dict[str, WiringError | None] = {}

    def bind(self, plan: Plan, *, configured: Iterable[str]) -> None:
        """Say what was decided, and which jobs are configured; once, before the first run."""
        self._plan = plan
        self._refusals.clear()
        infos = self._catalogue.infos
        self._is_wanted = any(infos[job_type].executor == PROCESS for job_type in configured)

    def command(self) -> tuple[str, ...]:
        """Give the arguments that boot it."""
        return ("-P", "-m", "host.kernel.worker")

    def is_wanted(self) -> bool:
        """Whether a configured job is performed in a process."""
        return self._is_wanted

    def refusal(self, job_type: str) -> WiringError | None:
        """Say why a job cannot be had there, or None."""
        if job_type not in self._refusals:
            try:
                self._refusals[job_type] = self._refusal(self._catalogue.jobs[job_type])
            except WiringError as error:
                self._refusals[job_type] = error
        return self._refusals[job_type]

    def document(self) -> bytes:
        """Give what the worker reads."""
        rows = [row for row in self._plan.rows if self._obstacle([row]) is None]
        offered = {job for plugin in self._catalogue.plugins for job in plugin.jobs}
        written = WrittenBlueprint(
            configuration=self._config.path.absolute(),
            import_path=tuple(sys.path),
            sections=tuple(self._sections()),
            rows=tuple(self._row(row, rows) for row in rows),
            jobs=tuple(job for job in self._catalogue.jobs if job not in offered and _LOCAL not in job),
        )
        return to_json(written)

    def _refusal(self, job: type[Job]) -> WiringError | None:
        name = type_name(job)
        if _LOCAL in name:
            hint = "move the class to the top of a module"
            return WiringError(f"job {name} is local to a function and cannot be had in a process", hint=hint)
        for need in needs_of(job):
            if need.contract is None:
                continue
            providers = self._plan.providers.get(need.contract)
            rows = [providers] if providers else []
            if need.is_many:
                rows = [row for row in self._plan.rows if issubclass(row.cls, need.contract)]
            obstacle = self._obstacle(rows)
            if obstacle is not None:
                return WiringError(
                    f"job {name} runs in a process and needs {need.contract.__name__}, "
                    f"for which {obstacle} would have to be built there; it is not process-safe",
                    hint="choose another executor for the job; a provider says process_safe = True if it is",
                )
        return None

    def _obstacle(self, rows: Iterable[Row]) -> Row | None:
        """Give the first of these rows, and of those they need, that cannot be built in a process."""
        for row in self._plan.below(rows):
            if row.instance is not None or not row.cls.process_safe or _LOCAL in type_name(row.cls):
                return row
        return None

    def _row(self, row: Row, rows: list[Row]) -> WrittenRow:
        arguments: dict[str, int | list[int] | None] = {}
        for parameter, argument in self._plan.arguments[row].items():
            if isinstance(argument, list):
                arguments[parameter] = [rows.index(other) for other in argument]
            else:
                arguments[parameter] = None if argument is None else rows.index(argument)
        outermost = self._plan.providers
        provides = tuple(type_name(each) for each in contracts_of(row.cls) if outermost.get(each) is row)
        return WrittenRow(
            type=type_name(row.cls), where=row.where, name=row.name, arguments=arguments, provides=provides
        )

    def _sections(self) -> Iterable[WrittenSection]:
        classes: set[type] = {row.cls for row in self._plan.rows if row.cls.process_safe}
        classes |= {job for name, job in self._catalogue.jobs.items() if self.refusal(name) is None}
        needs = (need for cls in classes for need in needs_of(cls))
        wanted = {need.settings.section for need in needs if need.settings is not None}
        for kind, section in self._config.sections.items():
            if kind in wanted:
                yield _written(kind, None, section)
        for (kind, name), section in self._config.named_sections.items():
            if kind in wanted:
                yield _written(kind, name, section)


def restored_configuration(written: WrittenBlueprint) -> HostConfig:
    """Give the configuration again, of which only what children need is there."""
    found = {(each.type, each.name): _restored(each) for each in written.sections}
    return HostConfig(
        path=written.configuration,
        files=(),
        providers=(),
        sections=MappingProxyType({kind: section for (kind, name), section in found.items() if name is None}),
        named_sections=MappingProxyType({(kind, name): each for (kind, name), each in found.items() if name}),
        app_settings=MappingProxyType({}),
        instance_name=None,
        warnings=(),
        unknown_sections=(),
    )


def restored_plan(written: WrittenBlueprint, catalogue: Catalogue) -> Plan:
    """Give the plan again, with the rows that are process-safe; raises PluginError for a class that is gone."""
    plan = Plan()
    for each in written.rows:
        row = Row(provider_class(each.type, catalogue), each.where, each.name)
        plan.rows.append(row)
        plan.providers.update(
            {contract: row for contract in contracts_of(row.cls) if type_name(contract) in each.provides}
        )
        plan.settings[row] = {need.parameter: need.settings for need in needs_of(row.cls) if need.settings}
    for row, each in zip(plan.rows, written.rows, strict=True):
        plan.arguments[row] = {name: _rows_at(plan, position) for name, position in each.arguments.items()}
    return plan


def provider_class(name: str, catalogue: Catalogue) -> type[Contract]:
    """Give the provider class of a type name: as a plugin offers it, else imported; raises PluginError."""
    offered = [cls for cls in catalogue.providers.get(name, ()) if type_name(cls) == name]
    return offered[0] if offered else imported(name, Contract)


def imported(name: str, kind: type[K]) -> type[K]:
    """Import ``package.module:Class``, which is to be a ``kind``; raises PluginError."""
    module, _, path = name.partition(":")
    try:
        found: object = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:  # a module may raise anything when it is imported
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"{name} cannot be imported in a process for jobs: {reason}") from error
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise PluginError(f"{name} is no {kind.__name__} class in a process for jobs")
    return found


def _rows_at(plan: Plan, position: int | list[int] | None) -> Row | list[Row] | None:
    if isinstance(position, list):
        return [plan.rows[each] for each in position]
    return None if position is None else plan.rows[position]


def _written(kind: str, name: str | None, section: SectionElement) -> WrittenSection:
    line = line_of(section.xml)
    return WrittenSection(
        type=kind, name=name, file=section.source.path, line=line, xml=canonical(section.xml).decode()
    )


def _restored(written: WrittenSection) -> SectionElement:
    above = "\n" * (written.line - 1)  # so that messages name the line of the file
    xml = parse_xml((above + written.xml).encode(), name=str(written.file))
    return SectionElement(xml, SectionSource(path=written.file))
