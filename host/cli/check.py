"""``jobhost check`` and ``jobhost plugins``: what a host would do and what it could; neither needs one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from host.cli.options import config_option, find_data_directory, json_option, located
from host.cli.output import Cell, failure, heading, is_narrow, print_json, print_line, print_table, warning
from host.cli.problems import problem_lines
from host.contracts.host import PluginInfo
from host.errors import HostUnavailableError, InvalidRequestError, Problem

if TYPE_CHECKING:
    from host.kernel.check import CheckRow


@click.command()
@config_option
@json_option
def check(*, config: Path, as_json: bool) -> None:
    """Say what a configuration would do, without running it.

    The exit status is 0 only if nothing is wrong, else 2.
    """
    from host.kernel.check import check_configuration

    with redirect_stdout(sys.stderr):  # what plugins and logs print is not the report
        report = check_configuration(config)
    if as_json:
        print_json(report)
    else:
        _print_rows("Providers", report.providers, has_notes=not is_narrow())
        _print_rows("Jobs", report.jobs)
        _print_problems("No equivalent here", report.unknown, is_wrong=False)
        _print_problems("Warnings", report.warnings, is_wrong=False)
        _print_problems("Problems", report.problems, is_wrong=True)
        if report.would_run:
            heading("Would run next")
            for line in report.would_run:
                print_line(f"  {line}")
        print_line()
        print_line(f"{report.file} is in order" if report.is_clean else failure(f"{report.file} is not in order"))
    if not report.is_clean:
        raise click.exceptions.Exit(2)


@click.command()
@located
@json_option
def plugins(*, data: Path | None, config: Path | None, as_json: bool) -> None:
    """List the installed plugins.

    As the running host sees them or, without one, as the next would.
    """
    with redirect_stdout(sys.stderr):
        found = asyncio.run(_plugins(data, config))
    if as_json:
        print_json(found)
        return
    rows = [(plugin.name, plugin.distribution, plugin.version, _offer(plugin)) for plugin in found]
    print_table(
        ("PLUGIN", "DISTRIBUTION", "VERSION", "OFFERS"), rows, empty="no plugin is installed", texts=("OFFERS",)
    )


async def _plugins(data: Path | None, config: Path | None) -> Sequence[PluginInfo]:
    from host.cli.connect import connect

    try:
        async with connect(find_data_directory(data, config)) as host:
            return await host.host.plugins()
    except (HostUnavailableError, InvalidRequestError):
        from host.kernel.check import list_plugins

        return list_plugins()


def _offer(plugin: PluginInfo) -> Cell:
    if plugin.error:
        return failure(plugin.error)
    return f"{_count(plugin.providers, 'provider')}, {_count(plugin.jobs, 'job')}"


def _count(found: Sequence[str], name: str) -> str:
    return f"{len(found)} {name}" if len(found) == 1 else f"{len(found)} {name}s"


def _print_rows(title: str, rows: Sequence[CheckRow], *, has_notes: bool = True) -> None:
    heading(title)
    columns = ("NAME", "WHERE", "NOTE") if has_notes else ("NAME", "WHERE")
    cells = [(row.name if row.known else warning(row.name), _place(row.where), row.note) for row in rows]
    texts = set(columns) - {"WHERE"}
    print_table(columns, [line[: len(columns)] for line in cells], empty="  none", texts=texts)


def _place(where: str) -> str:
    """Give a place without its folder: a table has no room for it, the findings below name it in full."""
    return where.rpartition("/")[2]


def _print_problems(title: str, problems: Sequence[Problem], *, is_wrong: bool) -> None:
    if problems:
        heading(title)
    for line in problem_lines(problems):
        print_line(failure(f"  {line}") if is_wrong else warning(f"  {line}"))
