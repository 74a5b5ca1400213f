"""Accounts of a real host: in its backups, and what the command line changes about them in its audit trail."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host.kernel.backup import read_archive
from tests.acceptance.hostprocess import HostProcess
from tests.acceptance.test_faulty_disk import fill

pytestmark = pytest.mark.slow

NEW_HOST = Callable[..., HostProcess]
PROVIDERS = """
      <add type="host_rest.server.server:HttpServer" />
      <add type="host_rest.oauth.mount:OAuthMount" />"""
SECTION = '<section xsi:type="HttpServerConfigurationSection" port="0" />'
KEPT = {"stores/accounts/accounts.json", "stores/accounts/signing-keys.json"}


@pytest.fixture
def host(make_host: NEW_HOST) -> HostProcess:
    made = make_host(providers=PROVIDERS, sections=SECTION)
    made.start()
    return made


def ask(host: HostProcess, request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def sign_in(host: HostProcess, secret: str) -> tuple[int, str]:
    form = {"grant_type": "client_credentials", "client_id": "ci", "client_secret": secret}
    url = f"{(host.data / 'http.url').read_text().strip()}/auth/oauth2_token"
    return ask(host, urllib.request.Request(url, urllib.parse.urlencode(form).encode(), method="POST"))


def token_of(host: HostProcess, secret: str) -> str:
    status, text = sign_in(host, secret)
    assert status == 200
    token: str = json.loads(text)["access_token"]
    return token


def session(host: HostProcess, token: str, method: str = "GET") -> int:
    url = f"{(host.data / 'http.url').read_text().strip()}/auth/session"
    headers = {"Authorization": f"Bearer {token}"}
    return ask(host, urllib.request.Request(url, headers=headers, method=method))[0]


def add_client(host: HostProcess) -> str:
    added: Any = host.json("clients", "add", "ci", "--role", "reader")
    secret: str = added["secret"]
    return secret


def test_a_backup_holds_accounts_and_keys_and_a_restore_brings_them_back(host: HostProcess, tmp_path: Path) -> None:
    secret = add_client(host)
    assert token_of(host, secret)
    report: Any = host.json("backup", "--to", str(tmp_path / "backups"))
    archive = Path(report["archive"])
    assert {file.name for file in read_archive(archive).files} >= KEPT
    assert archive.stat().st_mode & 0o077 == 0

    host.run("clients", "remove", "ci")
    assert host.terminate() == 0
    host.run("restore", str(archive))
    host.start()
    assert token_of(host, secret)


def test_a_host_without_a_sign_in_keeps_no_accounts(make_host: NEW_HOST, tmp_path: Path) -> None:
    host = make_host()
    host.start()
    report: Any = host.json("backup", "--to", str(tmp_path / "backups"))
    assert not KEPT & {file.name for file in read_archive(Path(report["archive"])).files}
    assert not (host.data / "accounts.json").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[HostProcess]:
    """A host whose data directory is a disk of its own, of 12 MB."""
    host = HostProcess(tmp_path, providers=PROVIDERS, sections=SECTION)
    host.data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(host.data)], check=False)
    if mounted.returncode and not os.environ.get("CI"):
        pytest.skip("mounting needs root")
    assert mounted.returncode == 0
    try:
        yield host
    finally:
        host.kill()
        subprocess.run(["umount", "-l", str(host.data)], check=True)


def test_on_a_full_disk_nobody_signs_in_who_is_out_stays_out_and_then_all_goes_on(small_disk: HostProcess) -> None:
    host = small_disk
    host.start()
    secret = add_client(host)
    token = token_of(host, secret)
    assert session(host, token) == 200
    ballast = fill(host)
    status, text = sign_in(host, secret)
    for _ in range(50):  # what the log of the sessions has left takes a few more
        if status != 200:
            break
        status, text = sign_in(host, secret)
    assert status == 503
    assert str(host.data) not in text
    assert session(host, token, "DELETE") == 503
    assert session(host, token) == 401

    ballast.unlink()
    assert session(host, token_of(host, secret)) == 200
    assert host.terminate() == 0
    host.start()
    assert session(host, token) == 401


def test_what_the_command_line_changes_is_in_the_audit_trail(host: HostProcess) -> None:
    secret = add_client(host)
    end = time.monotonic() + 60
    while not (found := host.run("audit", "--face", "accounts", "--json").stdout.count("account added")):
        assert time.monotonic() < end
    assert found == 1
    told = host.run("audit", "--json").stdout
    assert "client ci" in told
    assert secret not in told
