"""What a person or program says when asking for a run; the job's own policies fill the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from host.model.json import JsonObject, JsonValue
from host.model.runs import DEFAULT_TENANT


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSubmission:
    """One run asked for; None means: as the job declares."""

    job: str
    """Job id, type name or alias."""
    parameters: JsonObject | Sequence[JsonValue] = field(default_factory=dict)
    """By name, or by position."""
    tenant: str = DEFAULT_TENANT
    owner: str | None = None
    priority: int | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    timeout: timedelta | None = None
    idempotency_key: str | None = None
    trace_id: str | None = None
    """W3C, 32 hexadecimal digits, or a whole ``traceparent``: the run belongs below that span. None for a new one."""
    hold: bool = False
