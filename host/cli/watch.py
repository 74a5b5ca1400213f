"""Watching a run until it ends: its changes, its progress and its log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar
from uuid import UUID

from host.cli.connect import ConnectedHost
from host.cli.output import print_note, progress_bar
from host.cli.text import clean, duration
from host.errors import RunNotFoundError, UpstreamUnavailableError
from host.model.logs import RunLogLine
from host.model.runs import JobRun

POLL_SECONDS = 0.2
RETRY_SECONDS = 1.0

T = TypeVar("T")


async def changes(host: ConnectedHost, after: int) -> AsyncIterator[JobRun]:
    """Give every run that changed since change number ``after``, by change number, and go on for ever."""
    while True:
        page = await _outlasting(partial(host.runs.changes, after))
        for run in page:
            after = run.change
            yield run
        if not page:
            await asyncio.sleep(POLL_SECONDS)


async def newest_change(host: ConnectedHost) -> int:
    """Give the number of the newest change, 0 before the first."""
    newest = await host.runs.changes(-1)
    return newest[-1].change if newest else 0


async def wait_final(host: ConnectedHost, run_id: UUID, saw: Callable[[JobRun], None] = lambda _: None) -> JobRun:
    """Wait until a run is final and give it; ``saw`` is called with each new form of it on the way."""
    change = -1
    while True:
        run = await _outlasting(partial(host.runs.run, run_id))
        if run is None:
            raise RunNotFoundError(f"there is no run {run_id} any more")
        if run.change != change:
            change = run.change
            saw(run)
        if run.state.is_final:
            return run
        await asyncio.sleep(POLL_SECONDS)


async def _outlasting(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask, again and again while the host answers that its upstream does not: what is watched goes on there."""
    is_told = False
    while True:
        try:
            return await ask()
        except UpstreamUnavailableError as error:
            if not is_told:
                is_told = True
                print_note(f"{error.message}; waiting for it")
            await asyncio.sleep(RETRY_SECONDS)


async def show_progress(host: ConnectedHost, run_id: UUID) -> JobRun:
    """Show a bar, on a terminal, until the run is final; give it."""
    with progress_bar() as bar:
        task = bar.add_task("", total=None, state="")

        def saw(run: JobRun) -> None:
            total = None if run.progress is None else 1.0
            text = clean(run.status_text or "")
            bar.update(task, completed=run.progress or 0.0, total=total, description=text, state=run.state.value)

        return await wait_final(host, run_id, saw)


async def follow_log(host: ConnectedHost, run_id: UUID, saw: Callable[[RunLogLine], None], *, after: int = 0) -> None:
    """Call ``saw`` with each line above ``after`` as it comes, until the run is final and all its lines are seen."""
    last = after

    async def stream() -> None:
        nonlocal last
        async with aclosing(host.log.follow(run_id, after=after)) as lines:  # type: ignore[type-var]  # a generator
            async for line in lines:
                last = line.number
                saw(line)

    streaming = asyncio.create_task(stream(), name="log")
    finishing = asyncio.create_task(wait_final(host, run_id), name="run")
    try:
        await asyncio.wait([streaming, finishing], return_when=asyncio.FIRST_COMPLETED)
        if streaming.done():
            await streaming
        await finishing
    finally:
        for task in (streaming, finishing):
            task.cancel()
        await asyncio.gather(streaming, finishing, return_exceptions=True)
    while rest := await _outlasting(partial(host.log.read, run_id, after=last)):
        for line in rest:
            last = line.number
            saw(line)


def ending_of(run: JobRun) -> str:
    """Say in a line how a run ended."""
    took = f" after {duration(run.duration)}" if run.duration is not None else ""
    reason = f" ({run.reason.value})" if run.reason else ""
    text = f": {run.status_text}" if run.status_text else ""
    return f"run {run.id} {run.state.value}{reason}{took}{text}"
