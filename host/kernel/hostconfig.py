"""What a configuration says, read and checked as far as it goes without plugins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from host.errors import Problem
from host.kernel.elements import SectionElement
from host.model.suggest import did_you_mean
from host.santedb.sections import SANTEDB_SECTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """One ``<add>`` of ``<serviceProviders>``."""

    type: str
    """``package.module:Class`` or an alias, version parts of .NET names dropped."""
    where: str
    """``file:line``."""
    name: str | None = None
    """Which of several sections of one type the provider's settings come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSection:
    """A section that the host itself does not know; a plugin may."""

    name: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """One configuration: main file and includes together."""

    path: Path
    """The main file, as it was named."""
    files: tuple[Path, ...]
    """Every file read, absolute, main file first."""
    providers: tuple[ProviderRow, ...]
    """In file order."""
    sections: Mapping[str, SectionElement]
    """``{type: section}``; of several the first without a name, else the first."""
    named_sections: Mapping[tuple[str, str], SectionElement]
    """``{(type, name attribute): section}``."""
    app_settings: Mapping[str, str]
    instance_name: str | None
    warnings: tuple[Problem, ...]
    unknown_sections: tuple[UnknownSection, ...]
    """Sections of types the host itself does not know, in file order."""
    missing_includes: tuple[Problem, ...] = ()
    """Included files that are not there, where that was not refused."""

    def section(self, section_type: str, name: str | None = None) -> SectionElement | None:
        """Give the section of a type, or the one of them with this ``name``; None if there is none."""
        if name is not None:
            return self.named_sections.get((section_type, name))
        return self.sections.get(section_type)


def describe_unknown(config: HostConfig, known: Collection[str]) -> Sequence[Problem]:
    """Say of each section that nobody binds what it is; ``known`` are the types that settings are bound to."""
    return [_describe(section, known) for section in config.unknown_sections if section.name not in known]


def _describe(section: UnknownSection, known: Collection[str]) -> Problem:
    if section.name in SANTEDB_SECTIONS:
        meaning = SANTEDB_SECTIONS[section.name]
        return Problem(message=f"section {section.name} ({meaning}) has no meaning here", where=section.where)
    hint = did_you_mean(section.name, known) or "is the plugin that reads it installed?"
    return Problem(message=f"section {section.name} is read by nobody", where=section.where, hint=hint)
