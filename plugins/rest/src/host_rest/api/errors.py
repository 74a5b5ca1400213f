"""The errors of this API's own."""

from __future__ import annotations

from host.errors import ErrorKind, HostError, ScheduleVersionError


class VersionConflictError(ScheduleVersionError):
    """The schedules were changed since they were read; says both versions."""

    code = ScheduleVersionError.code

    def __init__(self, expected: str, present: str) -> None:
        super().__init__(
            f"the schedules are of version {present!r}, not {expected!r}", hint="read them again and repeat the change"
        )
        self.expected = expected
        self.present = present


class CountExceededError(HostError):
    """More runs match than were counted and agreed to; nothing was done."""

    code = "count-exceeded"
    kind = ErrorKind.CONFLICT
