"""A provider between the engine and a real store that refuses, delays or loses answers at will."""

from __future__ import annotations

import abc
import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

from host.contracts.contract import Contract
from host.contracts.runs import JobRunClaimer, JobRunReader, JobRunWriter
from host.contracts.schedules import JobScheduleManager
from host.errors import StoreUnavailableError


class Gate:
    """What tests turn; method names as in the contract."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.refused: set[str] = set()
        """Calls that do nothing and raise."""
        self.lost: set[str] = set()
        """Calls that do everything and raise, decided when they are made."""
        self.held: dict[str, asyncio.Event] = {}
        """Calls that wait for the event after they did everything."""
        self.calls: Counter[str] = Counter()


def gate_before(contract: type[Contract]) -> type[Contract]:
    """Give a provider class that wraps the one before it in the configuration."""

    def construct(self: Gate, inner: Any) -> None:
        Gate.__init__(self, inner)

    construct.__annotations__ = {"inner": contract}
    body = {name: _passing(name) for name in contract.__abstractmethods__}
    cls = type(f"Gated{contract.__name__}", (Gate, contract), {**body, "__init__": construct, "__module__": __name__})
    return abc.update_abstractmethods(cls)


def _passing(name: str) -> Any:
    def call(self: Gate, *arguments: object, **options: object) -> Awaitable[object]:
        self.calls[name] += 1
        if name in self.refused:
            return asyncio.ensure_future(_refuse(name))
        answer = getattr(self._inner, name)(*arguments, **options)
        return asyncio.ensure_future(_answer(self, name, answer, is_lost=name in self.lost))

    return call


async def _refuse(name: str) -> object:
    raise StoreUnavailableError("this call was made to fail", where=name)


async def _answer(gate: Gate, name: str, answer: Awaitable[object], *, is_lost: bool) -> object:
    result = await answer
    if name in gate.held:
        await gate.held[name].wait()
    if is_lost:
        raise StoreUnavailableError("the answer of this call was made to get lost", where=name)
    return result


GatedWriter = gate_before(JobRunWriter)
GatedReader = gate_before(JobRunReader)
GatedClaimer = gate_before(JobRunClaimer)
GatedSchedules = gate_before(JobScheduleManager)
