"""The door of this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from host.contracts.contract import Contract
from host.hookspecs import hookimpl
from host_upstream.providers import (
    UpstreamJobManager,
    UpstreamJobRunReader,
    UpstreamJobScheduleManager,
    UpstreamRunControl,
    UpstreamRunLog,
)
from host_upstream.transport.http_link import HttpUpstreamLink
from host_upstream.upstream import OneUpstream


@hookimpl
def host_service_providers() -> Iterable[type[Contract]]:
    """Offer what asks another host, and what reaches it."""
    return (
        UpstreamJobManager,
        UpstreamRunControl,
        UpstreamJobScheduleManager,
        UpstreamJobRunReader,
        UpstreamRunLog,
        OneUpstream,
        HttpUpstreamLink,
    )
