"""Spans of runs, and of what jobs do, to a collector by OTLP over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog

from host.contracts.contract import Finding, Service
from host.contracts.host import DataDirectory
from host.contracts.metrics import TraceExport
from host.contracts.secrets import SECRET_PREFIX, SecretProvider
from host.errors import SecretNotFoundError
from host_otel.settings import OtlpSettings

if TYPE_CHECKING:
    from host_otel.pipeline import Pipeline

logger = structlog.get_logger(__name__)

FLUSH_SECONDS = 4.0


class OtlpExport(TraceExport, Service):
    """Makes each call of a job a span in the run's trace, and sends spans in batches on a thread of its own.

    A collector that is slow or away never holds up a run: up to 8192 spans wait, others are lost, which ``status``
    and the log tell.
    """

    aliases = ("host_otel:OtlpExport",)
    stop_seconds = 10

    def __init__(self, settings: OtlpSettings, data: DataDirectory, secrets: SecretProvider | None) -> None:
        self._settings, self._data, self._secrets = settings, data, secrets
        self._pipeline: Pipeline | None = None

    async def start(self) -> None:
        """Begin to record. Raises SecretNotFoundError, and ProviderStartError if the process records already."""
        if self._pipeline is not None:
            return
        from host_otel.pipeline import Pipeline  # the SDK takes long to import, and few commands start a host

        names = {"service.version": version("jobhost"), "service.instance.id": self._data.node()}
        self._pipeline = Pipeline(self._settings, self._headers(), names)

    async def stop(self) -> None:
        """Send what waits, as far as that is possible within some seconds."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is None:
            return
        pipeline.end()
        await asyncio.to_thread(pipeline.finish, FLUSH_SECONDS)
        if pipeline.lost:
            logger.warning("spans were lost", count=pipeline.lost)

    def check(self) -> Sequence[Finding]:
        """Say whether spans are being lost, and how many were."""
        if self._pipeline is None or (trouble := self._pipeline.trouble) is None:
            return []
        return [Finding(message=f"traces are not exported, {self._pipeline.lost} spans are lost so far: {trouble}")]

    def _headers(self) -> Mapping[str, str]:
        return {name: self._resolved(name, value) for name, value in self._settings.headers.items()}

    def _resolved(self, header: str, value: str) -> str:
        if not value.startswith(SECRET_PREFIX):
            return value
        name = value.removeprefix(SECRET_PREFIX)
        found = self._secrets.get(name) if self._secrets is not None else None
        if found is None:
            hint = "see the secrets folder of the configuration"
            raise SecretNotFoundError(f"there is no secret {name!r}", where=f"header {header}", hint=hint)
        return found
