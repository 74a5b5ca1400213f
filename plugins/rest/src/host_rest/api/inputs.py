"""The values requests are made of, read strictly: instants with an offset, ISO 8601 durations, no guessing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StringConstraints, WithJsonSchema
from pydantic import model_validator as validator
from pydantic_core import PydanticCustomError

from host.errors import WireError
from host.wire import from_wire
from host_rest.api.strict import unknown

LONGEST_TEXT = 4_000
DURATION = r"P(?!$)(\d{1,5}D)?(T(?=\d)(\d{1,6}H)?(\d{1,8}M)?(\d{1,9}(\.\d{1,6})?S)?)?"
"""What durations look like in requests."""
ANY_DURATION = f"-?{DURATION.replace('{1,5}D', '{1,9}D')}"
"""What they look like in answers, and where a schedule says them."""
LONGEST_SEARCH = 1_000
"""Characters of what is looked for in runs."""
SMALLEST, LARGEST = -(2**31), 2**31 - 1


class Body(BaseModel):
    """A JSON object of a request; members that are not declared are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, value: object) -> object:
        if isinstance(value, dict):
            for name in value:
                if name not in cls.model_fields:
                    found = unknown("member", str(name), cls.model_fields)
                    raise PydanticCustomError("unknown_member", "{text}", {"text": found.message, "hint": found.hint})
        return value


def _instant(value: Any) -> object:
    instant = _wall_time(value)
    if not isinstance(instant, datetime):
        return instant
    if instant.tzinfo is None:
        raise PydanticCustomError("instant", "it says no offset", {"hint": "append Z for UTC"})
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant", "it is beyond what can be reckoned with") from None


def _wall_time(value: Any) -> object:
    if value is None or isinstance(value, datetime):
        return value
    try:
        return from_wire(value, datetime)
    except WireError:
        raise PydanticCustomError(
            "instant", "it is no instant of RFC 3339", {"hint": "e.g. 2026-03-29T02:30:00Z"}
        ) from None


def _digits(value: Any) -> object:
    if isinstance(value, str) and not re.fullmatch(r"-?\d{1,20}", value, re.ASCII):
        raise PydanticCustomError("whole", "it is no whole number", {"hint": "write digits alone, e.g. 50"})
    return value


def _duration(value: Any) -> object:
    if value is None or isinstance(value, timedelta):
        return value
    if isinstance(value, str) and re.fullmatch(DURATION, value, re.ASCII):
        return from_wire(value, timedelta)
    raise PydanticCustomError("duration", "it is no duration of ISO 8601", {"hint": "e.g. PT90S, PT15M, P1DT12H"})


def _any_duration(value: Any) -> object:
    if isinstance(value, str) and re.fullmatch(ANY_DURATION, value, re.ASCII):
        try:
            return from_wire(value, timedelta)
        except WireError:
            raise PydanticCustomError("duration", "it is longer than what can be reckoned with") from None
    return _duration(value)


Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
"""With an offset."""
WallTime = Annotated[
    datetime,
    BeforeValidator(_wall_time),
    WithJsonSchema(
        {
            "type": "string",
            "description": "RFC 3339; without an offset it is wall time in the schedule's zone.",
            "pattern": r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})?$",
        }
    ),
]
"""With an offset, or wall time in the schedule's zone."""
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema(
        {
            "type": "string",
            "description": "ISO 8601, of days, hours, minutes and seconds: PT90S, P1DT12H.",
            "pattern": f"^{DURATION}$",
        }
    ),
]
AnyDuration = Annotated[
    timedelta,
    BeforeValidator(_any_duration),
    WithJsonSchema(
        {
            "type": "string",
            "description": "ISO 8601, of days, hours, minutes and seconds: PT90S, P1DT12H.",
            "pattern": f"^{ANY_DURATION}$",
        }
    ),
]
"""One that is checked by whoever takes it, also for its sign."""
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, strip_whitespace=True)]
Whole = Annotated[int, BeforeValidator(_digits)]
"""A whole number of a query, in digits alone."""
Number = Annotated[StrictInt, Field(ge=SMALLEST, le=LARGEST)]
"""What 32 bits hold."""
