"""A job's policies in words."""

from __future__ import annotations

from datetime import timedelta

from host.cli.text import duration
from host.model.jobs import JobInfo, RetryPolicy


def attempts_in_words(job: JobInfo) -> str:
    """Say how often and how soon it is tried: ``3 attempts, 1 s doubling to 5 min, half by lot; never after E``."""
    if job.max_attempts == 1:
        return "1 attempt"
    parts = [_waits(job.retry), _lot(job.retry.jitter)]
    words = f"{job.max_attempts} attempts, {', '.join(part for part in parts if part)}"
    if job.retry.only_on:
        words += f"; only after {_names(job.retry.only_on)}"
    if job.retry.never_on:
        words += f"; never after {_names(job.retry.never_on)}"
    return words


def _waits(policy: RetryPolicy) -> str:
    if policy.delay == timedelta(0):
        return "at once"
    first = duration(policy.delay)
    if policy.factor == 1 or policy.longest <= policy.delay:
        return f"{duration(min(policy.delay, policy.longest))} apart"
    grows = "doubling" if policy.factor == 2 else f"times {policy.factor:g}"
    return f"{first} {grows} to {duration(policy.longest)}"


def _lot(jitter: float) -> str:
    if not jitter:
        return ""
    share = {0.5: "half", 1.0: "all"}.get(jitter, f"{jitter:.0%}")
    return f"{share} by lot"


def _names(exceptions: tuple[str, ...]) -> str:
    return ", ".join(name.removeprefix("builtins.") for name in exceptions)
