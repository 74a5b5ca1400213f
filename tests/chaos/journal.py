"""The log outside the host in which jobs and campaign write what happened: the truth that verdicts are made from."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DRIVER_KINDS = ("accepted", "cancelled", "trouble", "calm", "launched", "ready", "died", "stopped", "clock", "halt")
"""What the campaign notes: a run's id came back, somebody asked to cancel it, a fault began or has healed, a host was
launched, is ready, has died or ended in order, its clock was set, and the schedules were cleared."""
ENDS = ("end", "fails", "snoozes", "discards", "stops", "dies")
"""How jobs say that their code is over: it returned, raised, wants to be called later, or never again, was asked to
stop and did, or is about to take its process down."""
JOB_KINDS = ("start", *ENDS)
"""What jobs note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line."""

    kind: str
    at: float
    """Monotonic seconds, the same clock for all processes."""
    run: str = ""
    job: str = ""
    attempt: int = 0
    process: int = 0
    wall: float = 0
    """As the process that wrote saw it: a set clock shows here."""
    fire: float | None = None
    exclusive: bool = False
    once: bool = False
    note: str = ""
    asked: float | None = None
    """When what was accepted was asked for: the answer may have been read after the host that gave it died."""


class Journal:
    """One log of one cell."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(
        self,
        kind: str,
        *,
        run: str = "",
        job: str = "",
        process: int = 0,
        note: str = "",
        asked: float | None = None,
    ) -> None:
        """Append a fact of the campaign's own."""
        assert kind in DRIVER_KINDS, kind
        line = {"kind": kind, "at": time.monotonic(), "wall": time.time(), "run": run, "job": job}
        os.write(self._file, f"{json.dumps({**line, 'process': process, 'note': note, 'asked': asked})}\n".encode())

    def events(self) -> list[Event]:
        """Give all lines, oldest first."""
        return sorted(read_events(self.path.read_text(encoding="utf-8")), key=lambda event: event.at)

    def wait_line(self, kind: str, seconds: float) -> bool:
        """Wait until a line of this kind is written from now on; False if none is. Looks as often as it can."""
        wanted, until = f'"kind": "{kind}"'.encode(), time.monotonic() + seconds
        with self.path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            while time.monotonic() < until:
                if wanted in file.read():
                    return True
                time.sleep(0.0002)
        return False

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)


def read_events(text: str) -> Iterator[Event]:
    """Give the facts of a log; a line that is no fact is an error, for lines are written whole or not at all."""
    for line in text.splitlines():
        yield Event(**json.loads(line))
