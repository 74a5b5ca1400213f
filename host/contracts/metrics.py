"""What monitoring systems are told."""

from __future__ import annotations

from abc import abstractmethod

from host.contracts.contract import Contract


class HostMetrics(Contract):
    """The host's measurements, of bounded number whatever the number of jobs."""

    @abstractmethod
    async def exposition(self) -> bytes:
        """Give all metrics in Prometheus' text format (``text/plain; version=0.0.4``)."""


class TraceExport(Contract):
    """Takes spans of runs, and of what jobs do, to where traces are kept; nobody calls it.

    It is the process's OpenTelemetry SDK from ``start``, before the first run begins, to ``stop``, after the last one.
    """
