"""``jobhost doctor``: whether everything a host needs is there, with and without a running one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from itertools import zip_longest
from pathlib import Path

import click

from host.cli.connect import connect
from host.cli.diagnosis import Diagnosis, Verdict, failed, look, well
from host.cli.options import DEFAULT_CONFIGURATION, find_data_directory, json_option, located
from host.cli.output import Cell, failure, print_findings, print_json, print_line, warning
from host.contracts.host import HostStatus
from host.errors import HostError, HostUnavailableError, Problem

ANSWER_SECONDS = 30


@click.command()
@located
@json_option
def doctor(*, data: Path | None, config: Path | None, as_json: bool) -> None:
    """Look whether all is well, and say what to do where it is not.

    With and without a running host. The exit status is 0 unless something has FAILED, then 1.
    """
    with redirect_stdout(sys.stderr):  # what plugins and logs print is no finding
        found = list(_examine(data, config))
    if as_json:
        print_json(found)
    else:
        _print(found)
    if any(each.verdict is Verdict.FAILED for each in found):
        raise click.exceptions.Exit(1)


def _examine(data: Path | None, config: Path | None) -> Iterator[Diagnosis]:
    from host.cli.doctor_machine import look_at_machine, may_be_owned
    from host.cli.doctor_stores import look_at_leftovers, look_at_stores

    directory: Path | None = None
    try:
        directory = find_data_directory(data, config)
    except HostError as error:
        yield failed("data directory", f"not known: {error.message}", error.hint)
    status, of_host = asyncio.run(_ask(directory)) if directory else (None, ())
    yield from _look_at_configuration(_configuration(data, config, status))
    yield from look_at_machine(directory, status.pid if status else None)
    if directory is not None:
        yield from look_at_stores(directory, is_running=status is not None)
    if directory is not None and status is None and not may_be_owned(directory):
        yield from look_at_leftovers(directory)
    yield from of_host


def _configuration(data: Path | None, config: Path | None, status: HostStatus | None) -> Path | None:
    """Choose the configuration to look at: the one named, the running host's, or the one here."""
    if config is not None:
        return config
    if status is not None:
        return Path(status.configuration)
    return DEFAULT_CONFIGURATION if data is None and DEFAULT_CONFIGURATION.exists() else None


def _look_at_configuration(config: Path | None) -> Iterator[Diagnosis]:
    if config is None:
        yield look("configuration", "not looked at", "name it by --config FILE")
        return
    from host.kernel.check import check_configuration

    report = check_configuration(config)
    if report.is_clean:
        yield well("configuration", f"{report.file}: {len(report.providers)} providers, {len(report.jobs)} jobs")
    yield from (failed("configuration", _words(problem), problem.hint) for problem in report.problems)
    for problem in report.unknown:
        yield failed("configuration", _words(problem), problem.hint or "serve --skip-unknown leaves it out")
    yield from (look("warnings", _words(problem), problem.hint) for problem in report.warnings)
    if not report.warnings:
        yield well("plugins", "all installed ones load")


def _words(problem: Problem) -> str:
    return f"{problem.where}: {problem.message}" if problem.where else problem.message


async def _ask(directory: Path) -> tuple[HostStatus | None, Sequence[Diagnosis]]:
    """Give the status of the host that owns the directory, None if none answers, and what it says."""
    from host.cli.doctor_host import look_at_host

    try:
        async with asyncio.timeout(ANSWER_SECONDS), connect(directory) as host:
            status = await host.host.status()
            return status, [finding async for finding in look_at_host(host, status)]
    except HostUnavailableError as error:
        return None, [look("host", error.message, error.hint)]
    except HostError as error:
        return None, [failed("host", error.message, error.hint)]
    except TimeoutError:
        return None, [failed("host", f"it does not answer within {ANSWER_SECONDS} s", "its log says what it does")]


def _print(found: Sequence[Diagnosis]) -> None:
    below = [after.hint for after in found[1:]]
    rows = [
        (_mark(each.verdict), each.subject, each.message, each.hint if each.hint != hint else None)
        for each, hint in zip_longest(found, below)
    ]
    print_findings(rows)
    bad, odd = (sum(each.verdict is verdict for each in found) for verdict in (Verdict.FAILED, Verdict.LOOK))
    print_line()
    print_line(f"{bad} failed, {odd} to look at, {len(found) - bad - odd} well")


def _mark(verdict: Verdict) -> Cell:
    if verdict is Verdict.FAILED:
        return failure(verdict.value)
    return warning(verdict.value) if verdict is Verdict.LOOK else verdict.value
