"""SanteDB's schedule XML, with what this project adds to it in a namespace of its own, as JobSchedule and back."""

from __future__ import annotations

from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Never

from host.errors import InvalidScheduleError, Problem
from host.model.schedules import NO_START_YEAR, JobSchedule, ScheduleKind
from host.santedb.attributes import ATTRIBUTES, MAX_INTERVAL_SECONDS, REQUIRED, parse_whole_seconds, write_value
from host.santedb.sections import NAMESPACE
from host.xmlfile import Element, elements, line_of, local_name, namespace, new_element

EXTENSIONS = "urn:jobhost:xcron:1"
"""Namespace of ``<jh:add>`` and of the ``jh:`` attributes; SanteDB ignores all of it."""
PREFIX = "jh"

_ADD = f"{{{NAMESPACE}}}add"
_OUR_ADD = f"{{{EXTENSIONS}}}add"
_SANTEDBS = ("type", "days", "start", "stop", "interval")
_EXTENSIONS = tuple(name for name in ATTRIBUTES if name not in (*_SANTEDBS, "expression", "dialect"))
_ON_ADD = {**{name: name for name in _SANTEDBS}, **{f"{{{EXTENSIONS}}}{name}": name for name in _EXTENSIONS}}
_ON_OUR_ADD = {name: name for name in ("type", *ATTRIBUTES)}
_KINDS = {kind.value: kind for kind in ScheduleKind}
_NO_START = f"{NO_START_YEAR:04}-01-01T00:00:00"
_SECOND = timedelta(seconds=1)


def read_schedules(parent: Element, *, name: str) -> tuple[JobSchedule, ...]:
    """Give the schedules of a ``<schedule>`` element, in file order; ``name`` stands for the file in messages.

    Ignored are elements and attributes of foreign namespaces, and on ``<add>`` what SanteDB ignores. Whether a
    schedule can ever fire is not judged here. Raises InvalidScheduleError, whose ``problems`` hold every
    finding with ``name:line``.
    """
    problems: list[Problem] = []
    schedules: list[JobSchedule] = []
    places: dict[str, str] = {}
    for element in elements(parent):
        row = _Row(element, f"{name}:{line_of(element)}", problems)
        schedule = _read_row(row) if row.is_schedule else None
        if schedule is None:
            continue
        if schedule.id and schedule.id in places:
            row.report(f"{row.shown('id')}={schedule.id!r} is taken by {places[schedule.id]}", "choose another")
        places[schedule.id or ""] = row.where
        schedules.append(schedule)
    if problems:
        raise InvalidScheduleError("the schedules cannot be used", where=f"{name}:{line_of(parent)}", problems=problems)
    return tuple(schedules)


def schedule_elements(parent: Element) -> list[Element]:
    """Give the elements that hold a schedule: those that ``read_schedules`` reads, in the same order."""
    return [element for element in elements(parent) if element.tag in (_ADD, _OUR_ADD)]


def write_schedule(schedule: JobSchedule) -> Element:
    """Give the element that ``read_schedules`` reads as this schedule.

    What SanteDB knows becomes its ``<add>``, with the rest in ``jh:`` attributes; all else becomes
    ``<jh:add>``. Raises InvalidScheduleError for a schedule that lacks what its kind needs, sets what its kind
    does not have, or holds what XML or JSON cannot carry.
    """
    _check_fields(schedule)
    if not _is_santedbs(schedule):
        element = new_element("add", namespace=EXTENSIONS, prefixes={PREFIX: EXTENSIONS})
        element.set("type", schedule.kind.value)
        for name, text in _texts(schedule).items():
            _set(element, name, name, text)
        return element
    texts = _texts(schedule)
    extensions: dict[str | None, str] = {} if texts.keys() <= set(_SANTEDBS) else {PREFIX: EXTENSIONS}
    element = new_element("add", namespace=NAMESPACE, prefixes={None: NAMESPACE, **extensions})
    element.set("type", "scheduled")
    if schedule.interval is not None:
        element.set("type", "interval")
        element.set("start", _NO_START)
        texts["interval"] = str(schedule.interval // _SECOND)
    for name, text in texts.items():
        _set(element, name if name in _SANTEDBS else f"{{{EXTENSIONS}}}{name}", name, text)
    return element


class _Row:
    """One ``<add>`` or ``<jh:add>``: its attributes by plain name, and a place for findings."""

    def __init__(self, element: Element, where: str, problems: list[Problem]) -> None:
        self.where = where
        self.is_ours = element.tag == _OUR_ADD
        self.is_schedule = self.is_ours or element.tag == _ADD
        self.values: dict[str, str] = {}
        self._problems = problems
        self._before = len(problems)
        if self.is_schedule:
            self._take_attributes(element)
        elif namespace(element) in (None, NAMESPACE, EXTENSIONS):
            self.report(
                f"<{local_name(element)}> is not expected", "a schedule is <add>, as SanteDB has it, or <jh:add>"
            )

    @property
    def is_sound(self) -> bool:
        return len(self._problems) == self._before

    def report(self, message: str, hint: str | None = None) -> None:
        self._problems.append(Problem(message=message, where=self.where, hint=hint))

    def shown(self, name: str) -> str:
        return name if self.is_ours or name in _SANTEDBS else f"{PREFIX}:{name}"

    def _take_attributes(self, element: Element) -> None:
        known = _ON_OUR_ADD if self.is_ours else _ON_ADD
        for key, text in element.items():
            name = known.get(key)
            if name is not None:
                self.values[name] = text
            elif not key.startswith("{") or key.startswith(f"{{{EXTENSIONS}}}"):
                self._judge(key.rpartition("}")[2], is_prefixed=key.startswith("{"))

    def _judge(self, name: str, *, is_prefixed: bool) -> None:
        if not self.is_ours and not is_prefixed and name not in ATTRIBUTES:
            return  # SanteDB ignores it
        written = f"{PREFIX}:{name}" if is_prefixed else name
        known = ATTRIBUTES if self.is_ours else _EXTENSIONS
        if name in known:
            hint = f"write {self.shown(name)}"
        elif name in ATTRIBUTES:
            hint = 'write <jh:add type="cron" …/>' if name not in _SANTEDBS else f"write {name}"
        else:
            close = get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {self.shown(close[0])}?" if close else f"known are {', '.join(map(self.shown, known))}"
            )
        self.report(f"attribute {written} is not expected on <{'jh:add' if self.is_ours else 'add'}>", hint)


