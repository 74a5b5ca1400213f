"""Reading what a person entered to run a job; whatever is wrong is told beside its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.datastructures import FormData

from host.errors import HostError, InvalidParameterError, WireError
from host.model.jobs import JobInfo, JobParameter, ParameterType
from host.model.json import JsonObject, JsonValue
from host.model.parameters import check_parameters
from host.model.runs import DEFAULT_TENANT
from host.model.submissions import RunSubmission
from host.wire import from_json
from host_panel.reading import read_instant, read_span, read_whole
from host_panel.run_form import OPTIONS, PREFIX, entered, kind_of

LONGEST_TENANT = 200


class EntryError(Exception):
    """What was entered cannot be read; ``errors`` says what is wrong: ``{name of the field: sentence}``."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


def read_submission(
    job: JobInfo, form: FormData, *, timezone: str, now: datetime, owner: str | None, trace: str | None
) -> RunSubmission:
    """Read what was entered; raises EntryError with everything that is wrong."""
    errors: dict[str, str] = {}
    parameters = _read_parameters(job, form, timezone, errors)
    options = _read_options(form, timezone, now, errors)
    if errors:
        errors = {**_complaints(job, parameters), **errors}
        raise EntryError(errors)
    return RunSubmission(
        job=str(job.id),
        parameters=parameters,
        owner=owner,
        trace_id=trace,
        tenant=options.tenant,
        priority=options.priority,
        not_before=options.not_before,
        expires_at=options.expires_at,
        timeout=options.timeout,
        hold=options.hold,
    )


def errors_of(job: JobInfo, error: HostError) -> Mapping[str, str]:
    """Give what the host says of parameters by the fields it is about; of what is about none, under ``""``."""
    found: dict[str, str] = {}
    for problem in error.problems:
        about = next((each for each in job.parameters if problem.message.startswith(f"parameter {each.name!r} ")), None)
        if about is None:
            found[""] = f"{found[''] + '; ' if '' in found else ''}{problem.message}"
        else:
            said = problem.message.removeprefix(f"parameter {about.name!r} ")
            found[PREFIX + about.name] = f"{said[:1].upper()}{said[1:]}."
    return found or {"": error.message}


def is_plain(submission: RunSubmission) -> bool:
    """Say whether nothing is said of the run but its parameters."""
    plain = RunSubmission(job=submission.job, parameters=submission.parameters)
    return all(getattr(submission, name) == getattr(plain, name) for name in OPTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    tenant: str
    priority: int | None
    not_before: datetime | None
    expires_at: datetime | None
    timeout: timedelta | None
    hold: bool


def _read_parameters(job: JobInfo, form: FormData, timezone: str, errors: dict[str, str]) -> JsonObject:
    given: dict[str, JsonValue] = {}
    for parameter in job.parameters:
        name = PREFIX + parameter.name
        text = entered(form, name)
        own = job.configured_parameters.get(parameter.name, parameter.default)
        if kind_of(parameter, text) == "switch":
            given[parameter.name] = text == "true"
        elif text.strip() or (text == "" and _is_emptied(parameter, own)):
            try:
                given[parameter.name] = _value(parameter, text, timezone)
            except ValueError as error:
                errors[name] = str(error)
    return given


def _is_emptied(parameter: JobParameter, own: JsonValue) -> bool:
    """Say whether an empty field is an empty text: somebody took away what stood there."""
    is_text = parameter.type is ParameterType.STRING and not parameter.choices and not parameter.secret
    return is_text and isinstance(own, str) and own != ""


def _value(parameter: JobParameter, text: str, timezone: str) -> JsonValue:
    """Read a field; numbers stay text, which the host reads and judges."""
    if parameter.secret and parameter.type is not ParameterType.JSON:
        return text
    if parameter.choices or parameter.type is ParameterType.JSON:
        try:
            return from_json(text, object)
        except WireError as error:
            raise ValueError(f"This is not JSON: {str(error).rpartition(': ')[2]}.") from error
    if parameter.type is ParameterType.DATETIME:
        return read_instant(text.strip(), timezone).isoformat()
    return text if parameter.type is ParameterType.STRING else text.strip()


def _read_options(form: FormData, timezone: str, now: datetime, errors: dict[str, str]) -> _Options:
    texts = {name: entered(form, name).strip() for name in OPTIONS}

    def instant(name: str) -> datetime | None:
        try:
            return read_instant(texts[name], timezone).astimezone(UTC) if texts[name] else None
        except ValueError as error:
            errors[name] = str(error)
            return None

    not_before, expires_at = instant("not_before"), instant("expires_at")
    if expires_at is not None and expires_at <= max(now, not_before or now):
        errors["expires_at"] = "This must be later than now." if expires_at <= now else "This is before it may start."
    if len(texts["tenant"]) > LONGEST_TENANT:
        errors["tenant"] = f"At most {LONGEST_TENANT} characters."
    return _Options(
        tenant=texts["tenant"] or DEFAULT_TENANT,
        priority=_read_priority(texts["priority"], errors),
        not_before=not_before,
        expires_at=expires_at,
        timeout=_read_timeout(texts["timeout"], errors),
        hold=texts["hold"] == "true",
    )


def _read_priority(text: str, errors: dict[str, str]) -> int | None:
    try:
        return read_whole(text) if text else None
    except ValueError as error:
        errors["priority"] = str(error)
        return None


def _read_timeout(text: str, errors: dict[str, str]) -> timedelta | None:
    try:
        return read_span(text) if text else None
    except ValueError as error:
        errors["timeout"] = str(error)
        return None


def _complaints(job: JobInfo, parameters: JsonObject) -> Mapping[str, str]:
    """Give what else the host would say, so that people learn of everything at once."""
    try:
        check_parameters(job, parameters)
    except InvalidParameterError as error:
        return errors_of(job, error)
    return {}
