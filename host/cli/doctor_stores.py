"""What a doctor looks at in the SQLite stores of a data directory, without writing to them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from host.cli.diagnosis import Diagnosis, failed, look, well
from host.cli.doctor_machine import size_words
from host.local.run_leftovers import read_leftovers
from host.local.sqlite_file import connect, store_error
from host.model.runs import MAX_CRASHES

CHECK_SECONDS = 5.0
"""A store that takes longer to check is left to the job that verifies stores."""
LARGE_LOG_BYTES = 256 * 1024**2
_STEPS = 10_000


def look_at_stores(directory: Path, *, is_running: bool) -> Iterator[Diagnosis]:
    """Check each store; beside a running host as one more reader."""
    for path in sorted(directory.glob("*.sqlite")):
        yield _look_at(path, is_running=is_running)


def look_at_leftovers(directory: Path) -> Iterator[Diagnosis]:
    """Say what the last host left behind; only where none has the stores open."""
    for path in sorted(directory.glob("*.sqlite")):
        try:
            found = read_leftovers(path, is_alone=not _log_bytes(path))
        except sqlite3.Error:
            continue  # damage is a finding of its own
        if found is not None:
            yield _interrupted(found.active)
            yield from crashed_runs(found.crashed)


def crashed_runs(times: Mapping[str, int]) -> Iterator[Diagnosis]:
    """Say which jobs have unfinished runs that crashed, from ``{job: how often}``."""
    for job, number in times.items():
        text = f"{job}: a run has brought down its host or process {number} of {MAX_CRASHES} times"
        yield look("crashed runs", text, f"at {MAX_CRASHES} it is quarantined and its job paused")
    if not times:
        yield well("crashed runs", "none unfinished")


def _interrupted(active: Mapping[str, int]) -> Diagnosis:
    if not active:
        return well("interrupted runs", "none")
    number = sum(active.values())
    text = f"the last host ended with {number} active {'run' if number == 1 else 'runs'}, of {', '.join(active)}"
    hint = "the next start runs them again, or fails them as lost where their job says recovery = fail"
    return look("interrupted runs", text, hint)


def _log_bytes(path: Path) -> int:
    log = path.with_name(f"{path.name}-wal")
    return log.stat().st_size if log.exists() else 0


def _look_at(path: Path, *, is_running: bool) -> Diagnosis:
    name = f"store {path.stem}"
    log_bytes = _log_bytes(path)
    text = f"{size_words(path.stat().st_size)}, log {size_words(log_bytes)}"
    try:
        findings = _findings(path, is_alone=not is_running and not log_bytes)
    except sqlite3.Error as error:
        said = store_error(error, path)
        return failed(name, f"{text}: {said.message if said else error}", said.hint if said else None)
    if findings is None:
        return look(
            name, f"{text}; not checked to the end in {CHECK_SECONDS:g} s", "a job that verifies stores does it"
        )
    if findings != ["ok"]:
        return failed(name, f"{text}: {findings[0]}", "stop the host and restore a backup")
    if log_bytes > LARGE_LOG_BYTES:
        return look(name, f"{text}: the log is large", "some reader has been open for long; restart the host")
    return well(name, f"{text}, sound")


def _findings(path: Path, *, is_alone: bool) -> list[str] | None:
    """Give what SQLite finds (``ok`` if nothing), None if it takes too long."""
    connection = connect(path, read_only=True, immutable=is_alone)
    deadline = time.monotonic() + CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        return [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    finally:
        connection.close()
