"""Cron expressions in English, for the common shapes only; silent about all others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from host.model.schedules import CronDialect
from host.triggers.cron import split_cron
from host.triggers.cron_fields import FIELDS, FieldValues, is_hashed, read_field

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    *("", "January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WHICH = ("last", "first", "second", "third", "fourth", "fifth")
_STEP = re.compile(r"\*/(\d+)")
_LIST = re.compile(r"\d+(,\d+)*")
_RANGE = re.compile(r"\d+-\d+")
_MOST_TIMES = 6


def cron_words(expression: str, dialect: CronDialect) -> str | None:
    """Explain a valid expression, e.g. ``at 03:00 on Monday to Friday``; None where no explanation is certain."""
    fields = split_cron(expression)
    if any(map(is_hashed, fields)):
        return None
    read = [read_field(field, text, dialect) for field, text in zip(FIELDS, fields, strict=True)]
    times = _times(fields, read)
    days = _days(read[3], read[5])
    months = "" if read[4].is_any else f" in {_names(read[4].values, _MONTHS)}"
    if times is None or days is None:
        return None
    if times.startswith("at ") and not days:
        days = " every day"
    return f"{times}{days}{months}"


def join_words(words: Sequence[str]) -> str:
    """Join words by commas and a last ``and``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _times(fields: Sequence[str], read: Sequence[FieldValues]) -> str | None:
    second, minute, hour = fields[:3]
    if second != "0":
        return _every(second, 60, "second") if (minute, hour) == ("*", "*") else None
    minutes = read[1].values
    if hour == "*" and not _LIST.fullmatch(minute):
        return _every(minute, 60, "minute")
    if hour == "*":
        return "every hour" if minutes == (0,) else f"every hour at minute {join_words([*map(str, minutes)])}"
    return _hours(minute, hour, minutes, read[2].values)


def _hours(minute: str, hour: str, minutes: Sequence[int], hours: Sequence[int]) -> str | None:
    if _LIST.fullmatch(hour) and _LIST.fullmatch(minute) and len(hours) * len(minutes) <= _MOST_TIMES:
        return "at " + join_words([f"{at:02}:{of:02}" for at in hours for of in minutes])
    if minute == "0" and _STEP.fullmatch(hour):
        return _every(hour, 24, "hour")
    if len(minutes) == 1 and _RANGE.fullmatch(hour) and hours[-1] - hours[0] == len(hours) - 1:
        return f"every hour from {hours[0]:02}:{minutes[0]:02} to {hours[-1]:02}:{minutes[0]:02}"
    return None


def _every(text: str, cycle: int, unit: str) -> str | None:
    """Explain ``*`` and those steps that divide the cycle; others are uneven at its end."""
    if text == "*":
        return f"every {unit}"
    step = _STEP.fullmatch(text)
    number = int(step[1]) if step else 0
    if number < 1 or number > cycle // 2 or cycle % number:
        return None
    return f"every {unit}" if number == 1 else f"every {number} {unit}s"


def _days(days: FieldValues, weekdays: FieldValues) -> str | None:
    if days.is_any:
        return "" if weekdays.is_any else _weekdays(weekdays)
    if not weekdays.is_any or days.nearest_weekday is not None or (days.is_last_day and days.values):
        return None
    if days.is_last_day:
        return " on the last day of the month"
    numbers = join_words([*map(str, days.values)])
    return f" on day{'' if len(days.values) == 1 else 's'} {numbers} of the month"


def _weekdays(weekdays: FieldValues) -> str:
    if weekdays.nth:
        which = [f"the {_WHICH[number]} {_WEEKDAYS[day]}" for day, number in weekdays.nth]
        return f" on {join_words(which)} of the month"
    return "" if len(weekdays.values) == 7 else f" on {_names(weekdays.values, _WEEKDAYS)}"


def _names(values: Sequence[int], names: Sequence[str]) -> str:
    if len(values) > 2 and values[-1] - values[0] == len(values) - 1:
        return f"{names[values[0]]} to {names[values[-1]]}"
    return join_words([names[value] for value in values])
