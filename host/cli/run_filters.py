"""The options that narrow which runs are meant: for listing them, and for doing something to all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

import click

from host.cli.complete import complete_job
from host.cli.connect import ConnectedHost
from host.cli.find import now
from host.cli.inputs import Duration, Instant
from host.cli.text import clean, local_time
from host.model.runs import RunFilter, RunState


class Since(click.ParamType[datetime]):
    """An instant, or how long ago."""

    name = "time or duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read either."""
        try:
            return now() - Duration().convert(value, param, ctx)
        except click.BadParameter:
            return Instant(is_local=True).convert(value, param, ctx)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """What was typed; names are the options'."""

    job: str | None
    states: tuple[str, ...]
    tenant: str | None
    since: datetime | None
    until: datetime | None
    text: str | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was typed."""
        return not (self.job or self.states or self.tenant or self.since or self.until or self.text)

    async def filter(self, host: ConnectedHost) -> RunFilter:
        """Give the filter; raises JobNotFoundError."""
        return RunFilter(
            job_id=(await host.jobs.get_job(self.job)).id if self.job else None,
            states=frozenset(map(RunState, self.states)),
            tenant=self.tenant,
            created_from=self.since,
            created_until=self.until,
            text=self.text,
        )

    async def words(self, host: ConnectedHost) -> str:
        """Say which runs are meant, to stand after "runs"; empty for all."""
        parts = [f"of {(await host.jobs.get_job(self.job)).name}"] if self.job else []
        parts += [f"of tenant {self.tenant}"] if self.tenant else []
        parts += [f"from {local_time(self.since)}"] if self.since else []
        parts += [f"until {local_time(self.until)}"] if self.until else []
        parts += [f"with {self.text!r}"] if self.text else []
        return clean(" ".join(parts))


def run_filters(states: Collection[RunState]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that narrow runs, among these states, as its argument ``narrowing``."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def command(**arguments: object) -> None:
            typed = {name: arguments.pop(name) for name in Narrowing.__dataclass_fields__}
            function(narrowing=Narrowing(**typed), **arguments)  # type: ignore[arg-type]  # click has converted each

        for option in reversed(_options(states)):
            command = option(command)
        return command

    return decorate


def _options(states: Collection[RunState]) -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    names = [state.value for state in RunState if state in states]
    return [
        click.option("--job", shell_complete=complete_job, help="Only of this job."),
        click.option(
            "--state", "states", multiple=True, type=click.Choice(names), help="Only in this state; may be repeated."
        ),
        click.option("--tenant", help="Only of this tenant."),
        click.option("--since", type=Since(), help="Only from then on: 2h (ago), 7d, 2026-03-01."),
        click.option("--until", type=Since(), help="Only from before then."),
        click.option("--text", help="Only with this in the status text, the last error or the job's type."),
    ]
