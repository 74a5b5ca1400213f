"""The form by which a person runs a job: a field for each declared parameter, and what else can be said of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData

from host.errors import InvalidRequestError
from host.model.jobs import JobInfo, JobParameter, ParameterType
from host.model.json import JsonValue
from host.model.runs import DEFAULT_TENANT, JobRun

PREFIX = "p."
"""Before a parameter's name, in the name of its field."""
LONGEST_VALUE = 500_000
OPTIONS = ("tenant", "priority", "not_before", "expires_at", "timeout", "hold")
_KINDS = {
    ParameterType.STRING: "text",
    ParameterType.INTEGER: "number",
    ParameterType.NUMBER: "number",
    ParameterType.BOOLEAN: "switch",
    ParameterType.DATETIME: "instant",
    ParameterType.JSON: "json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter as it is asked for."""

    name: str
    kind: str
    """``text lines secret number switch choice instant json``."""
    label: str
    hint: str
    value: str
    is_required: bool
    is_whole: bool = False
    minimum: str = ""
    maximum: str = ""
    choices: Sequence[tuple[str, str]] = ()
    """``(value of the field, text)``."""
    has_own: bool = False
    """Whether the job has a value that is not shown, which stays unless another is entered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForm:
    """The whole form, with what was entered so far and what is wrong with it."""

    fields: Sequence[Field]
    options: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    """``{name of the field: sentence}``."""

    @property
    def has_options(self) -> bool:
        """Say whether an option differs from what it is by itself."""
        given = {name for name, value in self.options.items() if value and (name, value) != ("tenant", DEFAULT_TENANT)}
        return bool(given | {name for name in self.errors if name in OPTIONS})


def new_form(job: JobInfo, *, timezone: str, origin: JobRun | None = None) -> RunForm:
    """Give the form as it is first shown: with declared and configured values, or those of an earlier run."""
    secret = {parameter.name for parameter in job.parameters if parameter.secret}
    known = {name: value for name, value in (origin.parameters if origin else {}).items() if name not in secret}
    values = {**job.configured_parameters, **known}
    options = {"tenant": origin.tenant if origin else DEFAULT_TENANT}
    if origin and origin.priority != job.priority:
        options["priority"] = str(origin.priority)
    shown = {each.name: _text(each, values.get(each.name, each.default), timezone) for each in job.parameters}
    return RunForm(fields=_fields(job, shown, timezone), options=options)


def form_again(job: JobInfo, form: FormData, errors: Mapping[str, str], *, timezone: str) -> RunForm:
    """Give the form with what was entered; secrets must be entered anew."""
    shown = {each.name: "" if each.secret else entered(form, PREFIX + each.name) for each in job.parameters}
    return RunForm(
        fields=_fields(job, shown, timezone),
        options={name: entered(form, name)[:200] for name in OPTIONS},
        errors=errors,
    )


def kind_of(parameter: JobParameter, value: str) -> str:
    """Give the kind of field in which a parameter is asked for, with this value in it."""
    if parameter.secret:
        return "secret"
    if parameter.choices:
        return "choice"
    kind = _KINDS[parameter.type]
    if kind == "switch" and parameter.default is None and not parameter.required:
        return "choice"  # yes, no, or neither
    if kind == "text" and ("\n" in value or len(value) > 200):
        return "lines"
    return kind


def entered(form: FormData, name: str) -> str:
    """Give a field as it was entered, empty without it; raises InvalidRequestError for one that is too long."""
    value = form.get(name, "")
    if not isinstance(value, str) or len(value) > LONGEST_VALUE:
        raise InvalidRequestError(f"{name[:80]} is longer than {LONGEST_VALUE:,} characters")
    return value.replace("\r\n", "\n")


def _fields(job: JobInfo, shown: Mapping[str, str], timezone: str) -> Sequence[Field]:
    return [_field(each, shown[each.name], job, timezone) for each in job.parameters]


def _field(parameter: JobParameter, value: str, job: JobInfo, timezone: str) -> Field:
    own = job.configured_parameters.get(parameter.name, parameter.default)
    kind = kind_of(parameter, value)
    choices = [(_json(choice), _choice_words(choice)) for choice in parameter.choices]
    if kind == "choice" and not choices:
        choices = [("true", "Yes"), ("false", "No")]
    if kind == "choice" and (not value or not parameter.required):
        choices.insert(0, ("", "Choose…" if parameter.required and own is None else "As the job decides"))
    return Field(
        name=PREFIX + parameter.name,
        kind=kind,
        label=parameter.name,
        hint=_hint(parameter, timezone if kind == "instant" else None),
        value=value,
        is_required=parameter.required and own is None and kind != "switch",
        is_whole=parameter.type is ParameterType.INTEGER,
        minimum=_bound(parameter.minimum),
        maximum=_bound(parameter.maximum),
        choices=choices,
        has_own=parameter.secret and own is not None,
    )


def _hint(parameter: JobParameter, timezone: str | None) -> str:
    parts = [parameter.description.strip()]
    low, high = _bound(parameter.minimum), _bound(parameter.maximum)
    if low and high:
        parts.append(f"From {low} to {high}.")
    elif low or high:
        parts.append(f"At least {low}." if low else f"At most {high}.")
    if timezone:
        parts.append(f"Time in {timezone}.")
    if parameter.type is ParameterType.JSON:
        parts.append('JSON: a number, a "text", a [list] or an {"object": 1}.')
    sentences = [part if part[-1] in ".!?…" else f"{part}." for part in parts if part]
    return " ".join(sentences)


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:.15g}"


def _choice_words(choice: JsonValue) -> str:
    return choice if isinstance(choice, str) else _json(choice)


def _json(value: JsonValue, *, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _text(parameter: JobParameter, value: JsonValue, timezone: str) -> str:
    """Give a value as its field has it."""
    if value is None or parameter.secret:
        return ""
    if parameter.choices:
        return _json(value)
    if parameter.type is ParameterType.JSON:
        return _json(value, indent=2 if isinstance(value, dict | list) and value else None)
    if isinstance(value, bool):
        return "true" if value else "false"
    if parameter.type is ParameterType.DATETIME and isinstance(value, str):
        return _wall_text(value, timezone)
    return value if isinstance(value, str) else _json(value)


def _wall_text(value: str, timezone: str) -> str:
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return value
    local = instant.astimezone(ZoneInfo(timezone)) if instant.tzinfo else instant
    return local.replace(tzinfo=None, microsecond=0).isoformat()
