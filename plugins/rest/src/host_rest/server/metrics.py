"""The host's measurements for Prometheus to fetch, those of the HTTP server among them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence

from host.contracts.http import HttpRule, Receive, Scope, Send
from host.contracts.metrics import HostMetrics
from host.model.security import Access, Policy
from host_rest.server.answers import ProblemRefusals, send_answer
from host_rest.server.measures import HttpMeasures
from host_rest.server.settings import HttpServerSettings

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MetricsMount(ProblemRefusals):
    """``/metrics`` in Prometheus' text format, for those who may read jobs, or for anybody where it is open."""

    def __init__(self, metrics: HostMetrics, settings: HttpServerSettings) -> None:
        self._metrics, self._is_open = metrics, settings.open_metrics
        self.measures = HttpMeasures()
        """Kept by the server that this is a mount of."""

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return "/metrics"

    def rules(self) -> Sequence[HttpRule]:
        """Give the one rule."""
        demand = Access.PUBLIC if self._is_open else Policy.READ_SYSTEM_JOBS
        return [HttpRule(methods=frozenset({"GET", "HEAD"}), path="", demand=demand, name="metrics")]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, compressed if the caller takes that."""
        body = await self._metrics.exposition() + self.measures.exposition()
        headers = {"Vary": "Accept-Encoding"}
        if _takes_gzip(scope):
            body = await asyncio.to_thread(gzip.compress, body, 6)
            headers["Content-Encoding"] = "gzip"
        await send_answer(send, 200, body, media_type=MEDIA_TYPE, headers=headers)


def _takes_gzip(scope: Scope) -> bool:
    listed = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding").lower()
    entries = [entry.replace(b" ", b"") for entry in listed.split(b",")]
    return any(entry.partition(b";")[0] == b"gzip" and not entry.endswith((b";q=0", b";q=0.0")) for entry in entries)
