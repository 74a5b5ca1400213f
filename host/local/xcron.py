"""xcron.xml as a value: what one version of the file holds, and the text of the version after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType

from host.errors import InvalidScheduleError, Problem, XmlError
from host.model.schedules import JobSchedule, ScheduleEntry
from host.santedb.schedules import EXTENSIONS, read_schedules, schedule_elements
from host.santedb.sections import NAMESPACE
from host.santedb.types import normalise_type
from host.triggers import check_schedule
from host.xmlfile import Element, canonical, elements, line_of, local_name, namespace, new_element, parse_xml, serialize

_ROOT = "ArrayOfJobItemConfiguration"
_ENTRY = "JobItemConfiguration"
_SCHEDULE = f"{{{NAMESPACE}}}schedule"
_BOM = b"\xef\xbb\xbf"
_normalise = lru_cache(maxsize=1 << 16)(normalise_type)

EMPTY = f"""\
<?xml version="1.0"?>
<{_ROOT} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:jh="{EXTENSIONS}"/>
""".encode()
"""A file without entries; what a missing one stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Xcron:
    """One version of the file."""

    data: bytes
    entries: Mapping[str, ScheduleEntry]
    """``{job type: entry}``, in file order. One with findings is there, without any schedule."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with single entries, in file order."""
    refused: frozenset[str] = frozenset()
    """Job types whose entry has findings."""


def read_xcron(data: bytes, *, name: str, before: Xcron | None = None, touched: str | None = None) -> Xcron:
    """Read a version of the file; entries that are as they were in ``before`` are taken from there.

    With ``touched`` the entry of that job type is known to be the only one that differs.
    An entry with anything wrong in it is out of force as a whole; it then counts as empty, so that neither a
    part of it nor a fallback fires. Raises XmlError if the file as a whole cannot be read.
    """
    root = parse_xml(data, name=name)
    if root.tag != _ROOT:
        raise XmlError(
            f"the root element is <{local_name(root)}>; expected <{_ROOT}> without a namespace",
            where=f"{name}:{line_of(root)}",
            hint="SanteDB refuses other files too",
        )
    reading = _Reading(name, before, touched)
    for element in elements(root):
        if element.tag == _ENTRY:
            reading.take(element)
        elif local_name(element) == _ENTRY:
            reading.report(element, f"<{_ENTRY}> is expected without a namespace", 'add xmlns=""')
    return Xcron(
        data=data,
        entries=MappingProxyType(reading.entries),
        problems=tuple(reading.problems),
        refused=frozenset(reading.refused),
    )


def rewrite(xcron: Xcron, job_type: str, rows: Sequence[Element] | None) -> bytes:
    """Give the file's text with these rows as the job's entry, or without the entry.

    All other entries, comments and unknown parts stay as they are; inside the entry comments come to stand
    before the rows. Raises ValueError if XML cannot carry the job type.
    """
    root = parse_xml(xcron.data, name="")
    found = [element for element in root.iterchildren(_ENTRY) if _job_type(element) == job_type]
    for element in found if rows is None else found[1:]:
        _remove(element)
    if rows is not None:
        _fill(found[0] if found else _append_entry(root, job_type), rows)
    return _text(root, xcron.data)


