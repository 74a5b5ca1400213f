"""Any contract, failing on purpose: before a call reaches the store, or after it has done its work."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Coroutine
from enum import StrEnum
from random import Random
from typing import Any, TypeVar, cast

from host.errors import StoreUnavailableError

C = TypeVar("C")


class Fault(StrEnum):
    """When a call fails."""

    BEFORE = "before"
    """Nothing was done."""
    AFTER = "after"
    """Everything was done, but the caller does not learn it."""


class FaultPlan:
    """Decides by a seed which calls fail, and counts them."""

    def __init__(self, seed: int, *, probability: float = 0.3) -> None:
        self._random = Random(seed)
        self._probability = probability
        self.calls: Counter[str] = Counter()
        """``{method: calls}``."""
        self.faults: Counter[tuple[str, Fault]] = Counter()
        """``{(method, when): failures}``."""

    def decide(self, method: str) -> Fault | None:
        """Say whether and when this call fails."""
        self.calls[method] += 1
        if self._random.random() >= self._probability:
            return None
        fault = self._random.choice(list(Fault))
        self.faults[method, fault] += 1
        return fault


def failing(provider: C, *contracts: type[object], plan: FaultPlan) -> C:
    """Give the provider with every async method of these contracts failing as the plan says.

    The result is an instance of the contracts; what fails raises StoreUnavailableError.
    """
    names = {name for contract in contracts for name in _methods(contract)}
    body = {name: _failing(getattr(provider, name), name, plan) for name in names}
    return cast("C", type(f"Failing{type(provider).__name__}", contracts, body)())


def _methods(contract: type[object]) -> list[str]:
    return [name for name, member in inspect.getmembers(contract, inspect.isfunction) if _is_awaited(member)]


def _is_awaited(method: Callable[..., object]) -> bool:
    returned = str(method.__annotations__.get("return", ""))
    return inspect.iscoroutinefunction(method) or returned.startswith("Awaitable[")


def _failing(
    method: Callable[..., Coroutine[Any, Any, object]], name: str, plan: FaultPlan
) -> Callable[..., Coroutine[Any, Any, object]]:
    async def call(_self: object, *arguments: object, **options: object) -> object:
        fault = plan.decide(name)
        if fault is Fault.BEFORE:
            raise StoreUnavailableError("this call was made to fail", where=name)
        result = await method(*arguments, **options)
        if fault is Fault.AFTER:
            raise StoreUnavailableError("the answer of this call was made to get lost", where=name)
        return result

    return call
