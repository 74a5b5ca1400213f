"""Finding what a person names: runs by the short ids that tables show, users, instants."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from host.cli.connect import ConnectedHost
from host.cli.text import short_id
from host.errors import InvalidRequestError, RunNotFoundError
from host.local.clock import SystemClock
from host.model.runs import JobRun

RECENT = 1000
"""Runs among which a short id is looked for."""
MINIMUM_DIGITS = 4


def now() -> datetime:
    """Give the present instant, aware, in UTC."""
    return SystemClock().now()


def user() -> str:
    """Name who gives the command, for the host's records."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


async def find_run(host: ConnectedHost, text: str) -> JobRun:
    """Give the run with this id, or the only recent one whose id begins or ends so.

    Raises RunNotFoundError, or InvalidRequestError if several do or the text is too short.
    """
    run_id = _full_id(text) or await _recent_id(host, text)
    run = await host.runs.run(run_id)
    if run is None:
        raise RunNotFoundError(f"there is no run {run_id}")
    return run


def _full_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _recent_id(host: ConnectedHost, text: str) -> UUID:
    digits = text.replace("-", "").lower()
    if len(digits) < MINIMUM_DIGITS or set(digits) - set("0123456789abcdef"):
        hint = f"a full id, or at least {MINIMUM_DIGITS} digits of its beginning or end, as `jobhost runs list` shows"
        raise InvalidRequestError(f"{text!r} is no run id", hint=hint)
    page = await host.runs.runs(limit=RECENT)
    found = [run for run in page.runs if run.id.hex.startswith(digits) or run.id.hex.endswith(digits)]
    if not found:
        raise RunNotFoundError(
            f"none of the {len(page.runs)} newest runs has an id that begins or ends with {text}",
            hint="name an older run by its full id",
        )
    if len(found) > 1:
        raise InvalidRequestError(f"{text} may be any of {_some(found)}", hint="give more digits")
    return found[0].id


def _some(runs: Sequence[JobRun]) -> str:
    more = f" and {len(runs) - 5} more" if len(runs) > 5 else ""
    return ", ".join(f"{run.id} (…{short_id(run.id)})" for run in runs[:5]) + more


def lives(pid: int) -> bool:
    """Say whether a process lives, whosever it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