@dataclass(slots=True)
class _Reading:
    name: str
    before: Xcron | None
    touched: str | None
    entries: dict[str, ScheduleEntry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    def take(self, element: Element) -> None:
        job_type = _job_type(element)
        if not job_type:
            self.report(element, f"<{_ENTRY}> has no type", "write the job's type name")
            return
        if job_type in self.entries:
            message = f"{job_type} has an entry already at {self.entries[job_type].source}, which is in force"
            self.report(element, message, "put all schedules of a job into one entry")
            return
        source = f"{self.name}:{line_of(element)}"
        old = self._sound_before(job_type)
        if old is not None and self.touched not in (None, job_type):
            self.entries[job_type] = _moved(old, source)
            return
        version = sha256(canonical(element)).hexdigest()[:32]
        schedules = old.schedules if old and old.version == version else self._read(element, job_type)
        self.entries[job_type] = ScheduleEntry(job_type=job_type, schedules=schedules, version=version, source=source)

    def report(self, element: Element, message: str, hint: str) -> None:
        self.problems.append(Problem(message=message, where=f"{self.name}:{line_of(element)}", hint=hint))

    def _sound_before(self, job_type: str) -> ScheduleEntry | None:
        if self.before is None or job_type in self.before.refused:
            return None
        return self.before.entries.get(job_type)

    def _read(self, element: Element, job_type: str) -> tuple[JobSchedule, ...]:
        try:
            return _read_entry(element, self.name)
        except InvalidScheduleError as error:
            self.refused.add(job_type)
            self.problems.extend(error.problems)
            return ()


def _moved(entry: ScheduleEntry, source: str) -> ScheduleEntry:
    return entry if entry.source == source else replace(entry, source=source)


def _job_type(entry: Element) -> str:
    return _normalise(entry.get("type", ""))


def _read_entry(entry: Element, name: str) -> tuple[JobSchedule, ...]:
    parents = [child for child in elements(entry) if local_name(child) == "schedule"]
    for number, parent in enumerate(parents):
        where = f"{name}:{line_of(parent)}"
        if parent.tag != _SCHEDULE:
            raise _refusal(
                Problem(message="<schedule> lacks SanteDB's namespace", where=where, hint=f'xmlns="{NAMESPACE}"')
            )
        if number > 0:
            raise _refusal(Problem(message="a second <schedule> in one entry", where=where, hint="keep one"))
    if not parents:
        return ()
    schedules = read_schedules(parents[0], name=name)
    problems = tuple(_impossible(schedules, schedule_elements(parents[0]), name))
    if problems:
        raise _refusal(*problems)
    return schedules


def _impossible(schedules: Sequence[JobSchedule], rows: Sequence[Element], name: str) -> Iterable[Problem]:
    for schedule, row in zip(schedules, rows, strict=True):
        try:
            check_schedule(schedule, default_timezone="UTC")
        except InvalidScheduleError as error:
            yield Problem(message=error.message, where=f"{name}:{line_of(row)}", hint=error.hint)


def _refusal(*problems: Problem) -> InvalidScheduleError:
    return InvalidScheduleError("the entry cannot be used", problems=problems)


def _append_entry(root: Element, job_type: str) -> Element:
    entry = new_element(_ENTRY)
    entry.set("type", job_type)
    entry.set("startType", "immediate")
    if len(root):
        root[-1].tail = "\n  "
    else:
        root.text = "\n  "
    root.append(entry)
    entry.tail = "\n"
    return entry


def _fill(entry: Element, rows: Sequence[Element]) -> None:
    parents = [child for child in elements(entry) if local_name(child) == "schedule"]
    parent = next((child for child in parents if child.tag == _SCHEDULE), None)
    for other in parents:
        if other is not parent:
            _remove(other)
    if parent is None:
        parent = new_element("schedule", namespace=NAMESPACE, prefixes={None: NAMESPACE})
        entry.insert(0, parent)
        _indent(entry, depth=1)
    for child in list(elements(parent)):
        if namespace(child) in (None, NAMESPACE, EXTENSIONS):
            parent.remove(child)
    parent.extend(rows)
    _indent(parent, depth=2)


def _remove(element: Element) -> None:
    parent, before = element.getparent(), element.getprevious()
    if parent is None:
        return
    if element.getnext() is None:  # its successor is the closing tag, which keeps its place
        if before is not None:
            before.tail = element.tail
        else:
            parent.text = element.tail
    parent.remove(element)


def _indent(parent: Element, *, depth: int) -> None:
    inner, outer = "\n" + "  " * (depth + 1), "\n" + "  " * depth
    children = list(parent)
    parent.text = inner if children else None
    for child in children:
        child.tail = outer if child is children[-1] else inner


def _text(root: Element, like: bytes) -> bytes:
    """Write as the old text was written: byte order mark, declaration, line ends."""
    data = serialize(root, encoding_declared=b"encoding" in like.partition(b"?>")[0])
    if b"\r\n" in like:
        data = data.replace(b"\n", b"\r\n")
    return _BOM + data if like.startswith(_BOM) else data
