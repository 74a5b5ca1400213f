"""Configuration elements as providers' settings see them, over the parsed XML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from host.errors import Problem
from host.xmlfile import Element, elements, line_of, local_name


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionSource:
    """What a section and everything below it have in common."""

    path: Path
    """The file that holds it."""
    problems: tuple[Problem, ...] = ()
    """References in it that have no value; they matter once somebody uses the section."""
    secrets: frozenset[str] = frozenset()
    """Values that came from references; no message may show them."""


@dataclass(frozen=True, slots=True)
class SectionElement:
    """A ``<section>`` or an element in it (``SettingsElement``); reads the XML when asked, references replaced."""

    xml: Element
    source: SectionSource

    @property
    def name(self) -> str:
        """Local name, without namespace."""
        return local_name(self.xml)

    @property
    def file(self) -> str:
        """The file that holds it, as messages name it."""
        return str(self.source.path)

    @property
    def where(self) -> str:
        """``file:line``."""
        return f"{self.source.path}:{line_of(self.xml)}"

    @property
    def text(self) -> str:
        """Text content, stripped."""
        return (self.xml.text or "").strip()

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes without namespace, references substituted, in file order."""
        return {str(name): str(value) for name, value in self.xml.items() if not str(name).startswith("{")}

    def children(self, name: str | None = None) -> Sequence[SectionElement]:
        """Child elements in file order, of one local name or all."""
        found = [SectionElement(child, self.source) for child in elements(self.xml)]
        return found if name is None else [child for child in found if child.name == name]
