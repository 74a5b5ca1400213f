"""The policies of a job as sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from host.contracts.host import ExecutorInfo
from host.model.jobs import JobInfo, JobParameter, JobStartType, OverlapPolicy, RecoveryPolicy, RetryPolicy
from host.model.json import JsonValue
from host_panel.words import span

LONGEST_VALUE = 60
"""Characters of a value that are shown beside its parameter."""
_STARTS: Mapping[JobStartType, str] = MappingProxyType(
    {
        JobStartType.IMMEDIATE: "By its schedules, and once whenever the host starts.",
        JobStartType.DELAY: "By its schedules, and once after the host has started and settled.",
        JobStartType.SCHEDULE: "By its schedules.",
        JobStartType.NEVER: "By its schedules, if it is given any.",
    }
)
_OVERLAPS: Mapping[OverlapPolicy, str] = MappingProxyType(
    {
        OverlapPolicy.SKIP: "One run at a time; what comes due meanwhile is skipped.",
        OverlapPolicy.QUEUE: "One run at a time; what comes due meanwhile waits.",
        OverlapPolicy.ALLOW: "Any number of runs at the same time.",
        OverlapPolicy.CANCEL_RUNNING: "One run at a time; a newer one cancels the older.",
    }
)
_RECOVERIES: Mapping[RecoveryPolicy, str] = MappingProxyType(
    {
        RecoveryPolicy.RETRY: "A run whose host died is run again.",
        RecoveryPolicy.FAIL: "A run whose host died has failed; it is never run twice.",
    }
)


def policies_of(job: JobInfo, executors: Sequence[ExecutorInfo]) -> Sequence[tuple[str, str]]:
    """Give ``(what, sentence)`` for each policy, the most asked first."""
    return (
        ("Starts", _STARTS[job.start_type]),
        ("Overlap", _OVERLAPS[job.overlap]),
        ("Attempts", attempts_of(job)),
        ("Time limit", f"An attempt may take {span(job.timeout)}." if job.timeout else "None."),
        ("After a crash", _RECOVERIES[job.recovery]),
        ("Priority", f"{job.priority}; higher goes first."),
        ("Performed by", _executor_of(job, executors)),
        ("Cancelling", cancel_words(job, executors)),
    )


def parameters_of(job: JobInfo) -> Sequence[tuple[str, str]]:
    """Give ``(name, words)`` for each declared parameter: its type, and what it is if nobody says."""
    return [(each.name, _parameter(each, job.configured_parameters.get(each.name))) for each in job.parameters]


def attempts_of(job: JobInfo) -> str:
    """Say how often a failed run is tried, and how soon again."""
    if job.max_attempts == 1:
        return "One; a failed run is not tried again."
    sentence = f"Up to {job.max_attempts}, {_waits(job.retry)}."
    if job.retry.only_on:
        sentence += f" Only after {_names(job.retry.only_on)}."
    if job.retry.never_on:
        sentence += f" Never after {_names(job.retry.never_on)}."
    return sentence


def cancel_words(job: JobInfo, executors: Sequence[ExecutorInfo]) -> str:
    """Say what cancelling a run can do."""
    if not job.can_cancel:
        return "The job says that its runs cannot be cancelled once they have started."
    effect = next((each.cancel_effect for each in executors if each.name == job.executor), "")
    return f"{effect[:1].upper()}{effect[1:]}." if effect else "Running code is asked to stop."


def _parameter(parameter: JobParameter, configured: JsonValue) -> str:
    parts = [parameter.type.value]
    if configured is not None:
        parts.append(f"configured as {_value(configured)}")
    elif parameter.default is not None:
        parts.append(f"{_value(parameter.default)} unless given")
    elif parameter.required:
        parts.append("required")
    return ", ".join([*parts, "secret"] if parameter.secret else parts)


def _value(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _executor_of(job: JobInfo, executors: Sequence[ExecutorInfo]) -> str:
    known = next((each for each in executors if each.name == job.executor), None)
    if known is None:
        return f"The executor “{job.executor}”."
    return f"The executor “{job.executor}”, {known.slots} slots, {known.busy} in use."


def _waits(policy: RetryPolicy) -> str:
    if not policy.delay:
        return "at once"
    first = span(policy.delay)
    if policy.factor == 1 or policy.longest <= policy.delay:
        return f"{span(min(policy.delay, policy.longest))} apart"
    grows = "doubling" if policy.factor == 2 else f"growing {policy.factor:g} times"
    return f"the second after {first}, then {grows} up to {span(policy.longest)}"


def _names(exceptions: Sequence[str]) -> str:
    return ", ".join(name.removeprefix("builtins.") for name in exceptions)
