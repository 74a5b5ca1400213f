"""What notices say: subject and text, fit for a mail read at night; nothing a job wrote gets in as it is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from host.model.json import JsonObject, JsonValue
from host.model.notices import NoticeKind
from host.model.runs import AttemptError, ClaimedRun, JobRun, RunOutcome, RunReason

Words = tuple[str, str]
"""Subject and text."""

MAX_LINE = 300
MAX_NAME = 200
HIDDEN = "(hidden)"
_IGNORED: Mapping[RunReason | None, str] = {
    RunReason.TIMEOUT: "its timeout",
    RunReason.DRAINED: "that its host stops",
    RunReason.LOST: "that its claim is lost",
}
SHORTEST_HIDDEN = 4
"""Shorter values of parameters are not looked for in errors: they are found in any text."""


def failing(
    run: ClaimedRun,
    outcome: RunOutcome,
    *,
    count: str,
    since: datetime | None,
    completed: JobRun | None,
    is_again: bool,
) -> Words:
    """Tell that runs of a job fail; ``since`` None: since before this host started."""
    job, runs = _name(run.job_type), _number(count, "run")
    begin = f"the first of them at {_instant(since)}" if since else "the first of them before this host started"
    ended = completed.finished_at if completed else None
    lines = [
        f"The latest {runs} of {job} failed, {begin}." if count != "1" else f"The latest run of {job} failed.",
        f"The last one that completed ended at {_instant(ended)}." if ended else "No completed run of it is known.",
        f"Latest error, of run {run.id}: {error_line(run.parameters, outcome.error, outcome.reason)}",
    ]
    still = "still failing" if is_again else "failing"
    return f"job {job} is {still}: {runs} in a row", _text(
        lines, f"jobhost runs list --job {shlex.quote(job)} --state failed", f"jobhost runs log {run.id}"
    )


def recovered(run: ClaimedRun, at: datetime, *, count: str, since: datetime | None) -> Words:
    """Tell that a job which was told of as failing works again."""
    job, runs = _name(run.job_type), _number(count, "failed run")
    begin = f" since {_instant(since)}" if since else ""
    text = f"Run {run.id} of {job} completed at {_instant(at)}, after {runs} in a row{begin}."
    return f"job {job} has recovered after {runs}", _text([text])


def quarantined(run: JobRun | ClaimedRun) -> Words:
    """Tell that a run was given up because it kills what performs it."""
    job = _name(run.job_type)
    lines = [
        f"Run {run.id} of {job} killed its host or its process too often and is not tried again; its job is paused."
    ]
    if isinstance(run, JobRun) and run.errors:
        lines.append(f"Latest error: {error_line(run.parameters, run.errors[-1], run.reason)}")
    commands = (f"jobhost runs log {run.id}", f"jobhost runs release {run.id}    (once the cause is gone)")
    return f"run of {job} quarantined, its job is paused", _text(lines, *commands)


def stuck(run: ClaimedRun, reason: RunReason | None) -> Words:
    """Tell that a run does not stop although it was asked to for this reason."""
    job = _name(run.job_type)
    lines = [
        f"Run {run.id} of {job}, claimed at {_instant(run.claimed_at)}, ignores {ignored(reason)} and goes on.",
        "Its slot is free again, but until its code returns or the host is restarted it keeps whatever it uses.",
    ]
    return f"run of {job} is stuck", _text(lines, f"jobhost runs show {run.id}", f"jobhost runs log {run.id}")


def late(run: ClaimedRun | None, late_seconds: float, *, count: int, since: datetime, quiet: timedelta) -> Words:
    """Tell that due runs wait; ``run`` is one that began late at last, None if none has yet."""
    waited = _span(late_seconds)
    if run:
        lines = [f"Run {run.id} of {_name(run.job_type)} started {waited} after it was due."]
    else:
        lines = [f"The run that waits longest has been due for {waited}."]
    lines += [f"{count} runs have started late so far."] if count > 1 else []
    lines += [
        f"Noticed at {_instant(since)}; not told again until nothing has been late for {_span(quiet.total_seconds())}.",
        "See whether the slots are taken, and by what.",
    ]
    return f"runs start late: {waited} after they were due", _text(
        lines, "jobhost status", "jobhost runs list --state running", "jobhost runs list --state queued"
    )


def withheld(kinds: Mapping[NoticeKind, int], subjects: Sequence[str], *, per_hour: int) -> Words:
    """Tell how much was not told; ``subjects`` are the first of them."""
    number = sum(kinds.values())
    numbers = ", ".join(f"{kinds[kind]} {kind.value}" for kind in NoticeKind if kinds.get(kind))
    lines = [f"At most {per_hour} notices an hour are sent. Withheld since: {numbers}."]
    lines += [f"  - {subject}" for subject in subjects]
    lines += [f"  and {number - len(subjects)} more"] if number > len(subjects) else []
    return f"{_number(str(number), 'notice')} withheld", _text(
        lines, "jobhost status", "jobhost runs list --state failed"
    )


def error_line(parameters: JsonObject, error: AttemptError | None, reason: RunReason | None) -> str:
    """Give an error's first line, bounded, printable, and without the values of parameters."""
    if reason is RunReason.INVALID_PARAMETERS:
        return "the parameters do not fit the job's declaration"  # the error itself quotes them
    first = next(iter((error.error if error else "").strip().splitlines()), "")
    for value in sorted(_values(parameters), key=len, reverse=True):
        first = first.replace(value, HIDDEN)
    return one_line(first, MAX_LINE) or (reason.value if reason else "nothing is known")


def ignored(reason: RunReason | None) -> str:
    """Say what a run ignores that was asked to stop for this reason: ``its timeout``."""
    return _IGNORED.get(reason, "its cancellation")


def one_line(text: str, limit: int) -> str:
    """Give a text as one printable line of at most ``limit`` characters."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _values(parameters: JsonObject) -> set[str]:
    found: set[str] = set()
    waiting: list[JsonValue] = [parameters]  # no recursion: parameters may be as deep as JSON can be
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif value is not None and not isinstance(value, bool):
            text = str(value)
            found |= {text, " ".join(text.split())}  # an error's white space may be folded
    return {each for each in found if len(each) >= SHORTEST_HIDDEN}


def _text(lines: Sequence[str], *commands: str) -> str:
    advice = ["", "What to do:", *(f"  {command}" for command in commands)] if commands else []
    return "\n".join([*lines, *advice])


def _name(job_type: str) -> str:
    return one_line(job_type, MAX_NAME)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _number(count: str, what: str) -> str:
    return f"{count} {what}" if count == "1" else f"{count} {what}s"


def _span(seconds: float) -> str:
    """Give a time in its two largest units."""
    left = round(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size} {unit}")
        left %= size
    return " ".join(parts[:2]) or "0 s"
