"""What a run store that no host has open tells of the host that had it last, without writing to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from host.local.runs import APPLICATION_ID
from host.local.sql_text import migrations, statements
from host.local.sqlite_file import connect

_SQL = statements("runs_left.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What the next start will find."""

    active: Mapping[str, int]
    """Runs that were active when their host ended, which only a crash leaves behind: ``{job type: number}``."""
    crashed: Mapping[str, int]
    """How often the unfinished runs of a job have brought down their host or process at most: ``{job type: times}``."""


def read_leftovers(path: Path, *, is_alone: bool) -> Leftovers | None:
    """Read a run store; None if the file is none, or of another version. Raises sqlite3.Error if it is damaged.

    ``is_alone`` says that nobody else has it open and that it has no write-ahead log (``sqlite_file.connect``).
    """
    with closing(connect(path, read_only=True, immutable=is_alone)) as connection:
        identity = (_number(connection, "application_id"), _number(connection, "user_version"))
        if identity != (APPLICATION_ID, len(migrations("runs"))):
            return None
        return Leftovers(
            active=dict(connection.execute(_SQL["active"]).fetchall()),
            crashed=dict(connection.execute(_SQL["crashed"]).fetchall()),
        )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
