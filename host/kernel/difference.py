"""What differs between two configurations, in words that show no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from host.contracts.host import ConfigurationChange
from host.engine.scheduler import SchedulerSettings
from host.errors import ConfigurationError, HostError
from host.kernel.catalogue import Catalogue
from host.kernel.elements import SectionElement
from host.kernel.hostconfig import HostConfig, ProviderRow
from host.kernel.references import HIDDEN, redact
from host.kernel.settings import bind_settings
from host.model.schedules import JobSchedule
from host.santedb.jobs import ConfiguredJob, JobConfiguration
from host.santedb.sections import JOB_SECTION
from host.triggers import describe

SHOWN_CHARACTERS = 200
"""A value longer than this is cut."""

_SECRET_NAME = re.compile(
    r"pass(word|phrase|wd)|pwd|secret|token|credential|(api|access|private|signing)[-_.]?key", re.IGNORECASE
)
_SECRET_INSIDE = re.compile(r"(password|pwd|secret|token)\s*=|://[^/\s@]*:[^/\s@]+@", re.IGNORECASE)
"""Connection strings and addresses with a password in them."""
_WHOLE_WORDS = 6
"""A value that came from a reference and is at least this long hides every value that holds it."""


def differences(before: HostConfig, after: HostConfig, catalogue: Catalogue) -> tuple[ConfigurationChange, ...]:
    """Give what differs, as ``ReloadReport.changes`` wants it: providers, sections, jobs, each in file order.

    Values that came from references, attributes whose names mean secrets and secret parameters show as ``(hidden)``.
    What is gone stands after what is there.
    """
    secrets = frozenset(secret for config in (before, after) for secret in _secrets(config))
    return (
        *_provider_changes(before.providers, after.providers, secrets),
        *_section_changes(before, after, secrets),
        *_job_changes(before, after, catalogue, secrets),
    )


def _secrets(config: HostConfig) -> Iterator[str]:
    for element in (*config.sections.values(), *config.named_sections.values()):
        yield from element.source.secrets


def _provider_changes(
    before: Iterable[ProviderRow], after: Iterable[ProviderRow], secrets: frozenset[str]
) -> Iterator[ConfigurationChange]:
    old = {(row.type, row.name): row for row in before}
    new = {(row.type, row.name): row for row in after}
    old_order = [key for key in old if key in new]
    new_order = [key for key in new if key in old]
    for key, row in (*new.items(), *((key, row) for key, row in old.items() if key not in new)):
        if key in old and key in new:
            was: str | None = f"place {old_order.index(key) + 1}"
            now: str | None = f"place {new_order.index(key) + 1}"
        else:
            was, now = ("listed" if key in old else None), ("listed" if key in new else None)
        if was != now:
            name = redact(row.type, secrets) + (f" name={row.name}" if row.name else "")
            where = row.where if key in new else None
            yield ConfigurationChange(what="provider", name=name, before=was, after=now, where=where)


@dataclass(frozen=True, slots=True)
class _Value:
    """One attribute or text of a section."""

    text: str
    where: str
    is_secret: bool = False

    def shown(self, secrets: frozenset[str]) -> str:
        return HIDDEN if self.is_secret or _holds_secret(self.text, secrets) else _cut(self.text)


def _section_changes(before: HostConfig, after: HostConfig, secrets: frozenset[str]) -> Iterator[ConfigurationChange]:
    old, new = _sections_of(before), _sections_of(after)
    for key in (*new, *(key for key in old if key not in new)):
        name = key[0] + (f" name={key[1]}" if key[1] else "")
        change = ConfigurationChange(what="section", name=name)
        if key not in new:
            yield replace(change, before=_summary(old[key], secrets))
        elif key not in old:
            yield replace(change, after=_summary(new[key], secrets), where=new[key].where)
        else:
            yield from _value_changes(change, old[key], new[key], secrets)


def _sections_of(config: HostConfig) -> Mapping[tuple[str, str | None], SectionElement]:
    """Give the sections in force in file order; jobs are compared as jobs."""
    found = {(kind, element.attributes.get("name")): element for kind, element in config.sections.items()}
    found.update({(kind, name): element for (kind, name), element in config.named_sections.items()})
    files = {file: number for number, file in enumerate(config.files)}
    keys = sorted(found, key=lambda key: (files.get(found[key].source.path.absolute(), 0), _line(found[key])))
    return {key: found[key] for key in keys if key[0] != JOB_SECTION}


def _line(element: SectionElement) -> int:
    return int(element.where.rpartition(":")[2])


def _value_changes(
    change: ConfigurationChange, old: SectionElement, new: SectionElement, secrets: frozenset[str]
) -> Iterator[ConfigurationChange]:
    before, after = dict(_values(old)), dict(_values(new))
    for name in (*after, *(name for name in before if name not in after)):
        was, now = before.get(name), after.get(name)
        if was is not None and now is not None and was.text == now.text:
            continue
        yield replace(
            change,
            name=f"{change.name} {name}",
            before=was.shown(secrets) if was else None,
            after=now.shown(secrets) if now else None,
            where=now.where if now else None,
        )
    if old.source.path.parent != new.source.path.parent:
        folders = str(old.source.path.parent), str(new.source.path.parent)
        name = f"{change.name} (folder of relative paths)"
        yield replace(change, name=name, before=folders[0], after=folders[1], where=new.where)


def _values(element: SectionElement, path: str = "") -> Iterator[tuple[str, _Value]]:
    """Give every attribute and text below a section: ``recipients/add[2] address``; providers are left out."""
    attributes = element.attributes
    is_secret = _means_secret(path) or any(_means_secret(attributes.get(key, "")) for key in ("key", "name"))
    for name, text in attributes.items():
        hides = _means_secret(name) or (is_secret and name not in ("key", "name"))
        yield f"{path} {name}".strip(), _Value(text, element.where, hides)
    if element.text:
        yield path or "text", _Value(element.text, element.where, is_secret)
    seen: dict[str, int] = {}
    for child in element.children():
        seen[child.name] = number = seen.get(child.name, 0) + 1
        if path or child.name != "serviceProviders":
            step = child.name if number == 1 else f"{child.name}[{number}]"
            yield from _values(child, f"{path}/{step}".strip("/"))


def _summary(element: SectionElement, secrets: frozenset[str]) -> str:
    values = [f"{name}={value.shown(secrets)}" for name, value in _values(element)]
    return _cut(", ".join(values)) or "without attributes"


def _job_changes(
    before: HostConfig, after: HostConfig, catalogue: Catalogue, secrets: frozenset[str]
) -> Iterator[ConfigurationChange]:
    old, new = _jobs_of(before, catalogue), _jobs_of(after, catalogue)
    zones = _timezone(before), _timezone(after)
    for job_type in (*new, *(job_type for job_type in old if job_type not in new)):
        was, now = old.get(job_type), new.get(job_type)
        before_words = _job_words(was, catalogue, zones[0], secrets) if was else {}
        after_words = _job_words(now, catalogue, zones[1], secrets) if now else {}
        change = ConfigurationChange(what="job", name=job_type, where=now.where if now else None)
        if was is None or now is None:
            yield replace(change, before=_told(before_words), after=_told(after_words))
            continue
        for name, differs in _compared(was, now).items():
            if differs:
                yield replace(change, name=f"{job_type} {name}", before=before_words[name], after=after_words[name])


def _jobs_of(config: HostConfig, catalogue: Catalogue) -> Mapping[str, ConfiguredJob]:
    jobs = bind_settings(JobConfiguration, config).jobs
    return {catalogue.resolve_job(job.job_type) or job.job_type: job for job in jobs}


def _timezone(config: HostConfig) -> str:
    try:
        return bind_settings(SchedulerSettings, config).timezone
    except ConfigurationError:
        return "UTC"  # nobody schedules here, else the configuration had been refused


def _compared(was: ConfiguredJob, now: ConfiguredJob) -> Mapping[str, bool]:
    return {
        "startType": was.start_type is not now.start_type,
        "parameters": was.parameters != now.parameters,
        "schedule": was.schedules != now.schedules,
    }


def _job_words(
    job: ConfiguredJob, catalogue: Catalogue, timezone: str, secrets: frozenset[str]
) -> Mapping[str, str | None]:
    info = catalogue.infos.get(catalogue.resolve_job(job.job_type) or "")
    hidden = {number for number, each in enumerate(info.parameters if info else ()) if each.secret}
    values = []
    for number, value in enumerate(job.parameters):
        is_secret = number in hidden or _holds_secret(str(value), secrets)
        values.append(HIDDEN if is_secret else json.dumps(value, ensure_ascii=False))
    return {
        "startType": job.start_type.value,
        "parameters": _cut(", ".join(values)) or None,
        "schedule": _cut("; ".join(_schedule_words(schedule, timezone) for schedule in job.schedules)) or None,
    }


def _schedule_words(schedule: JobSchedule, timezone: str) -> str:
    try:
        words = describe(schedule, default_timezone=timezone)
    except HostError as error:
        return f"never ({error})"
    details = [f"misfire {schedule.misfire.value}"]
    details += ["with parameters"] if schedule.parameters else []
    return f"{words} ({', '.join(details)})"


def _told(words: Mapping[str, str | None]) -> str | None:
    return "; ".join(f"{name} {text}" for name, text in words.items() if text) or None


def _means_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _holds_secret(text: str, secrets: frozenset[str]) -> bool:
    if text in secrets or _SECRET_INSIDE.search(text):
        return True
    return any(len(secret) >= _WHOLE_WORDS and secret in text for secret in secrets)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"
