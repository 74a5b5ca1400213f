"""Parts of a page that are asked for by themselves: one that fails says so, and what was known last is shown."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from host.contracts.clock import Clock
from host.errors import ErrorKind, HostError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a part could not be had."""

    error: HostError
    since: datetime
    """When it first failed; it has failed ever since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[T]):
    """One part of a page."""

    name: str
    value: T | None
    """With a trouble: what was known last, None if never anything was."""
    trouble: Trouble | None = None
    as_of: datetime | None = None
    """With a trouble: when the value was true."""


class LastKnown:
    """Remembers of each part, by name, what was known last and since when it fails."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[str, tuple[datetime, object]] = {}
        self._troubles: dict[str, Trouble] = {}

    async def ask(self, name: str, work: Awaitable[T], *, is_kept: bool = True) -> Part[T]:
        """Ask for a part. What the host itself does wrong is raised; nothing else is.

        ``is_kept=False`` for what follows from the request: it is never shown in place of another answer.
        """
        try:
            value = await work
        except HostError as error:
            if error.kind is ErrorKind.INTERNAL:
                raise
            if not is_kept:
                return Part(name=name, value=None, trouble=Trouble(error=error, since=self._clock.now()))
            return self._failed(name, error)
        if is_kept:
            self._troubles.pop(name, None)
            self._values[name] = self._clock.now(), value
        return Part(name=name, value=value)

    def _failed(self, name: str, error: HostError) -> Part[Any]:
        known = self._troubles.get(name)
        trouble = Trouble(error=error.with_traceback(None), since=known.since if known else self._clock.now())
        self._troubles[name] = trouble
        as_of, value = cast("tuple[datetime | None, Any]", self._values.get(name, (None, None)))
        return Part(name=name, value=value, trouble=trouble, as_of=as_of)
