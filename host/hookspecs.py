"""The hooks a plugin may implement; called plugin by plugin, so that one broken plugin is named and the rest load."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from host.contracts.contract import Contract
from host.contracts.jobs import Job

PROJECT = "jobhost"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class HostHooks:
    """What can be had. Classes only: nothing is built or started here."""

    @hookspec
    def host_service_providers(self) -> Iterable[type[Contract]]:
        """Offer provider classes that a configuration may name in ``serviceProviders``."""
        raise NotImplementedError

    @hookspec
    def host_jobs(self) -> Iterable[type[Job]]:
        """Offer job classes that a configuration or an operator may register."""
        raise NotImplementedError
