"""Every error of the host, each with a stable code and a kind that any face can map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class ErrorKind(StrEnum):
    """What a caller can do about an error; all that a face needs to choose a status."""

    INVALID = "invalid"
    MISSING = "missing"
    CONFLICT = "conflict"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


EXIT_STATUS: Mapping[ErrorKind, int] = {
    ErrorKind.INVALID: 2,
    ErrorKind.MISSING: 3,
    ErrorKind.CONFLICT: 4,
    ErrorKind.DENIED: 4,
    ErrorKind.UNAVAILABLE: 5,
    ErrorKind.INTERNAL: 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding: where it is (``file:line``, job id), what is wrong and expected, and a hint."""

    message: str
    where: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        """Give the finding on one line: ``where: message (hint)``."""
        place = f"{self.where}: " if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{hint}"


class HostError(Exception):
    """Root of all errors the host raises.

    ``code`` is stable and crosses the wire; ``kind`` is what faces map. What a job raises is never a
    ``HostError``: it is an outcome.
    """

    code: ClassVar[str] = "host-error"
    kind: ClassVar[ErrorKind] = ErrorKind.INTERNAL
    by_code: ClassVar[dict[str, type[HostError]]] = {}

    def __init_subclass__(cls) -> None:
        """Make the class findable by its code, so that a proxy raises what the remote raised."""
        super().__init_subclass__()
        HostError.by_code.setdefault(cls.code, cls)

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """Give the message on one line, then every problem on a line of its own."""
        head = str(Problem(message=self.message, where=self.where, hint=self.hint))
        return "\n  ".join([head, *map(str, self.problems)])


class ConfigurationError(HostError):
    """The configuration cannot be used; ``problems`` holds every finding, in file order."""

    code = "configuration-invalid"
    kind = ErrorKind.INVALID


class XmlError(ConfigurationError):
    """An XML file is unreadable: malformed, too large, too deep, wrongly encoded or with a DOCTYPE."""

    code = "xml-invalid"


class WiringError(ConfigurationError):
    """The configured providers cannot be put together: something is missing, ambiguous or circular."""

    code = "wiring-invalid"


class PluginError(HostError):
    """A plugin failed to import, or failed in a hook; the message names the plugin and its distribution."""

    code = "plugin-failed"


class ProviderStartError(HostError):
    """A provider did not start, did not start in time, or crashed in the background."""

    code = "provider-failed"


class InvalidScheduleError(HostError):
    """A schedule can never work: unknown zone, impossible cron expression, stop before start."""

    code = "schedule-invalid"
    kind = ErrorKind.INVALID


class InvalidParameterError(HostError):
    """Parameters do not fit the job's declaration; ``problems`` holds one finding a parameter."""

    code = "parameter-invalid"
    kind = ErrorKind.INVALID


class InvalidRequestError(HostError):
    """A request is malformed or contradicts itself."""

    code = "request-invalid"
    kind = ErrorKind.INVALID


class JobNotFoundError(HostError):
    """No registered job has this id or type name."""

    code = "job-not-found"
    kind = ErrorKind.MISSING


class RunNotFoundError(HostError):
    """No run has this id."""

    code = "run-not-found"
    kind = ErrorKind.MISSING


class ScheduleNotFoundError(HostError):
    """No schedule has this id."""

    code = "schedule-not-found"
    kind = ErrorKind.MISSING


class ScheduleVersionError(HostError):
    """The schedules of a job were changed by somebody else since they were read."""

    code = "schedule-version-conflict"
    kind = ErrorKind.CONFLICT


class RunStateError(HostError):
    """The run's state does not allow the operation."""

    code = "run-state-conflict"
    kind = ErrorKind.CONFLICT


class JobRegisteredError(HostError):
    """The job is registered already."""

    code = "job-registered"
    kind = ErrorKind.CONFLICT


class UnsupportedOperationError(HostError):
    """The configured provider declares in ``lacks`` that it cannot do this."""

    code = "operation-unsupported"
    kind = ErrorKind.CONFLICT


class DataDirectoryLockedError(HostError):
    """Another process owns the data directory."""

    code = "data-directory-locked"
    kind = ErrorKind.CONFLICT


class AccessDeniedError(HostError):
    """The caller may not do this."""

    code = "access-denied"
    kind = ErrorKind.DENIED


class AuthenticationError(HostError):
    """The credentials are missing, wrong, expired or revoked."""

    code = "authentication-failed"
    kind = ErrorKind.DENIED


class TooManyAttemptsError(AuthenticationError):
    """Attempts to sign in are refused for a while; ``retry_after_seconds`` says for how long."""

    code = "too-many-attempts"
    retry_after_seconds: int = 60


class HostUnavailableError(HostError):
    """No host answers, or the host is starting, draining or stopping."""

    code = "host-unavailable"
    kind = ErrorKind.UNAVAILABLE


class UpstreamUnavailableError(HostUnavailableError):
    """The host that this one stands before does not answer; the message says since when."""

    code = "upstream-unavailable"


class UpstreamRefusedError(UpstreamUnavailableError):
    """The host that this one stands before does not take this host's credentials."""

    code = "upstream-refused"


class StoreUnavailableError(HostError):
    """A store cannot take this now (disk full, read-only, locked); nothing was changed."""

    code = "store-unavailable"
    kind = ErrorKind.UNAVAILABLE


class StoreCorruptError(HostError):
    """A store's file is damaged or of an unknown version; it was left untouched."""

    code = "store-corrupt"


class NoticeError(HostError):
    """A notice could not be delivered; ``hint`` says what to look at."""

    code = "notice-undelivered"
    kind = ErrorKind.UNAVAILABLE


class SecretNotFoundError(HostError):
    """A ``secret:`` reference names a secret that nobody has."""

    code = "secret-not-found"
    kind = ErrorKind.INVALID


class WireError(HostError):
    """Bytes from the other end of a wire are not what was agreed."""

    code = "wire-invalid"
    kind = ErrorKind.INVALID
