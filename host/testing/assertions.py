"""How a run ended, asserted with the whole story of the run where it ended otherwise."""

from __future__ import annotations

from host.model.runs import AttemptError, JobRun, RunReason, RunState


def assert_completed(run: JobRun) -> None:
    """Fail unless the run is COMPLETED, with the error and traceback of each attempt."""
    assert_state(run, RunState.COMPLETED)


def assert_failed(run: JobRun, text: str = "", *, reason: RunReason | None = None) -> AttemptError:
    """Fail unless the run is FAILED, for this reason if one is named, with ``text`` in its last error; gives that."""
    assert_state(run, RunState.FAILED, reason=reason)
    assert run.errors, f"expected an error of a failed attempt\n{story_of(run)}"
    last = run.errors[-1]
    assert text in last.error, f"expected {text!r} in the last error\n{story_of(run)}"
    return last


def assert_state(run: JobRun, state: RunState, *, reason: RunReason | None = None) -> None:
    """Fail unless the run is in this state, and for this reason if one is named."""
    expected = f"{state} ({reason})" if reason else str(state)
    is_so = run.state is state and reason in (None, run.reason)
    assert is_so, f"expected {expected}\n{story_of(run)}"


def story_of(run: JobRun) -> str:
    """Give what a run's row tells of how it went: state, status text, and each failed attempt with its traceback."""
    why = f" ({run.reason})" if run.reason else ""
    lines = [f"run {run.id} of {run.job_type} is {run.state}{why}, attempt {run.attempt} of {run.max_attempts}"]
    if run.status_text:
        lines.append(f"status: {run.status_text}")
    if run.not_before and not run.state.is_final:
        lines.append(f"not before {run.not_before.isoformat()}")
    for error in run.errors:
        lines.append(f"attempt {error.attempt}: {error.error}")
        lines.extend((error.traceback or "").splitlines())
    return "\n".join(lines)
