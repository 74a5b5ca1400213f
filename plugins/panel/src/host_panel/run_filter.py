"""Which runs a page shows: read from its address, shown as chips that can be removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from host.errors import InvalidRequestError, JobNotFoundError
from host.model.jobs import JobInfo
from host.model.runs import RunFilter, RunState
from host_panel.desk import Desk
from host_panel.reading import read_instant
from host_panel.requests import PanelRequest
from host_panel.words import STATES

FIELDS = ("job", "state", "tenant", "schedule", "since", "until", "text")


@dataclass(frozen=True, slots=True)
class Chip:
    """One part of the filter, and the address without it."""

    text: str
    without: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFilter:
    """A filter as a page shows it."""

    where: RunFilter
    job: JobInfo | None
    chips: Sequence[Chip]
    values: dict[str, str]
    """Of the form's fields."""
    states: frozenset[RunState]
    query: str
    """The same filter as an address's query."""

    @property
    def is_empty(self) -> bool:
        """Say whether every run is shown."""
        return not self.chips


async def read_filter(desk: Desk, request: PanelRequest) -> ShownFilter:
    """Read the filter of a request; raises InvalidRequestError, JobNotFoundError."""
    values = {name: request.query(name) for name in FIELDS if name != "state"}
    states = frozenset(_state(text) for text in request.queries("state"))
    zone = await desk.timezone()
    job = await _job(desk, values["job"])
    job_id = job.id if job else (_uuid("job", values["job"]) if values["job"] else None)
    where = RunFilter(
        job_id=job_id,
        states=states,
        tenant=values["tenant"] or None,
        schedule_id=_uuid("schedule", values["schedule"]) if values["schedule"] else None,
        created_from=_instant("since", values["since"], zone),
        created_until=_instant("until", values["until"], zone),
        text=values["text"] or None,
    )
    chips = [Chip(f"Job: {job.name if job else values['job']}", request.link(job=None, cursor=None))] if job_id else []
    chips += [
        Chip(STATES[state].word, request.link(state=[each for each in states if each is not state], cursor=None))
        for state in RunState
        if state in states
    ]
    words = {
        "tenant": "Tenant: {}",
        "schedule": "Schedule: {}",
        "since": "Created since {}",
        "until": "Created before {}",
        "text": "“{}”",
    }
    chips += [
        Chip(text.format(values[name].replace("T", " ")), request.link(**{name: None, "cursor": None}))
        for name, text in words.items()
        if values[name]
    ]
    query = request.link(cursor=None, action=None).partition("?")[2]
    return ShownFilter(where=where, job=job, chips=chips, values=values, states=states, query=query)


def _state(text: str) -> RunState:
    try:
        return RunState(text)
    except ValueError:
        names = ", ".join(RunState)
        raise InvalidRequestError(f"{text[:40]!r} is no state of a run", hint=f"one of {names}") from None


async def _job(desk: Desk, name: str) -> JobInfo | None:
    if not name:
        return None
    try:
        return await desk.jobs.get_job(name)
    except JobNotFoundError:
        try:
            UUID(name)
        except ValueError:
            pass
        else:
            return None  # an id stands for itself, also of a job that is registered no more
        raise


def _uuid(field: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequestError(f"{field}: {text[:40]!r} is no id") from None


def _instant(field: str, text: str, zone: str) -> datetime | None:
    try:
        return read_instant(text, zone) if text else None
    except ValueError as error:
        raise InvalidRequestError(f"{field}: {text[:40]!r}", hint=str(error)) from None