def _read_row(row: _Row) -> JobSchedule | None:
    kind = _take_kind(row)
    if kind is None:
        return None
    fields: dict[str, object] = {}
    for name, text in row.values.items():
        attribute = ATTRIBUTES[name]
        if attribute.kind not in (None, kind):
            if row.is_ours or name in _EXTENSIONS:
                row.report(f"{row.shown(name)} means nothing for {kind.value} schedules", "remove it")
            continue
        read = parse_whole_seconds if name == "interval" and not row.is_ours else attribute.read
        try:
            fields[attribute.field] = read(text)
        except ValueError as error:
            row.report(f'{row.shown(name)}="{text[:80]}": {error}')
    for name in REQUIRED[kind]:
        if name not in row.values:
            row.report(f"attribute {name} is missing: {kind.value} schedules need it")
    if not row.is_sound:
        return None
    start = fields.get("start")
    if (
        kind is ScheduleKind.INTERVAL
        and not row.is_ours
        and isinstance(start, datetime)
        and start.year == NO_START_YEAR
    ):
        del fields["start"]
    return JobSchedule(kind=kind, **fields)  # type: ignore[arg-type]  # each attribute reads its field's type


def _take_kind(row: _Row) -> ScheduleKind | None:
    """Take ``type``, and ``days`` if it is empty, out of the row."""
    if not row.values.get("days", "").strip():
        row.values.pop("days", None)
    given = row.values.pop("type", None)
    if row.is_ours:
        if given is None or given not in _KINDS:
            row.report(f"type={given!r}: expected one of {', '.join(_KINDS)}")
            return None
        return _KINDS[given]
    match given or ("interval" if "interval" in row.values else "scheduled"):
        case "interval":
            return ScheduleKind.INTERVAL
        case "scheduled":
            return ScheduleKind.CALENDAR if "days" in row.values else ScheduleKind.ONCE
    hint = f"SanteDB would lose the whole file; write <jh:add type={given!r} …/>" if given in _KINDS else None
    row.report(f"type={given!r}: expected scheduled or interval", hint)
    return None


def _check_fields(schedule: JobSchedule) -> None:
    for name, attribute in ATTRIBUTES.items():
        value = getattr(schedule, attribute.field)
        if attribute.kind not in (None, schedule.kind) and value not in (None, attribute.default):
            _refuse(name, f"means nothing for {schedule.kind.value} schedules")
        if name in REQUIRED[schedule.kind] and value in (None, attribute.default):
            _refuse(name, f"is missing: {schedule.kind.value} schedules need it")


def _is_santedbs(schedule: JobSchedule) -> bool:
    if schedule.interval is None:
        return schedule.kind is not ScheduleKind.CRON
    if schedule.start is not None and schedule.start.year == NO_START_YEAR:
        return False  # there it would mean that there is none
    return not schedule.interval % _SECOND and schedule.interval // _SECOND <= MAX_INTERVAL_SECONDS


def _texts(schedule: JobSchedule) -> dict[str, str]:
    texts = {}
    for name, attribute in ATTRIBUTES.items():
        value = getattr(schedule, attribute.field)
        if value is None or value == attribute.default:
            continue
        try:
            texts[name] = write_value(value)
        except (ValueError, TypeError, OverflowError) as error:
            _refuse(name, f"cannot be stored: {error}", error)
    return texts


def _set(element: Element, key: str, name: str, text: str) -> None:
    try:
        element.set(key, text)
    except ValueError as error:
        _refuse(name, "cannot be stored: it holds characters that XML does not have", error)


def _refuse(name: str, reason: str, cause: Exception | None = None) -> Never:
    raise InvalidScheduleError(f"{name} {reason}") from cause
