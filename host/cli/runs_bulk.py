"""One action on many runs from the command line: counted, asked about, done, reported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import wraps

import click

from host.cli.connect import ConnectedHost
from host.cli.find import now, user
from host.cli.options import json_option
from host.cli.output import print_json, print_line
from host.cli.run_filters import Narrowing, run_filters
from host.errors import InvalidRequestError
from host.model.runs import BulkAction, BulkReport, RunState

AT_MOST = 100_000

_DONE = {
    BulkAction.CANCEL: "cancelled or asked to stop",
    BulkAction.RETRY: "submitted anew",
    BulkAction.RELEASE: "released",
}
_LEFT = {
    BulkAction.CANCEL: "had ended",
    BulkAction.RETRY: "not: submitted anew in bulk before, or of a job that is not registered",
    BulkAction.RELEASE: "had gone",
}
_OPTIONS = (
    click.option("--all", "everything", is_flag=True, help="All that this can be done to."),
    click.option(
        "--at-most", type=click.IntRange(1), default=AT_MOST, show_default=True, help="So many of them, the newest."
    ),
    click.option("--yes", "is_sure", is_flag=True, help="Do it to many without a question."),
    json_option,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """What to do, to which runs, and how to talk about it."""

    action: BulkAction
    narrowing: Narrowing
    at_most: int
    is_sure: bool
    """Do it without a question."""
    as_json: bool


def one_or_many(
    action: BulkAction, states: Collection[RunState], *, by_default: RunState | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a RUN, as ``run``, or the options that mean many, as ``many``; the other is empty.

    ``by_default`` is the only state meant where many are and none is named.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def command(
            *,
            run: str | None,
            narrowing: Narrowing,
            everything: bool,
            at_most: int,
            is_sure: bool,
            as_json: bool,
            **where: object,
        ) -> None:
            many = None
            if _is_bulk(run, narrowing, everything=everything):
                if by_default is not None and not narrowing.states:
                    narrowing = replace(narrowing, states=(by_default.value,))
                many = Bulk(action=action, narrowing=narrowing, at_most=at_most, is_sure=is_sure, as_json=as_json)
            function(run=run or "", many=many, as_json=as_json, **where)

        optioned: Callable[..., None] = command
        for option in reversed(_OPTIONS):
            optioned = option(optioned)
        return click.argument("run", required=False)(run_filters(states)(optioned))

    return decorate


async def perform(host: ConnectedHost, bulk: Bulk) -> None:
    """Count, ask, do and report. Ends with click.Abort if the answer is no.

    Raises InvalidRequestError where nobody can be asked.
    """
    # Invariant: what is created after the count is not touched, so no more happens than was agreed to.
    where = await bulk.narrowing.filter(host)
    where = replace(where, created_until=min(where.created_until or now(), now()))
    report = await host.control.bulk(bulk.action, where, at_most=bulk.at_most, dry_run=not bulk.is_sure, by=user())
    if report.matched and not bulk.is_sure:
        _ask(await _question(host, bulk, report))
        report = await host.control.bulk(bulk.action, where, at_most=bulk.at_most, by=user())
    if bulk.as_json:
        print_json(report)
    else:
        print_line(_words(bulk, report))


def _is_bulk(run: str | None, narrowing: Narrowing, *, everything: bool) -> bool:
    if run is not None:
        if everything or not narrowing.is_empty:
            raise click.UsageError("name one RUN, or many by options, not both")
        return False
    if everything and not narrowing.is_empty:
        raise click.UsageError("--all goes without options that narrow")
    if not everything and narrowing.is_empty:
        raise click.UsageError("name a RUN, narrow by --job, --state, --tenant, --since, --until, --text, or say --all")
    return True


async def _question(host: ConnectedHost, bulk: Bulk, count: BulkReport) -> str:
    some = f"the newest {_spaced(count.matched)} of more" if count.is_more else _spaced(count.matched)
    noun = "run" if count.matched == 1 else "runs"
    words = (bulk.action.value, some, " or ".join(bulk.narrowing.states), noun, await bulk.narrowing.words(host))
    return " ".join(word for word in words if word) + "?"


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise InvalidRequestError(f"nobody can be asked: {question}", hint="say --yes to do it without a question")
    click.confirm(question, abort=True, err=True)


def _words(bulk: Bulk, report: BulkReport) -> str:
    if not report.matched:
        return f"no run to {bulk.action.value}"
    text = f"{_spaced(report.changed)} {'run' if report.changed == 1 else 'runs'} {_DONE[bulk.action]}"
    if left := report.matched - report.changed:
        text += f"; {_spaced(left)} {_LEFT[bulk.action]}"
    return f"{text}\nthere are more: say it again" if report.is_more else text


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")
