"""Who acts, what may be demanded of them, and the record of what they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

HOST_NAMES = frozenset({"quarantine", "schedule", "sighup", "start"})
"""What the host itself writes where else the name of who acted stands, in lower case; nobody else may be called so."""


class Policy(StrEnum):
    """What an operation can demand (SanteDB: PermissionPolicyIdentifiers; the values are its OIDs).

    A policy covers those whose OID continues its own: job management covers reading, starting and the others.
    """

    UNRESTRICTED_ADMINISTRATION = "1.3.6.1.4.1.33349.3.1.5.9.2.0"
    """Everything, the host itself included: reload, drain, audit, accounts."""
    UNRESTRICTED_JOB_MANAGEMENT = "1.3.6.1.4.1.33349.3.1.5.9.2.0.22"
    READ_SYSTEM_JOBS = "1.3.6.1.4.1.33349.3.1.5.9.2.0.22.0"
    """See jobs, schedules, runs with their logs, statistics and the host's health."""
    START_SYSTEM_JOB = "1.3.6.1.4.1.33349.3.1.5.9.2.0.22.1"
    """Submit, cancel, retry, amend and release runs; pause and resume."""
    ALTER_SYSTEM_JOB_SCHEDULE = "1.3.6.1.4.1.33349.3.1.5.9.2.0.22.2"
    REGISTER_SYSTEM_JOB = "1.3.6.1.4.1.33349.3.1.5.9.2.0.22.3"


class Access(StrEnum):
    """What an operation can demand that is no policy."""

    PUBLIC = "public"
    """Nothing: anybody who reaches the host may."""
    AUTHENTICATED = "authenticated"
    """To be known, whatever one's rights."""


class Decision(StrEnum):
    """What a policy service says (SanteDB: PolicyGrantType)."""

    DENY = "deny"
    ELEVATE = "elevate"
    """Not as things are; with other credentials, perhaps."""
    GRANT = "grant"


class PrincipalKind(StrEnum):
    """What acts."""

    USER = "user"
    """A person, who signs in with a password."""
    CLIENT = "client"
    """A program, which signs in with a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who was recognised; nobody is None, never an object."""

    name: str
    """Unique among users, or among clients; what ``by`` and the audit show."""
    kind: PrincipalKind
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    """If not empty, only policies covered by these OIDs may be used, whatever the roles grant."""
    client: str | None = None
    """The program through which a person acts; a client's own name for itself."""
    session: str | None = None
    """Id of the session that the credentials belong to; None without one."""
    expires_at: datetime | None = None
    """When the credentials end; None if they do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCredentials:
    """A person's name and password."""

    name: str
    password: str = field(repr=False)
    address: str | None = None
    """Where the attempt comes from, for the limit on attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """A program's id and secret."""

    id: str
    secret: str = field(repr=False)
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerToken:
    """An access token that this host issued."""

    token: str = field(repr=False)


Credentials = PasswordCredentials | ClientCredentials | BearerToken


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTokens:
    """What a successful sign-in gives (RFC 6749 §5.1)."""

    access_token: str = field(repr=False)
    expires_in: int
    """Seconds."""
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    """OpenID Connect Core §2; only for persons."""
    scopes: tuple[str, ...] = ()


class AuditOutcome(StrEnum):
    """How an audited action ended."""

    SUCCESS = "success"
    DENIED = "denied"
    """It was not allowed, or the credentials were wrong."""
    FAILED = "failed"
    """It was allowed and did not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that somebody did, or tried to do."""

    number: int = 0
    """Position in the trail, from 1; the trail gives it, 0 before."""
    at: datetime
    by: str | None
    """Name of the principal; None for nobody known."""
    client: str | None = None
    """The program through which they acted."""
    address: str | None = None
    """Where the request came from; None for the host's own machine's command line."""
    face: str
    """The way in: ``ami``, ``rest``, ``auth``, ``panel``, ``cli``."""
    action: str
    """What was done, in the face's words: ``POST /runs/{run_id}/cancel``, ``RunControl.cancel``."""
    target: str = ""
    """To what: the request's path, or a job or run."""
    outcome: AuditOutcome
    status: int | None = None
    """HTTP status, where there is one."""
    request_id: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict)
    """More in short texts; never a secret or a parameter's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which events a listing shows; each field narrows, empty fields do not."""

    by: str | None = None
    face: str | None = None
    outcome: AuditOutcome | None = None
    since: datetime | None = None
    """Inclusive."""
    until: datetime | None = None
    """Exclusive."""
    text: str | None = None
    """Part of the action or the target, case-insensitive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """One page of the trail, newest first."""

    events: tuple[AuditEvent, ...]
    next_cursor: str | None
    """Pass it to get the page after; None at the end."""
