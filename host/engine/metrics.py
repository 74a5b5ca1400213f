"""The host's measurements, taken when somebody asks for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import version

from host.contracts.clock import Clock
from host.contracts.contract import Service
from host.contracts.engine import Dispatcher
from host.contracts.jobs import JobManagerService
from host.contracts.maintenance import StoreMaintenance
from host.contracts.metrics import HostMetrics
from host.contracts.runs import JobRunReader
from host.engine.measurements import Measurements
from host.engine.run_totals import RunTotals, Totals
from host.errors import HostUnavailableError, UnsupportedOperationError

_NO_TIME = timedelta(0)


class HostedMetrics(HostMetrics, Service):
    """Measures this host; counters begin at 0 when it starts."""

    is_default = True

    def __init__(
        self,
        runs: JobRunReader,
        jobs: JobManagerService,
        stores: Sequence[StoreMaintenance],
        clock: Clock,
        dispatcher: Dispatcher | None,
    ) -> None:
        self._runs, self._stores, self._clock, self._dispatcher = runs, stores, clock, dispatcher
        self._totals = RunTotals(runs, jobs, clock)
        self._one_at_a_time = asyncio.Lock()
        self._is_started = False

    async def start(self) -> None:
        """Begin to count."""
        if self._is_started:
            return
        with suppress(HostUnavailableError, UnsupportedOperationError):
            # Of an upstream: else counting begins with the first question that it answers.
            await self._totals.start()
        self._is_started = True

    async def stop(self) -> None:
        """Begin at 0 the next time."""
        self._is_started = False

    async def exposition(self) -> bytes:
        """Give all metrics; counters are of at most 200 jobs by name, the others together as ``other``."""
        async with self._one_at_a_time:
            measured = await self._measure()
        return await asyncio.to_thread(_render, measured)

    async def _measure(self) -> Measurements:
        lag = await _loop_lag()
        began = time.perf_counter()
        counters = await self._runs.counters()
        store_seconds = time.perf_counter() - began
        due = counters.oldest_due_at
        return Measurements(
            version=version("jobhost"),
            totals=await self._read_totals(),
            counters=counters,
            queue_age=_NO_TIME if due is None else max(_NO_TIME, self._clock.now() - due),
            executors=self._dispatcher.executors() if self._dispatcher else (),
            stores={store.store_name: (await store.size()).bytes for store in self._stores},
            loop_lag_seconds=lag,
            store_seconds=store_seconds,
        )

    async def _read_totals(self) -> Totals:
        try:
            return await self._totals.read()
        except UnsupportedOperationError:  # an upstream may not tell
            return Totals()


async def _loop_lag() -> float:
    began = time.perf_counter()
    await asyncio.sleep(0)
    return time.perf_counter() - began


def _render(measured: Measurements) -> bytes:
    from host.engine.exposition import render  # its library takes long to import, and few hosts are asked

    return render(measured)
