"""One cell: a busy host, a fault, and the verdict over everything that was accepted."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from host.contracts.executors import JobExecutor
from host.kernel.catalogue import load_catalogue
from tests.chaos.checker import check
from tests.chaos.desk import Desk
from tests.chaos.evidence import Evidence, Verdict, Violation
from tests.chaos.faults.catalogue import FAULTS
from tests.chaos.faults.fault import EXECUTORS, Fault

SETTLE_SECONDS = 0.3
FEWEST = 11
"""So many runs at least are accepted in a cell, on however slow a machine."""
FEWEST_SECONDS = 60.0
"""But a host that accepts none is not waited for longer."""
CELL_SECONDS = 180.0
"""A cell that takes longer on top of its own time is broken, or has found something that hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How one fault with one executor went."""

    fault: str
    executor: str
    violations: tuple[Violation, ...] = ()
    not_run: str | None = None
    """Why it was not run."""
    counts: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0

    @property
    def is_failed(self) -> bool:
        return bool(self.violations)


def applies(name: str, executor: str) -> bool:
    """Say whether a cell means anything."""
    return executor == "loop" or not FAULTS[name].same_for_all


def missing(name: str, executor: str) -> str | None:
    """Say what a cell lacks here, or None."""
    if executor not in offered_executors():
        return f"no {executor} executor is offered"
    return FAULTS[name]().missing()


@cache
def offered_executors() -> frozenset[str]:
    """Give the executors that the installed plugins offer."""
    classes = [cls for found in load_catalogue().providers.values() for cls in found]
    return frozenset(cls.name for cls in classes if issubclass(cls, JobExecutor)).intersection(EXECUTORS)


def run_cell(name: str, executor: str, *, seed: int, seconds: float, folder: Path) -> Cell:
    """Run one cell in an empty folder; whatever it started has ended when this returns or raises."""
    fault = FAULTS[name]()
    desk = Desk(folder, executor, seed, seconds)
    began = time.monotonic()
    violations = _violations(fault, desk)
    spent = time.monotonic() - began
    return Cell(fault=name, executor=executor, violations=tuple(violations), counts=desk.counts, seconds=spent)


def _violations(fault: Fault, desk: Desk) -> list[Violation]:
    try:
        fault.prepare(desk)
        evidence = asyncio.run(_bounded(fault, desk))
    except Exception as error:  # whatever ends a cell early is its verdict; the other cells go on
        verdict = Verdict.DIED if desk.host.has_died() or isinstance(error, HostDiedError) else Verdict.BROKEN
        what = "".join(traceback.format_exception(error)) + desk.host.tail()
        return [Violation(verdict=verdict, what=what)]
    finally:
        fault.clean(desk)
        desk.host.kill()
        desk.journal.close()
    found = check(evidence) + list(fault.judge(evidence))
    return found + [Violation(verdict=Verdict.WRONG, what=problem) for problem in desk.problems]


async def _bounded(fault: Fault, desk: Desk) -> Evidence:
    async with asyncio.timeout(CELL_SECONDS + desk.seconds):
        return await _run(fault, desk)


async def _run(fault: Fault, desk: Desk) -> Evidence:
    desk.schedule(fault.misfire)
    began = time.monotonic()
    await desk.start()
    promises = fault.promises().on_machine(time.monotonic() - began)
    client = asyncio.create_task(desk.keep_busy())
    try:
        await asyncio.sleep(SETTLE_SECONDS)
        await _strike(fault, desk)
        await asyncio.sleep(SETTLE_SECONDS)
        await _accepted_enough(desk)
        _notice_death(desk)
    finally:
        client.cancel()
        with suppress(asyncio.CancelledError):
            await client
    rows = await desk.settled(fault.drain_seconds)
    _notice_death(desk)
    return Evidence(events=desk.journal.events(), rows=rows, promises=promises)


async def _strike(fault: Fault, desk: Desk) -> None:
    until = time.monotonic() + desk.seconds
    while time.monotonic() < until:
        await fault.inject(desk)
        desk.counts["blows"] += 1
        if not fault.is_repeated:
            await asyncio.sleep(max(0.0, until - time.monotonic()))
        await fault.heal(desk)
        _notice_death(desk)
        if not fault.is_repeated:
            return


async def _accepted_enough(desk: Desk) -> None:
    until = time.monotonic() + FEWEST_SECONDS
    while desk.counts["accepted"] < FEWEST and time.monotonic() < until and not desk.host.has_died():
        await asyncio.sleep(0.05)


def _notice_death(desk: Desk) -> None:
    if desk.host.has_died():
        raise HostDiedError("the host ended by itself")


class HostDiedError(Exception):
    """A host ended that nothing should have ended; the cell cannot go on."""
