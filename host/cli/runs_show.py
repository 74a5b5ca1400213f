"""One run in full, for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from host.cli.output import Cell, failure, heading, print_facts, print_line, print_table, state_of, warning
from host.cli.text import duration, local_time
from host.model.jobs import JobInfo
from host.model.runs import AttemptError, JobRun
from host.wire import to_wire


def print_run(run: JobRun, job: str, *, all_tracebacks: bool) -> None:
    """Print its facts, its failed attempts as a list, and the traceback of the latest or of all."""
    print_facts([*_origin(run, job), *_standing(run), *_times(run)])
    if not run.errors:
        return
    heading("Failed attempts")
    rows = [(str(e.attempt), local_time(e.at), _node(e.node), failure(_first_line(e.error))) for e in run.errors]
    print_table(("ATTEMPT", "WHEN", "NODE", "ERROR"), rows, empty="", texts=("ERROR",))
    for error in run.errors if all_tracebacks else run.errors[-1:]:
        _print_traceback(error)


def job_name(run: JobRun, jobs: Mapping[UUID, JobInfo]) -> str:
    """Give the name of a run's job; its class name if it is not registered any more."""
    return jobs[run.job_id].name if run.job_id in jobs else run.job_type.rpartition(":")[2]


def _origin(run: JobRun, job: str) -> list[tuple[str, Cell]]:
    return [
        ("run", str(run.id)),
        ("job", f"{job}  {run.job_type}"),
        ("asked by", run.owner or ("its schedule" if run.schedule_id else "-")),
        ("repeats", str(run.origin_run_id or "-")),
        ("schedule", str(run.schedule_id or "-")),
        ("fire time", local_time(run.fire_time)),
        ("missed before it", str(run.missed or "-")),
        ("tenant", run.tenant),
        ("priority", str(run.priority)),
        ("key", run.idempotency_key or "-"),
        ("parameters", json.dumps(to_wire(run.parameters), ensure_ascii=False) if run.parameters else "-"),
    ]


def _standing(run: JobRun) -> list[tuple[str, Cell]]:
    stuck = (
        f"it ignores {'its cancellation' if run.cancel_requested_at else 'its timeout'}; only its process can be ended"
    )
    return [
        ("state", state_of(run)),
        ("stuck", warning(stuck) if run.is_stuck else "-"),
        ("cancel asked", _cancel_words(run)),
        ("status", run.status_text or "-"),
        ("attempt", f"{run.attempt} of {run.max_attempts}"),
        ("crashes", str(run.crashes or "-")),
        ("result", "-" if run.result is None else json.dumps(to_wire(run.result), ensure_ascii=False)),
    ]


def _cancel_words(run: JobRun) -> Cell:
    if run.cancel_requested_at is None:
        return "-"
    text = f"{local_time(run.cancel_requested_at)} by {run.cancel_requested_by or 'nobody named'}"
    return text if run.state.is_final else warning(text)


def _times(run: JobRun) -> list[tuple[str, Cell]]:
    return [
        ("created", local_time(run.created_at)),
        ("not before", local_time(run.not_before)),
        ("expires", local_time(run.expires_at)),
        ("started", local_time(run.started_at)),
        ("finished", local_time(run.finished_at)),
        ("waited", duration(run.started_at - run.created_at) if run.started_at else "-"),
        ("took", duration(run.duration) if run.duration is not None else "-"),
        ("timeout", duration(run.timeout) if run.timeout else "-"),
        ("executor", run.executor),
        ("node", run.node or "-"),
        ("trace", run.trace_id or "-"),
        ("kept by retention", "yes" if run.is_locked else "-"),
    ]


def _node(node: str) -> str:
    """Give a node without its boot: the machine and the incarnation tell attempts apart."""
    machine, _, rest = node.partition("/")
    return f"{machine} {rest.rpartition('/')[2]}" if rest else node


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _print_traceback(error: AttemptError) -> None:
    if error.traceback:
        heading(f"Attempt {error.attempt}")
        print_line(failure(error.traceback.rstrip()))
