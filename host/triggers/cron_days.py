"""The days on which a cron expression runs, as one bit mask for each shape of month."""

from __future__ import annotations

from datetime import date

from host.model.schedules import CronDialect
from host.triggers.cron_fields import FieldValues
from host.triggers.zones import LAST_YEAR

_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class CronDays:
    """Days of month, months and days of week together. May be shared by many rules."""

    __slots__ = ("_days", "_is_union", "_masks", "_months", "_weekdays")

    def __init__(self, days: FieldValues, months: FieldValues, weekdays: FieldValues, dialect: CronDialect) -> None:
        self._days = days
        self._weekdays = weekdays
        self._months = frozenset(months.values)
        # crontab(5): when both day fields are restricted, either may match. Quartz and CIS: both must.
        self._is_union = dialect is CronDialect.UNIX and not days.is_any and not weekdays.is_any
        self._masks: dict[tuple[int, int], int] = {}

    def next_day(self, year: int, month: int, day: int) -> tuple[int, int, int] | None:
        """Give the first day that is this one or later, as (year, month, day); None after the year 9998."""
        while year <= LAST_YEAR:
            if month in self._months:
                mask = self._mask(year, month) >> day << day
                if mask:
                    return year, month, (mask & -mask).bit_length() - 1
            day = 1
            month += 1
            if month > 12:
                year, month = year + 1, 1
        return None

    def is_possible(self) -> bool:
        """Say whether any such day exists."""
        return any(
            self._shape_mask(first, length)
            for month in self._months
            for length in ((28, 29) if month == 2 else (_LENGTHS[month],))
            for first in range(7)
        )

    def _mask(self, year: int, month: int) -> int:
        is_leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return self._shape_mask(date(year, month, 1).isoweekday() % 7, _LENGTHS[month] + is_leap)

    def _shape_mask(self, first: int, length: int) -> int:
        mask = self._masks.get((first, length))
        if mask is None:
            days, weekdays = self._day_mask(first, length), self._weekday_mask(first, length)
            mask = days | weekdays if self._is_union else days & weekdays
            self._masks[first, length] = mask
        return mask

    def _day_mask(self, first: int, length: int) -> int:
        days = self._days
        if days.nearest_weekday is not None:
            return 1 << _nearest_weekday(days.nearest_weekday, first, length)
        mask = sum(1 << day for day in days.values if day <= length)
        return mask | (days.is_last_day << length)

    def _weekday_mask(self, first: int, length: int) -> int:
        weekdays = self._weekdays
        if not weekdays.nth:
            return sum(1 << day for day in range(1, length + 1) if (first + day - 1) % 7 in weekdays.values)
        mask = 0
        for weekday, which in weekdays.nth:
            earliest = 1 + (weekday - first) % 7
            day = earliest + 7 * (which - 1) if which else earliest + (length - earliest) // 7 * 7
            mask |= (day <= length) << day
        return mask


def _nearest_weekday(day: int, first: int, length: int) -> int:
    """Stay inside the month; a day it lacks counts as its last."""
    day = min(day, length)
    weekday = (first + day - 1) % 7
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day
