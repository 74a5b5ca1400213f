"""``jobhost status`` and ``jobhost drain``: how the host is, and stopping it gently."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import click

from host.cli.connect import ConnectedHost, connect
from host.cli.find import now, user
from host.cli.options import find_data_directory, json_option, located, on_host
from host.cli.output import Cell, failure, heading, print_facts, print_json, print_line, print_table, warning
from host.cli.text import local_time, relative
from host.contracts.contract import Finding
from host.contracts.host import HostStatus
from host.errors import HostUnavailableError

POLL_SECONDS = 0.2


@click.command()
@json_option
@on_host
async def status(host: ConnectedHost, *, as_json: bool) -> None:
    """Show how the running host is.

    Its state, its load and the health of its providers.
    """
    found = await host.host.status()
    if as_json:
        print_json(found)
        return
    print_facts(_facts(found))
    heading("Providers")
    rows = [(p.type.rpartition(":")[2], p.source, _health(p.findings), ", ".join(p.contracts)) for p in found.providers]
    texts = ("HEALTH", "USED FOR")
    print_table(("PROVIDER", "SOURCE", "HEALTH", "USED FOR"), rows, empty="none", texts=texts)


@click.command()
@located
@click.option("--wait", is_flag=True, help="Return only when the host has ended.")
def drain(*, data: Path | None, config: Path | None, wait: bool) -> None:
    """Let active runs end, then stop the host.

    No run starts any more; what has not ended within the host's drain time goes back to the queue.
    """
    asyncio.run(_drain(find_data_directory(data, config), wait=wait))


async def _drain(directory: Path, *, wait: bool) -> None:
    async with connect(directory) as host:
        pid = (await host.host.status()).pid
        await host.host.drain(by=user())
    if wait:
        while await _answers(directory) or _lives(pid):  # noqa: ASYNC110  # another process tells no event
            await asyncio.sleep(POLL_SECONDS)
    print_line("the host has ended" if wait else "the host drains")


async def _answers(directory: Path) -> bool:
    try:
        async with connect(directory):
            return True
    except HostUnavailableError:
        return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _facts(host: HostStatus) -> list[tuple[str, Cell]]:
    return [
        ("state", host.state.value),
        ("version", host.version),
        ("process", str(host.pid)),
        ("node", host.node),
        ("started", f"{local_time(host.started_at)}, {relative(host.started_at, now())}"),
        ("configuration", host.configuration),
        ("data directory", host.data_directory),
        ("default zone", host.timezone),
        ("executors", ", ".join(f"{name} {busy} of {slots}" for name, (busy, slots) in host.executors.items())),
        (
            "unfinished runs",
            ", ".join(f"{count} {state}" for state, count in host.unfinished.items() if count) or "none",
        ),
    ]


def _health(findings: Sequence[Finding]) -> Cell:
    if not findings:
        return "well"
    text = "; ".join(finding.message for finding in findings)
    return failure(text) if any(finding.is_failure for finding in findings) else warning(text)
