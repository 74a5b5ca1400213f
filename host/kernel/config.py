"""Reading ``santedb.config.xml``: files, sections and provider rows, every finding with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from host.errors import ConfigurationError, Problem
from host.kernel.documents import ConfigurationFiles, Section
from host.kernel.elements import SectionElement
from host.kernel.hostconfig import HostConfig, ProviderRow, UnknownSection, describe_unknown
from host.kernel.references import redact
from host.kernel.schema import check_section, has_schema
from host.kernel.settings import bind_settings
from host.santedb.sections import APPLICATION_SECTION
from host.santedb.types import normalise_type

__all__ = [
    "HostConfig",
    "ProviderRow",
    "SectionElement",
    "UnknownSection",
    "bind_settings",
    "describe_unknown",
    "read_configuration",
]


def read_configuration(
    path: Path, *, environment: Mapping[str, str], skip_missing: bool = False, only: str | None = None
) -> HostConfig:
    """Read a configuration and all its includes; ``environment`` resolves ``${NAME}``.

    An include that is not there is a problem, or with ``skip_missing`` one of ``missing_includes``.
    With ``only``, if there is a section of that type, it alone is read, and what is wrong elsewhere does not matter.
    Raises ConfigurationError, whose ``problems`` hold every finding with ``file:line``. What only plugins can
    judge is left to them: provider types are rows of text, unknown sections are listed.
    """
    files = ConfigurationFiles(path, environment)
    sections, named, warnings = _first_of_each(files.sections)
    if only in sections:
        sections, named = {only: sections[only]}, {}
        for document in files.documents:
            document.problems.clear()
            document.missing.clear()
    for section in sections.values():
        if has_schema(section.type):
            _check_known(section)
    if not skip_missing:
        for document in files.documents:
            document.problems += document.missing
    problems = files.problems()
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigurationError(f"the configuration cannot be used: {count}", where=str(path), problems=problems)
    application = sections.get(APPLICATION_SECTION)
    element = application.element if application else None
    return HostConfig(
        path=path,
        files=tuple(document.path.absolute() for document in files.documents),
        providers=_providers(element, warnings),
        sections=MappingProxyType({name: section.element for name, section in sections.items()}),
        named_sections=MappingProxyType({key: section.element for key, section in named.items()}),
        app_settings=_app_settings(element, warnings),
        instance_name=element.attributes.get("instanceName") if element else None,
        warnings=(*(warning for document in files.documents for warning in document.warnings), *warnings),
        unknown_sections=tuple(
            UnknownSection(name=section.type, where=section.element.where)
            for section in files.sections
            if not has_schema(section.type)
        ),
        missing_includes=tuple(files.missing_includes()),
    )


def _first_of_each(
    sections: Sequence[Section],
) -> tuple[dict[str, Section], dict[tuple[str, str], Section], list[Problem]]:
    """Choose the first section of each type, one without a name before others, and of each type and name.

    SanteDB: GetSection gives the first.
    """
    found: dict[tuple[str, str | None], Section] = {}
    warnings = []
    for section in sections:
        earlier = found.setdefault((section.type, section.element.attributes.get("name")), section)
        if earlier is not section:
            message = f"section {section.type} is ignored; the first one, at {earlier.element.where}, is in force"
            warnings.append(Problem(message=message, where=section.element.where))
    named = {(kind, name): section for (kind, name), section in found.items() if name is not None}
    first = {kind: section for (kind, _), section in reversed(named.items())}
    first |= {kind: section for (kind, name), section in found.items() if name is None}
    return first, named, warnings


def _check_known(section: Section) -> None:
    source, document = section.element.source, section.document
    document.problems += [(_line(problem), problem) for problem in source.problems]
    for finding in check_section(section.type, section.element.xml):
        if source.problems and "${" in finding.message:
            continue  # told already: the reference has no value
        hint = redact(finding.hint, source.secrets) if finding.hint else None
        document.report(finding.line, redact(finding.message, source.secrets), hint)


def _line(problem: Problem) -> int:
    return int((problem.where or "").rpartition(":")[2] or 0)


def _providers(section: SectionElement | None, warnings: list[Problem]) -> tuple[ProviderRow, ...]:
    rows: dict[tuple[str, str | None], ProviderRow] = {}
    for element in _entries(section, "serviceProviders"):
        attributes = element.attributes
        row = ProviderRow(
            type=normalise_type(attributes["type"]), where=element.where, name=attributes.get("name") or None
        )
        earlier = rows.setdefault((row.type, row.name), row)
        if earlier is not row:
            message = f"provider {row.type} is listed already at {earlier.where}; this row is ignored"
            warnings.append(Problem(message=redact(message, element.source.secrets), where=row.where))
    return tuple(rows.values())


def _app_settings(section: SectionElement | None, warnings: list[Problem]) -> Mapping[str, str]:
    settings: dict[str, str] = {}
    for element in _entries(section, "appSettings"):
        key, value = element.attributes.get("key", ""), element.attributes.get("value", "")
        if not key or not value:
            message = f"an application setting without {'value' if key else 'key'}"
            warnings.append(Problem(message=message, where=element.where))
        if key:
            settings.setdefault(key, value)
    return MappingProxyType(settings)


def _entries(section: SectionElement | None, group: str) -> Sequence[SectionElement]:
    if section is None:
        return ()
    return [entry for element in section.children(group) for entry in element.children("add")]
