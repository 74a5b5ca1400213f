"""The page on security: the first start tells its link, and a host made by the page refuses what the page says."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path

import pytest

from tests.docs.conftest import serving
from tests.docs.follow import HOST_LOG, Terminal, check_shown, follow
from tests.docs.pages import ROOT, blocks_of

PAGE = ROOT / "docs/howto/secure-a-host.md"
LINK = re.compile(r"^  (http://\S+/auth/first\?token=\S+)$", re.MULTILINE)
FORM = (
    "-d name=root --data-urlencode 'password=a long enough password' --data-urlencode 'repeated=a long enough password'"
)
PLACES = {'port="8443"': 'port="0"', "localhost:8443": "localhost:$(sed 's/.*://' data/http.url)"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl"),
]


def told_by(log: Path) -> str:
    """Wait for the link in the output of a host, and give all of it."""
    end = time.monotonic() + 60
    while not LINK.search(text := log.read_text(encoding="utf-8")):
        assert time.monotonic() < end, text
        time.sleep(0.05)
    return text


def test_the_first_start_tells_the_link_that_makes_the_administrator(shipped: Path) -> None:
    (shown,) = [block for block in blocks_of(PAGE) if block.mark == "first start"]
    with Terminal(shipped) as terminal:
        serving()(terminal)
        text = told_by(shipped / HOST_LOG)
        (link,) = LINK.findall(text)
        base, _, token = link.partition("?token=")
        check_shown(shown, text.replace(base, "http://127.0.0.1:8080/auth/first"))

        assert "Create the administrator" in terminal.run(f"curl -sS '{link}'")
        assert "root can sign in now" in terminal.run(f"curl -sS -d 'token={token}' {FORM} '{base}'")
        assert "The link is not valid" in terminal.run(f"curl -sS '{link}'")
        (user,) = json.loads(terminal.run("jobhost users list --json"))
    assert (user["name"], user["roles"]) == ("root", ["administrator"])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_the_host_of_the_page_refuses_what_the_page_says(tmp_path: Path, installed: None) -> None:
    def end(terminal: Terminal) -> None:
        call = 'call -o /dev/null -w "%{http_code}"'
        port = (tmp_path / "data/http.url").read_text().strip().rpartition(":")[2]
        other = f"--resolve other.example.org:{port}:127.0.0.1 -k https://other.example.org:{port}/health/ready"
        assert terminal.run(f"{call} https://localhost:{port}/health/ready") == "200"
        assert terminal.run(f"{call} {other}") == "421"
        token = f'-u "reports:$secret" -d grant_type=client_credentials https://localhost:{port}/auth/oauth2_token'
        assert terminal.run(f"{call} {token}") == "401", "the secret was rotated"
        for name in ("accounts.json", "signing-keys.json", "sessions.sqlite", "audit.sqlite"):
            assert (tmp_path / "data" / name).stat().st_mode & 0o077 == 0

    outputs = follow(PAGE, tmp_path, places=PLACES, end=end)

    assert len(outputs) > 6
