"""The HTTP server of a real host process: signals, reloads, restarts."""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from plugins.rest.tests.server.certificates import make_certificate
from tests.acceptance.hostprocess import HostProcess

pytestmark = pytest.mark.slow

NEW_HOST = Callable[..., HostProcess]
PROVIDERS = """
      <add type="host_rest.server.server:HttpServer" />
      <add type="host_rest.server.health:HealthMount" />
      <add type="host_rest.server.metrics:MetricsMount" />
      <add type="host_rest.events.mount:EventsMount" />"""
SECTION = '<section xsi:type="HttpServerConfigurationSection" port="{}" {} />'


def served(make_host: NEW_HOST, *, port: int = 0, attributes: str = "") -> HostProcess:
    return make_host(providers=PROVIDERS, sections=SECTION.format(port, attributes))


def get(host: HostProcess, path: str, *, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    parts = urlsplit((host.data / "http.url").read_text().strip())
    assert parts.hostname is not None
    connection = (
        http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        if parts.scheme == "http"
        else http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=context)
    )
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_a_host_answers_from_ready_to_the_end(make_host: NEW_HOST) -> None:
    host = served(make_host)
    host.start()
    assert get(host, "/health/ready") == (200, b'{"status":"ready"}')
    assert get(host, "/metrics")[0] == 401
    assert host.terminate() == 0
    assert not (host.data / "http.url").exists()
    assert "http server listening" in host.log.read_text()


def test_after_a_kill_the_next_host_listens_on_the_same_port(make_host: NEW_HOST) -> None:
    host = served(make_host, port=free_port())
    host.start()
    assert get(host, "/health/live")[0] == 200
    host.kill()
    assert (host.data / "http.url").exists()
    host.start()
    assert get(host, "/health/live")[0] == 200


def test_an_open_connection_does_not_hold_up_the_end(make_host: NEW_HOST) -> None:
    host = served(make_host)
    host.start()
    parts = urlsplit((host.data / "http.url").read_text().strip())
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as idle:
        idle.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert host.terminate() == 0


def test_a_port_in_use_is_told_and_the_host_does_not_start(make_host: NEW_HOST) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host = served(make_host, port=port)
        host.start(wait=False)
        assert host.process is not None
        assert host.process.wait(60) != 0
        told = host.log.read_text()
        assert "the http server cannot listen: Address already in use" in told
        assert f"127.0.0.1:{port}" in told


def test_a_reload_takes_another_certificate_on_the_same_port(make_host: NEW_HOST, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    before = ssl.create_default_context(cafile=str(certificate))
    host = served(make_host, port=free_port(), attributes=f'certificate="{certificate}" key="{key}"')
    host.start()
    assert get(host, "/health/live", context=before)[0] == 200
    make_certificate(tmp_path)
    with pytest.raises(ssl.SSLError):
        get(host, "/health/live", context=ssl.create_default_context(cafile=str(certificate)))
    assert host.process is not None
    host._offset = host.log.stat().st_size
    host.process.send_signal(signal.SIGHUP)
    host.wait_for("host ready")
    assert get(host, "/health/live", context=ssl.create_default_context(cafile=str(certificate)))[0] == 200
