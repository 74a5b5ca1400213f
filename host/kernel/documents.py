"""The files of a configuration: the main one and all it includes, as sections in reading order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from host.errors import Problem, XmlError
from host.kernel.elements import SectionElement, SectionSource
from host.kernel.references import References
from host.model.suggest import did_you_mean
from host.santedb.sections import NAMESPACE, ROOT
from host.xmlfile import XSI, Element, elements, line_of, local_name, namespace, read_xml, serialize

MAX_DEPTH = 16
_PARTS = ("sections", "protectedSectionKey", "include", "section")
_ROOT_ATTRIBUTES = ("version", "eci")


@dataclass(slots=True)
class Document:
    """One file, and everything found wrong with it."""

    path: Path
    problems: list[tuple[int, Problem]] = field(default_factory=list)
    """With the line, to be put in order."""
    missing: list[tuple[int, Problem]] = field(default_factory=list)
    """Includes that are not there, with their lines."""
    warnings: list[Problem] = field(default_factory=list)

    def report(self, line: int, message: str, hint: str | None = None) -> None:
        """Note a problem on a line."""
        self.problems.append((line, Problem(message=message, where=f"{self.path}:{line}", hint=hint)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One ``<section>`` of some file."""

    type: str
    """Local name of its ``xsi:type``."""
    element: SectionElement
    document: Document


@dataclass(frozen=True, slots=True)
class _Visit:
    """A file that is being read, the line that included it, and what includes the including file."""

    file: Path
    where: str | None = None
    outer: _Visit | None = None

    def chain(self) -> Iterator[_Visit]:
        visit: _Visit | None = self
        while visit is not None:
            yield visit
            visit = visit.outer


class ConfigurationFiles:
    """Reads the main file, then its includes, each followed by its own; each file once.

    ``documents`` and ``sections`` are in reading order; nothing is raised, every finding stands in a document.
    """

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.documents: list[Document] = []
        self.sections: list[Section] = []
        self._folder = path.parent
        self._environment = environment
        self._read_at: dict[Path, str] = {}
        self._read(path, _Visit(_identity(path)))

    def problems(self) -> Sequence[Problem]:
        """Give every problem, file by file, by line."""
        key = _line_first
        return [problem for document in self.documents for _, problem in sorted(document.problems, key=key)]

    def missing_includes(self) -> Sequence[Problem]:
        """Give a finding for each included file that is not there."""
        return [problem for document in self.documents for _, problem in document.missing]

    def _read(self, path: Path, visit: _Visit) -> None:
        document = Document(path)
        self.documents.append(document)
        self._read_at[visit.file] = visit.where or "the start"
        try:
            root = _read_root(document)
        except XmlError as error:
            document.problems.append((0, Problem(message=error.message, where=error.where, hint=error.hint)))
            return
        if root is None:
            return
        with_references = b"${" in serialize(root)
        includes = []
        for part in elements(root):
            kind = local_name(part) if namespace(part) == NAMESPACE else None
            if kind == "include":
                includes.append(part)
            elif kind == "section":
                self._add_section(part, document, with_references)
            elif kind not in _PARTS:
                _report_part(part, document)
        for include in includes:
            self._include(include, document, visit)

    def _add_section(self, xml: Element, document: Document, with_references: bool) -> None:
        written = xml.attrib.pop(f"{{{XSI}}}type", None)  # a schema would look for a type of that name
        if not written or not str(written).strip():
            hint = (
                'write xsi:type instead of type, and declare xmlns:xsi="' + XSI + '"' if "type" in xml.attrib else None
            )
            document.report(line_of(xml), '<section> needs xsi:type="…", the name of the section', hint)
            return
        references = References(environment=self._environment, path=document.path)
        if with_references:
            references.replace_below(xml)
        source = SectionSource(
            path=document.path, problems=tuple(references.problems), secrets=frozenset(references.secrets)
        )
        name = str(written).strip().rpartition(":")[2]
        self.sections.append(Section(type=name, element=SectionElement(xml, source), document=document))

    def _include(self, xml: Element, document: Document, visit: _Visit) -> None:
        line, where = line_of(xml), f"{document.path}:{line_of(xml)}"
        path = self._included_path(xml, document)
        if path is None:
            return
        file = _identity(path)
        around = next((outer for outer in visit.chain() if outer.file == file), None)
        if around is not None:
            place = f", which is included at {around.where}," if around.where else ", the main file,"
            document.report(line, f"{path}{place} includes itself here", "remove one of the includes")
        elif file in self._read_at:
            message = f"{path} is included already at {self._read_at[file]}; it is read once"
            document.warnings.append(Problem(message=message, where=where))
        elif sum(1 for _ in visit.chain()) > MAX_DEPTH:
            document.report(line, f"includes are nested more than {MAX_DEPTH} deep", "include from the main file")
        else:
            self._read(path, _Visit(file, where, visit))

    def _included_path(self, xml: Element, document: Document) -> Path | None:
        line, written = line_of(xml), (xml.text or "").strip()
        references = References(environment=self._environment, path=document.path)
        references.replace_below(xml)
        document.problems += [(line, problem) for problem in references.problems]
        if references.problems:
            return None
        name = (xml.text or "").strip().replace("\\", "/")
        if not name:
            document.report(line, "<include> needs the path of a file as its text")
            return None
        found = [path for folder in (document.path.parent, self._folder) if _is_there(path := folder / name)]
        if not found:
            looked = " and ".join(dict.fromkeys(str(folder) or "." for folder in (document.path.parent, self._folder)))
            message, hint = f"include {written!r} was not found", f"looked in {looked}"
            document.missing.append((line, Problem(message=message, where=f"{document.path}:{line}", hint=hint)))
            return None
        return found[0]


def _read_root(document: Document) -> Element | None:
    """Parse the file; None if its root is not a configuration's, which is then reported."""
    path = document.path
    if not _is_there(path):
        raise XmlError("the file does not exist", where=str(path), hint="name it with --config FILE")
    if not _is_regular(path):
        raise XmlError("this is not a regular file", where=str(path), hint="a configuration is one XML file")
    root = read_xml(path)
    if local_name(root) != ROOT:
        document.report(line_of(root), f"the root is <{local_name(root)}>; expected <{ROOT}>")
        return None
    if namespace(root) != NAMESPACE:
        found = f"namespace {namespace(root)!r}" if namespace(root) else "no namespace"
        document.report(line_of(root), f"<{ROOT}> is in {found}", f'write xmlns="{NAMESPACE}"')
        return None
    for name in root.attrib:
        if not str(name).startswith("{") and str(name) not in _ROOT_ATTRIBUTES:
            hint = did_you_mean(str(name), _ROOT_ATTRIBUTES)
            document.report(line_of(root), f"<{ROOT}> has no attribute {str(name)!r}; expected 'version'", hint)
    return root


def _report_part(part: Element, document: Document) -> None:
    name = local_name(part)
    if name in _PARTS:
        document.report(line_of(part), f"<{name}> is in the wrong namespace", f"the root's is {NAMESPACE}")
        return
    expected = ", ".join(f"<{known}>" for known in _PARTS)
    hint = did_you_mean(name, _PARTS)
    document.report(line_of(part), f"<{name}> is not expected in <{ROOT}>; expected {expected}", hint)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True  # there, but not for us: reading it says why


def _is_regular(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True


def _identity(path: Path) -> Path:
    """Give what two names of one file have in common."""
    return Path(os.path.realpath(path))


def _line_first(finding: tuple[int, Problem]) -> int:
    return finding[0]
