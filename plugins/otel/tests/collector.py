"""A collector on loopback that keeps what it is sent."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector(ThreadingHTTPServer):
    """Takes traces by OTLP over HTTP; an async or plain test reads ``spans``."""

    daemon_threads = True

    def __init__(self, *, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.status = status
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what some tests are about."""

    def named(self, name: str) -> Any:
        """Give the only span of a name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found


def attributes_of(span: Any) -> dict[str, Any]:
    """Give attributes as they were set."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


class _Request(BaseHTTPRequestHandler):
    server: Collector
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.server.status == 200:
            for batch in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.server.resources.append(attributes_of(batch.resource))
                for scope in batch.scope_spans:
                    self.server.spans.extend(scope.spans)
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.send_header("connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Say nothing."""
