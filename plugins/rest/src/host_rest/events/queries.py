"""What a client asks for: its filters, and where it resumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl
from uuid import UUID

from host.contracts.http import Scope
from host.contracts.jobs import JobManagerService
from host.errors import InvalidRequestError, JobNotFoundError, Problem
from host.model.runs import RunState
from host_rest.events.selection import Selection

MAX_DIGITS = 18
_SINGLE = frozenset({"job", "tenant", "after"})
_KNOWN = _SINGLE | {"state"}


async def read_selection(scope: Scope, jobs: JobManagerService) -> tuple[Selection, int]:
    """Give what runs are asked for, and after which change; -1 for from now on.

    ``Last-Event-ID`` counts for more than ``after``: a browser that connects again sends both. Raises
    InvalidRequestError with every problem, JobNotFoundError.
    """
    given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    problems = _problems(given)
    states = [value for name, value in given if name == "state"]
    single = {name: value for name, value in given if name in _SINGLE}
    after = _after(last_event_id(scope), single, problems)
    problems += [_unknown_state(state) for state in states if state not in list(RunState)]
    if problems:
        raise InvalidRequestError("the events asked for cannot be given", problems=problems)
    job = single.get("job")
    return Selection(
        job_id=None if job is None else await _job_id(job, jobs),
        states=frozenset(map(RunState, states)),
        tenant=single.get("tenant"),
    ), after


def last_event_id(scope: Scope) -> str | None:
    """Give the id of the last event that a client has got; None if it says none."""
    found = [value for name, value in scope["headers"] if name == b"last-event-id"]
    return found[-1].decode("utf-8", "replace").strip() or None if found else None


def refuse_parameters(scope: Scope) -> None:
    """Raise InvalidRequestError for a request with query parameters where there are none."""
    if scope["query_string"]:
        raise InvalidRequestError("this stream takes no query parameters", hint="resume by Last-Event-ID")


def _problems(given: Sequence[tuple[str, str]]) -> list[Problem]:
    names = [name for name, _ in given]
    found = [
        Problem(message=f"unknown query parameter {name[:80]!r}", hint=f"known are {', '.join(sorted(_KNOWN))}")
        for name in names
        if name not in _KNOWN
    ]
    repeated = {name for name in names if name in _SINGLE and names.count(name) > 1}
    return found + [Problem(message=f"query parameter {name!r} is given more than once") for name in sorted(repeated)]


def _after(header: str | None, single: Mapping[str, str], problems: list[Problem]) -> int:
    name, text = ("Last-Event-ID", header) if header is not None else ("after", single.get("after", "-1"))
    if text == "-1" or (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        return int(text)
    hint = "give the id of the last event you got; -1 begins now"
    problems.append(Problem(message=f"{name}: expected the number of a change, not {text[:40]!r}", hint=hint))
    return -1


def _unknown_state(state: str) -> Problem:
    return Problem(message=f"unknown state {state[:40]!r}", hint=f"known are {', '.join(RunState)}")


async def _job_id(job: str, jobs: JobManagerService) -> UUID:
    try:
        return (await jobs.get_job(job)).id
    except JobNotFoundError:
        try:
            return UUID(job)  # of a job that is registered no more: its runs are still there
        except ValueError:
            pass
        raise
