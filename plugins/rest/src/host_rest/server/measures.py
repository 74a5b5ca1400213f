"""Counts of HTTP requests, and their exposition for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator

from host_rest.server.exchange import Exchange

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds; upper, inclusive."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PING"})


class HttpMeasures:
    """Counts since the host started; of bounded number: a series a face, a method and a class of status."""

    def __init__(self) -> None:
        self._open = 0
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._buckets: Counter[tuple[str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def began(self) -> None:
        """Count a request that has begun."""
        self._open += 1

    def ended(self, exchange: Exchange) -> None:
        """Count a request that has ended, streams included."""
        self._open -= 1
        face, seconds = exchange.face, exchange.seconds
        method = exchange.method if exchange.method in METHODS else "other"
        self._requests[face, method, f"{exchange.status // 100}xx"] += 1
        self._buckets[face, bisect_left(BOUNDS, seconds)] += 1
        self._seconds[face] += seconds

    def exposition(self) -> bytes:
        """Give all counts in Prometheus' text format."""
        return "".join(f"{line}\n" for line in self._lines()).encode()

    def _lines(self) -> Iterator[str]:
        yield "# HELP jobhost_http_requests_total Answered HTTP requests since the host started"
        yield "# TYPE jobhost_http_requests_total counter"
        for (face, method, status), count in sorted(self._requests.items()):
            labels = f'face="{face}",method="{method}",status="{status}"'
            yield f"jobhost_http_requests_total{{{labels}}} {count}"
        yield "# HELP jobhost_http_request_duration_seconds From a request's headers to its answer's end"
        yield "# TYPE jobhost_http_request_duration_seconds histogram"
        for face in sorted(self._seconds):
            yield from self._histogram(face)
        yield "# HELP jobhost_http_open_requests HTTP requests under way, streams included"
        yield "# TYPE jobhost_http_open_requests gauge"
        yield f"jobhost_http_open_requests {self._open}"

    def _histogram(self, face: str) -> Iterator[str]:
        name, total = "jobhost_http_request_duration_seconds", 0
        for position, bound in enumerate((*map(str, BOUNDS), "+Inf")):
            total += self._buckets[face, position]
            yield f'{name}_bucket{{face="{face}",le="{bound}"}} {total}'
        yield f'{name}_sum{{face="{face}"}} {self._seconds[face]:.6f}'
        yield f'{name}_count{{face="{face}"}} {total}'
