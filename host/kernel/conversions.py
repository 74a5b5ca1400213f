"""Text of an attribute as a value of a settings field's type."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from pathlib import Path

from host.model.suggest import did_you_mean
from host.santedb.durations import parse_duration

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_CLOCK = re.compile(r"(?:([0-9]{1,8})\.)?([0-9]{1,4}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]{1,7})?)")


class ConversionError(Exception):
    """A text is no value of the type: what was expected, and a hint."""

    def __init__(self, expected: str, hint: str | None = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.hint = hint


def is_convertible(kind: object) -> bool:
    """Say whether ``convert`` knows this type."""
    return isinstance(kind, type) and (kind in _CONVERTERS or issubclass(kind, (Enum, Path)))


def convert(text: str, kind: type, *, folder: Path) -> object:
    """Read a text as ``kind``; a Path is made absolute from ``folder``. Raises ConversionError."""
    if issubclass(kind, Path):
        return absolute_path(text, folder)
    if issubclass(kind, Enum):
        return _enum(text, kind)
    return _CONVERTERS[kind](text.strip() if kind is not str else text)


def absolute_path(path: str | Path, folder: Path) -> Path:
    """Give a path from ``folder``, absolute and without ``..``; symbolic links stay."""
    if not str(path).strip():
        raise ConversionError("a path")
    return Path(os.path.normpath(folder.absolute() / path))


def _enum(text: str, kind: type[Enum]) -> Enum:
    choices = {str(member.value): member for member in kind}
    if text.strip() not in choices:
        raise ConversionError("one of " + ", ".join(map(repr, choices)), did_you_mean(text, choices))
    return choices[text.strip()]


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ConversionError("a whole number")
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ConversionError("a number")
    return float(text)


def _boolean(text: str) -> bool:
    if text not in ("true", "1", "false", "0"):
        raise ConversionError("'true' or 'false'", did_you_mean(text, ("true", "false")))
    return text in ("true", "1")


def _duration(text: str) -> timedelta:
    if found := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    try:
        return parse_duration(text)
    except ValueError as error:
        hint = "years and months have no fixed length; use days" if re.match(r"P[0-9]+[YM]", text) else None
        raise ConversionError("a duration: 'PT5S', 'hh:mm:ss' or a number of seconds", hint) from error


_CONVERTERS: dict[type, Callable[[str], object]] = {
    str: str,
    int: _integer,
    float: _number,
    bool: _boolean,
    timedelta: _duration,
}
