"""``jobhost reload``: the configuration as it is now, in force without ending the process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import click

from host.cli.connect import connect
from host.cli.find import lives, user
from host.cli.options import find_data_directory, json_option, located
from host.cli.output import print_json, print_line, print_table, warning
from host.cli.text import duration
from host.contracts.host import ConfigurationChange, HostState, HostStatus, LastReload, ReloadReport
from host.errors import ConfigurationError, HostUnavailableError, ProviderStartError

POLL_SECONDS = 0.1


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return only when the host is ready again.")
@located
@json_option
def reload(*, data: Path | None, config: Path | None, dry_run: bool, wait: bool, as_json: bool) -> None:
    """Put the configuration as it is now in force, without ending the process.

    The host reads and builds everything anew before anything stops; whatever is wrong is told, and it goes on as it
    is. Then active runs end, as with `jobhost drain`, and the host starts with the new configuration, or again with
    the old one if it cannot; the exit status is 1 then.
    """
    directory = find_data_directory(data, config)
    before, report = asyncio.run(_reload(directory, dry_run=dry_run))
    if not as_json:
        _print_report(report)
    last = None
    if report.is_begun and wait:
        began = time.monotonic()
        last = asyncio.run(_wait_ready(before, directory, config or Path(before.configuration)))
        took = duration(timedelta(seconds=time.monotonic() - began))
    if as_json:
        print_json({"report": report, "last_reload": last})
    if last is not None and last.error is not None:
        raise ProviderStartError(last.error, hint="the previous configuration is in force")
    if not as_json and report.is_begun:
        print_line(f"the host is ready again after {took}" if last else "the host reloads")


async def _reload(directory: Path, *, dry_run: bool) -> tuple[HostStatus, ReloadReport]:
    async with connect(directory) as host:
        before = await host.host.status()
        return before, await host.host.reload(dry_run=dry_run, by=user())


async def _wait_ready(before: HostStatus, directory: Path, config: Path) -> LastReload:
    """Wait until the host tells how the reload ended; raises HostUnavailableError if its process ends."""
    while True:
        for place in _places(directory, config):
            with suppress(HostUnavailableError):
                async with connect(place) as host:
                    status = await host.host.status()
                is_over = status.last_reload != before.last_reload and status.state is HostState.READY
                if status.last_reload is not None and is_over and status.pid == before.pid:
                    return status.last_reload
        if not lives(before.pid):
            raise HostUnavailableError("the host ended while it was reloaded", hint="its log says why")
        await asyncio.sleep(POLL_SECONDS)


def _places(directory: Path, config: Path) -> Sequence[Path]:
    """Give where the host may answer: in its data directory, or in the one that the configuration names now."""
    from host.kernel.locate import data_directory

    with suppress(ConfigurationError):
        return tuple(dict.fromkeys((directory, data_directory(config))))
    return (directory,)


def _print_report(report: ReloadReport) -> None:
    for text in report.warnings:
        print_line(warning(text))
    nothing = "nothing has changed; the host starts afresh all the same" if report.is_begun else "nothing would change"
    columns = ("WHAT", "NAME", "BEFORE", "AFTER", "WHERE")
    print_table(columns, map(_row, report.changes), empty=nothing, texts=("NAME", "BEFORE", "AFTER"))


def _row(change: ConfigurationChange) -> tuple[str, str, str, str, str]:
    place = (change.where or "-").rpartition("/")[2]
    return change.what, change.name, change.before or "-", change.after or "-", place
