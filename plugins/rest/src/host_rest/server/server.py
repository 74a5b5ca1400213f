"""The HTTP server as a provider: it collects the mounts, puts the gate before them, and listens."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from host.contracts.clock import Clock
from host.contracts.contract import Contract, Finding, Service
from host.contracts.host import DataDirectory, HostControl
from host.contracts.http import HttpMount
from host.contracts.security import AuditTrail, Authenticator, PolicyService
from host.errors import ProviderStartError
from host_rest.server.audit import RequestAudit
from host_rest.server.certificate import Certificate
from host_rest.server.gate import Gate
from host_rest.server.guard import Guard
from host_rest.server.health import HealthMount
from host_rest.server.measures import HttpMeasures
from host_rest.server.metrics import MetricsMount
from host_rest.server.routes import Routes
from host_rest.server.settings import HttpServerSettings
from host_rest.server.sockets import listening_socket

if TYPE_CHECKING:
    from host_rest.server.listener import Listener

logger = structlog.get_logger(__name__)

URL_NAME = "http.url"
"""In the data directory while the server listens: its address, with the prefix of its paths."""


class HttpServer(Contract, Service):
    """Answers HTTP requests by the configured mounts, each let in by a rule of its mount or not at all.

    ``start`` returns when it listens; ``stop`` lets answers end, makes streams end, and cuts off what goes on.
    """

    stop_seconds = 10

    def __init__(
        self,
        settings: HttpServerSettings,
        mounts: Sequence[HttpMount],
        authenticator: Authenticator,
        policies: PolicyService,
        host: HostControl,
        directory: DataDirectory,
        clock: Clock,
        trail: AuditTrail | None,
    ) -> None:
        """Raise ConfigurationError for a certificate that cannot be used."""
        self.mounts = tuple(mounts)
        """In the configuration's order."""
        self._settings, self._host, self._directory, self._clock = settings, host, directory, clock
        self._guard = Guard(authenticator, policies)
        self._audit = RequestAudit(trail, clock)
        self._certificate = None
        if settings.certificate is not None and settings.key is not None:
            self._certificate = Certificate(settings.certificate, settings.key)
        self._gate: Gate | None = None
        self._listener: Listener | None = None
        self._watching: asyncio.Task[None] | None = None
        self._url: str | None = None

    async def start(self) -> None:
        """Listen. Raises ProviderStartError if the address is taken, ConfigurationError for rules that contradict."""
        if self._listener is not None:
            return
        from host_rest.server.listener import Listener  # its library takes long to import, and few commands listen

        self._gate = self.gate(self.mounts)
        bound = listening_socket(self._settings)
        listener = Listener(self._gate, self._settings, self._certificate.context if self._certificate else None)
        address, port = bound.getsockname()[:2]
        await listener.start(bound)
        self._listener = listener
        self._watching = asyncio.create_task(self._gate.watch.run(), name="http streams")
        self._url = self._base_url(address, port)
        _write_private(self._directory.path() / URL_NAME, f"{self._url}\n")
        mounts = [mount.path or "/" for mount in self.mounts]
        logger.info("http server listening", url=self._url, mounts=mounts, connections_at_most=bound.at_most)

    async def stop(self) -> None:
        """Make streams end, let answers end, and close every connection."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        (self._directory.path() / URL_NAME).unlink(missing_ok=True)
        if self._gate is not None:
            self._gate.watch.close()
        await listener.stop()
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        self._gate = self._url = None

    def background(self) -> Sequence[asyncio.Task[None]]:
        """Give the tasks that keep the server going."""
        watching = () if self._watching is None else (self._watching,)
        return (*self._listener.background(), *watching) if self._listener else ()

    def check(self) -> Sequence[Finding]:
        """Tell of a certificate that ends soon, and of an audit trail that cannot be written."""
        about_certificate = self._certificate.check(self._clock.now()) if self._certificate else ()
        return (*about_certificate, *self._audit.check())

    @property
    def url(self) -> str:
        """Base of all paths, ``http://127.0.0.1:8080``, from ``start`` to ``stop``."""
        if self._url is None:
            raise ProviderStartError("the http server does not listen")
        return self._url

    def gate(self, mounts: Sequence[HttpMount]) -> Gate:
        """Give a gate in front of mounts; raises ConfigurationError for rules that contradict each other."""
        measures = next((mount.measures for mount in mounts if isinstance(mount, MetricsMount)), HttpMeasures())
        return Gate(
            Routes(mounts),
            self._guard,
            self._audit,
            measures,
            self._settings,
            state=lambda: self._host.state,
            quiet=frozenset(mount for mount in mounts if isinstance(mount, HealthMount | MetricsMount)),
            always=frozenset(mount for mount in mounts if isinstance(mount, HealthMount)),
        )

    def _base_url(self, address: str, port: int) -> str:
        if self._settings.is_wildcard:
            address = "::1" if ":" in address else "127.0.0.1"
        name = f"[{address}]" if ":" in address else address
        return f"{'https' if self._certificate else 'http'}://{name}:{port}{self._settings.path_prefix}"


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all at once."""
    fresh = path.with_name(f".{path.name}.tmp")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
