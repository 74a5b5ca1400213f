"""What a doctor says of one thing it has looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    LOOK = "look"
    """It works, but somebody should look."""
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One thing, how it is, and what to do about it."""

    subject: str
    verdict: Verdict
    message: str
    hint: str | None = None


def well(subject: str, message: str) -> Diagnosis:
    """Say that it is as it should be."""
    return Diagnosis(subject=subject, verdict=Verdict.OK, message=message)


def look(subject: str, message: str, hint: str | None = None) -> Diagnosis:
    """Say that it works, and what to look at."""
    return Diagnosis(subject=subject, verdict=Verdict.LOOK, message=message, hint=hint)


def failed(subject: str, message: str, hint: str | None = None) -> Diagnosis:
    """Say that it does not work."""
    return Diagnosis(subject=subject, verdict=Verdict.FAILED, message=message, hint=hint)
