"""The page on proxies, followed with a proxy in front: nginx with the page's own lines where it is installed."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.docs.follow import Terminal, follow
from tests.docs.forwarding import forwarding
from tests.docs.pages import ROOT, blocks_of
from tests.docs.test_howto_curl import free_port

PAGE = ROOT / "docs/howto/put-it-behind-a-proxy.md"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
AROUND = """daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{server}
}}
"""
OTHER = "127.0.0.2"
"""An address of this machine that is not the proxy's."""

Proxy = Callable[[Path, int], AbstractContextManager[int]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl"),
]


def made_certificate(folder: Path) -> None:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=jobs.example.org", "-addext", "subjectAltName=DNS:jobs.example.org"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", "req", "-x509", *curve, *names, *files], check=True, capture_output=True)


@contextmanager
def plain(folder: Path, upstream: int) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with forwarding(context, upstream) as port:
        yield port


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[int]:
    assert NGINX
    (server,) = [block.text for block in blocks_of(PAGE) if block.mark == "nginx"]
    port = free_port()
    for page, here in {
        "/etc/ssl/jobs": str(folder),
        "127.0.0.1:8080": f"127.0.0.1:{upstream}",
        "listen 443": f"listen 127.0.0.1:{port}",
    }.items():
        assert page in server
        server = server.replace(page, here)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, server=server))
    process = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE)
    try:
        wait_until_it_runs(process, folder)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=60)


def wait_until_it_runs(process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 60
    while not (folder / "nginx.pid").exists():
        assert process.poll() is None, (folder / "error.log").read_text()
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    "proxy", [plain, pytest.param(nginx, marks=pytest.mark.skipif(NGINX is None, reason="there is no nginx"))]
)
def test_the_host_behind_a_proxy_answers_as_the_page_says(tmp_path: Path, proxy: Proxy, installed: None) -> None:
    made_certificate(tmp_path)
    upstream = free_port()

    def come_from(address: str, **curl: str) -> str:
        lines = {"cacert": str(tmp_path / "cert.pem"), "connect-to": f"jobs.example.org:443:127.0.0.1:{port}", **curl}
        rows = [f'{name} = "{value}"' for name, value in {**lines, "interface": address}.items()]
        (tmp_path / ".curlrc").write_text("\n".join(rows))
        return f"export CURL_HOME={tmp_path}"

    def end(terminal: Terminal) -> None:
        told = json.loads(terminal.run("jobhost audit --by reports --json"))
        assert {event["address"] for event in told["events"]} == {OTHER}
        status = 'curl -o /dev/null -sS -w "%{http_code}"'
        assert terminal.run(f"{status} -H 'Host: other.example.org' $URL/health/ready") == "421"

    with proxy(tmp_path, upstream) as port:
        pretended = come_from(OTHER, header="X-Forwarded-For: 203.0.113.7")
        places = {'port="8080"': f'port="{upstream}"'}
        follow(PAGE, tmp_path, places=places, begin=lambda terminal: terminal.run(pretended), end=end)
