"""A proxy that does what the page on proxies asks of one: it speaks TLS, keeps the path, and tells who called."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECONDS = 30


@contextmanager
def forwarding(certificate: ssl.SSLContext, upstream: int) -> Iterator[int]:
    """Forward to a port of this machine; gives the port to call."""

    class Handler(_Forwarder):
        port = upstream

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = certificate.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Forwarder(BaseHTTPRequestHandler):
    port: int

    def do_GET(self) -> None:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)) as connection:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            connection.request(self.command, self.path, body, self._headers())
            answer = connection.getresponse()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"connection", "transfer-encoding"}:
                    self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the client has gone
                while piece := answer.read1(65536):
                    self.wfile.write(piece)

    do_POST = do_GET  # noqa: N815  # the library calls it so

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # likewise
        """Say nothing."""

    def _headers(self) -> dict[str, str]:
        earlier = self.headers.get("X-Forwarded-For")
        told = {
            "X-Forwarded-Host": self.headers["Host"],
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": f"{earlier}, {self.client_address[0]}" if earlier else self.client_address[0],
        }
        return {**{name: value for name, value in self.headers.items() if name not in told}, **told}
