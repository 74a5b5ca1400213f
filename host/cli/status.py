"""``jobhost status`` and ``jobhost drain``: how the host is, and stopping it gently."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from host.cli.connect import ConnectedHost, connect
from host.cli.find import lives, now, user
from host.cli.options import find_data_directory, json_option, located, on_host
from host.cli.output import Cell, failure, heading, print_facts, print_json, print_line, print_table, warning
from host.cli.pauses import EVERYTHING, paused_scopes
from host.cli.text import local_time, relative
from host.contracts.contract import Finding
from host.contracts.host import ExecutorInfo, HostStatus, LastReload, ProviderInfo
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
    rows = [(_name(p), p.source, _health(p.findings), ", ".join(p.contracts)) for p in found.providers]
    print_table(("PROVIDER", "SOURCE", "HEALTH", "USED FOR"), rows, empty="none", texts=("USED FOR",))
    _print_findings(found.providers)


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
        while await _answers(directory) or lives(pid):  # noqa: ASYNC110  # another process tells no event
            await asyncio.sleep(POLL_SECONDS)
    print_line("the host has ended" if wait else "the host drains")


async def _answers(directory: Path) -> bool:
    try:
        async with connect(directory):
            return True
    except HostUnavailableError:
        return False


def _facts(host: HostStatus) -> list[tuple[str, Cell]]:
    return [
        ("state", host.state.value),
        ("version", host.version),
        ("process", str(host.pid)),
        ("node", host.node),
        ("started", f"{local_time(host.started_at)}, {relative(host.started_at, now())}"),
        ("configuration", host.configuration),
        ("data directory", host.data_directory),
        ("default zone", host.timezone or warning("not known")),
        ("executors", ", ".join(map(_load, host.executors)) or "none: its jobs run elsewhere"),
        ("unfinished runs", _unfinished(host.unfinished) if host.is_engine_known else warning("not known")),
        ("paused", _paused(paused_scopes(host)) if host.is_engine_known else warning("not known")),
        ("last reload", _last_reload(host.last_reload)),
    ]


def _unfinished(by_state: Mapping[str, int]) -> Cell:
    return ", ".join(f"{count} {state}" for state, count in by_state.items() if count) or "none"


def _load(executor: ExecutorInfo) -> str:
    stuck = f" and {executor.stuck} stuck" if executor.stuck else ""
    return f"{executor.name} {executor.busy} of {executor.slots}{stuck}"


def _paused(scopes: Mapping[str, str]) -> Cell:
    if EVERYTHING in scopes:
        return warning(f"everything: {scopes[EVERYTHING]}")
    return warning(f"{len(scopes)} jobs or schedules; jobhost jobs pauses lists them") if scopes else "-"


def _last_reload(last: LastReload | None) -> Cell:
    if last is None:
        return "-"
    return failure(f"{local_time(last.at)}, undone: {last.error}") if last.error else local_time(last.at)


def _name(provider: ProviderInfo) -> str:
    return provider.type.rpartition(":")[2]


def _health(findings: Sequence[Finding]) -> Cell:
    if any(finding.is_failure for finding in findings):
        return failure("FAILED")
    return warning("look") if findings else "well"


def _print_findings(providers: Sequence[ProviderInfo]) -> None:
    found = [(_name(provider), finding) for provider in providers for finding in provider.findings]
    if found:
        heading("Findings")
    for name, finding in found:
        text = f"{name}: {finding.message}"
        print_line(failure(text) if finding.is_failure else warning(text))
