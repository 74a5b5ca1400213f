"""The door of this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from host.contracts.contract import Contract
from host.hookspecs import hookimpl
from host_otel.export import OtlpExport


@hookimpl
def host_service_providers() -> Iterable[type[Contract]]:
    """Offer the export of traces."""
    return (OtlpExport,)
