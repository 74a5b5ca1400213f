"""The server as a service: where it listens, how it stops, what it says of itself."""

from __future__ import annotations

import asyncio
import gzip
import signal
import socket
import ssl
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from host.contracts.host import HostControl, HostState
from host.errors import ConfigurationError, HostError, ProviderStartError
from host.kernel.host import Host
from host_rest.server.server import URL_NAME
from plugins.rest.tests.resthost import RestHost, RoleAuthenticator, RolePolicies, rest_host
from plugins.rest.tests.server.certificates import make_certificate
from plugins.rest.tests.server.probe import ProbeMount

GUARDS = (RoleAuthenticator, RolePolicies)


def test_health_tells_no_more_than_it_must(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path) as web:
            live, ready = await web.get("/health/live"), await web.get("/health/ready")
            assert (live.status_code, live.json()) == (200, {"status": "live"})
            assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
            assert (await web.request("HEAD", "/health/live")).content == b""

    asyncio.run(go())


def test_a_host_that_drains_lives_and_answers_nothing_else(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, ProbeMount) as web:
            await web.kit.finish_drain()
            assert (await web.get("/health/live")).status_code == 200
            ready = await web.get("/health/ready")
            assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
            answer = await web.get("/probe/open")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.json()["code"] == "host-unavailable"
            web.kit.resume()
            assert (await web.get("/probe/open")).status_code == 200

    asyncio.run(go())


def test_a_host_that_starts_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, ProbeMount) as web:
            monkeypatch.setattr(Host, "state", property(lambda _: HostState.STARTING))
            assert web.kit.get(HostControl).state is HostState.STARTING
            assert (await web.get("/health/live")).status_code == 200
            assert (await web.get("/health/ready")).json() == {"status": "starting"}
            assert (await web.get("/probe/open")).status_code == 503

    asyncio.run(go())


def test_metrics_are_for_those_who_may_read_jobs(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path) as web:
            assert (await web.get("/metrics")).status_code == 401
            assert (await web.get("/metrics", "stranger")).status_code == 403
            await web.get("/health/live")
            answer = await web.get("/metrics", "reader", headers={"Accept-Encoding": "gzip"})
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert b"\njobhost_build_info" in answer.content
            assert b'\njobhost_http_requests_total{face="health",method="GET",status="2xx"} 1\n' in answer.content
            assert b'\njobhost_http_requests_total{face="metrics",method="GET",status="4xx"} 2\n' in answer.content
            assert b"\njobhost_http_open_requests 1\n" in answer.content
            plain = await web.raw(
                b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer reader\r\n"
                b"Accept-Encoding: gzip;q=0\r\nConnection: close\r\n\r\n"
            )
            assert b"jobhost_build_info" in plain
            assert gzip.compress(b"")[:2] not in plain

    asyncio.run(go())


def test_metrics_are_for_everybody_where_they_are_open(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, server='openMetrics="true"') as web:
            assert (await web.get("/metrics")).status_code == 200

    asyncio.run(go())


def test_its_address_is_in_the_data_directory_while_it_listens(tmp_path: Path) -> None:
    file = tmp_path / "data" / URL_NAME

    async def go() -> None:
        async with rest_host(tmp_path) as web:
            assert file.read_text() == f"{web.url}\n"
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            await web.server.start()
            assert (await web.get("/health/live")).status_code == 200

    asyncio.run(go())
    assert not file.exists()


def test_a_stopped_server_starts_again(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path) as web:
            for _ in range(3):
                await web.server.stop()
                await web.server.stop()
                with pytest.raises(ProviderStartError, match="does not listen"):
                    _ = web.server.url
                await web.server.start()
                web.url = web.server.url
                assert (await web.get("/health/live")).status_code == 200
                assert len(web.server.background()) == 2

    asyncio.run(go())


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    async def go() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ProviderStartError) as caught:
                async with rest_host(tmp_path, server=f'port="{port}"'):
                    pass
        assert f"127.0.0.1:{port}" in str(caught.value)
        assert "free the port" in str(caught.value)

    asyncio.run(go())
    assert not (tmp_path / "data" / URL_NAME).exists()


def test_rules_that_contradict_stop_the_start(tmp_path: Path) -> None:
    class Twice(ProbeMount):
        @property
        def path(self) -> str:
            return "/health"

    async def go() -> None:
        with pytest.raises(ConfigurationError, match="belongs to"):
            async with rest_host(tmp_path, Twice):
                pass

    asyncio.run(go())


def test_answers_under_way_end_before_the_server_does(tmp_path: Path) -> None:
    async def go() -> bytes:
        async with rest_host(tmp_path, ProbeMount) as web:
            return await streamed(web, "/probe/stream")

    assert asyncio.run(go()).endswith(b"event: bye\n\n\r\n0\r\n\r\n")


