"""The engine's door: what it offers to a configuration."""

from __future__ import annotations

from collections.abc import Iterable

from host.contracts.contract import Contract
from host.engine.control import HostedRunControl
from host.engine.directory import HostedJobDirectory
from host.engine.dispatcher import HostedDispatcher
from host.engine.manager import HostedJobManager
from host.engine.metrics import HostedMetrics
from host.engine.scheduler import HostedScheduler
from host.hookspecs import hookimpl


@hookimpl
def host_service_providers() -> Iterable[type[Contract]]:
    """Offer the engine that runs jobs in this host."""
    return (HostedJobManager, HostedRunControl, HostedJobDirectory, HostedScheduler, HostedDispatcher, HostedMetrics)