async def streamed(web: RestHost, path: str) -> bytes:
    """Stop the server while a stream is open; gives all that came of it."""
    async with web.connection() as (reader, writer), asyncio.timeout(60):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        begun = await reader.readuntil(b"data: hello\n\n")
        await web.server.stop()
        return begun + await reader.read()


@pytest.mark.slow
def test_a_stream_that_does_not_end_is_cut_off(tmp_path: Path) -> None:
    async def go() -> bytes:
        async with rest_host(tmp_path, ProbeMount) as web:
            return await streamed(web, "/probe/deaf")

    assert asyncio.run(go()).endswith(b"data: hello\n\n\r\n")


def test_idle_connections_do_not_hold_up_the_stop(tmp_path: Path) -> None:
    async def go() -> float:
        async with rest_host(tmp_path) as web, web.connection() as (reader, writer):
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"}")
            began = asyncio.get_running_loop().time()
            await web.server.stop()
            assert await reader.read() == b""
            return asyncio.get_running_loop().time() - began

    assert asyncio.run(go()) < 2


def test_whoever_connects_while_it_stops_is_let_go(tmp_path: Path) -> None:
    async def call(url: str) -> None:
        parts = urlsplit(url)
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.read(1)
            writer.close()
            await writer.wait_closed()

    async def go() -> None:
        async with rest_host(tmp_path) as web:
            for turns in range(8):
                callers = [asyncio.create_task(call(web.server.url)) for _ in range(10)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                async with asyncio.timeout(60):
                    await web.server.stop()
                    await asyncio.gather(*callers)
                await web.server.start()

    asyncio.run(go())


def test_the_hosts_signals_stay_the_hosts(tmp_path: Path) -> None:
    async def go() -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        async with rest_host(tmp_path):
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    asyncio.run(go())


@pytest.mark.slow
def test_a_server_that_fails_stops_the_host_with_its_reason(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path) as web:
            listener = web.server._listener
            assert listener is not None
            for server in listener._server.servers:
                server.close()
            async with asyncio.timeout(60):
                with pytest.raises(HostError, match="socket was closed by somebody else"):
                    await web.kit.wait_failed()

    asyncio.run(go())


def test_with_a_certificate_it_speaks_tls_and_says_so(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)

    async def go() -> None:
        async with rest_host(tmp_path, server=f'certificate="{certificate}" key="{key}"') as web:
            assert web.url.startswith("https://127.0.0.1:")
            client = await web.client(verify=ssl.create_default_context(cafile=str(certificate)))
            answer = await client.get("/health/live")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert web.server.check() == ()
            assert await web.raw(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
            context = ssl.create_default_context(cafile=str(certificate))
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(web.url).port, ssl=context)
            writer.write(b"nonsense\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
            writer.close()
            await writer.wait_closed()

    asyncio.run(go())


@pytest.mark.parametrize(("days", "told"), [(20, "in 19 days"), (-3, "has ended")])
def test_a_certificate_near_its_end_is_a_finding(tmp_path: Path, days: float, told: str) -> None:
    certificate, key = make_certificate(tmp_path, days=days)

    async def go() -> None:
        async with rest_host(tmp_path, server=f'certificate="{certificate}" key="{key}"') as web:
            (finding,) = web.server.check()
            assert told in finding.message
            assert not finding.is_failure

    asyncio.run(go())


@pytest.mark.parametrize("what", ["missing", "nonsense", "another key"])
def test_a_certificate_that_cannot_be_used_is_refused_before_anything_starts(tmp_path: Path, what: str) -> None:
    certificate, key = make_certificate(tmp_path)
    if what == "missing":
        certificate.unlink()
    elif what == "nonsense":
        certificate.write_text("nonsense")
    else:
        (tmp_path / "other").mkdir()
        key = make_certificate(tmp_path / "other")[1]

    async def go() -> None:
        async with rest_host(tmp_path, server=f'certificate="{certificate}" key="{key}"'):
            pass

    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(go())
    assert str(certificate) in str(caught.value)


def test_settings_that_would_expose_passwords_are_refused_with_their_place(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, server='address="0.0.0.0"'):
            pass

    with pytest.raises(ConfigurationError, match=r"host\.config\.xml:\d+: section HttpServer.*unprotected"):
        asyncio.run(go())


@pytest.mark.slow
def test_a_command_that_does_not_listen_loads_no_server() -> None:
    code = "import sys, host_rest.server.server; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'host_rest'" in modules
    for library in ("uvicorn", "httptools", "cryptography", "prometheus_client"):
        assert f"'{library}'" not in modules


def test_it_listens_on_ipv6(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")

    async def go() -> None:
        async with rest_host(tmp_path, server='address="::1"') as web:
            assert web.url.startswith("http://[::1]:")
            assert (await web.get("/health/live")).status_code == 200

    asyncio.run(go())
