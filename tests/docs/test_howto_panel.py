"""The page on the panel: its lines serve it, its account signs in, and it names what there is."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from host import Host
from host.cli.main import root
from host_panel.requests import FORM_FIELD
from host_panel.sections import SECTIONS
from host_rest.server.server import HttpServer
from tests.docs.conftest import CONFIGURATION
from tests.docs.pages import ROOT, block_of

PAGE = ROOT / "docs/howto/use-the-panel.md"
JOBS = '<add type="host_maintenance.prune:PruneHistory" startType="never" />'

pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write the page's configuration, on a free port."""
    server = '<section xsi:type="HttpServerConfigurationSection" port="0" />'
    path = tmp_path / "host.config.xml"
    providers = block_of(PAGE, "providers.xml").text
    path.write_text(CONFIGURATION.format(providers=providers, sections=server, jobs=JOBS))
    return path


def test_the_account_of_the_page_signs_in_and_sees_what_its_role_may(config: Path) -> None:
    (command,) = re.findall(r"^\$ jobhost (users add .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    done = CliRunner().invoke(root, [*command.split(), "--config", str(config)])
    assert done.exit_code == 0, done.output
    password = done.output.split()[-1]

    async def check() -> None:
        async with (
            Host.from_file(config) as host,
            httpx2.AsyncClient(base_url=host.get(HttpServer).url, trust_env=False, timeout=60) as client,
        ):
            await client.get("/sign-in")
            token = next(value for name, value in client.cookies.items() if name.endswith("-form"))
            answer = await client.post("/sign-in", data={FORM_FIELD: token, "name": "ada", "password": password})
            assert answer.status_code == 303, answer.text
            for path in ("/", "/jobs", "/runs", "/providers"):
                page = await client.get(path)
                assert page.status_code == 200, (path, page.text)
            assert (await client.get("/audit")).status_code == 403

    asyncio.run(check())


def test_the_keys_of_the_page_are_those_of_the_panel() -> None:
    text = PAGE.read_text(encoding="utf-8")
    (keys,) = re.findall(r"^\| `g` then (.*?) \| goes to (.*?) \|$", text, re.MULTILINE)

    listed = list(zip(re.findall(r"`(\w)`", keys[0]), keys[1].split(", "), strict=True))
    assert listed == [(section.key, section.word) for section in SECTIONS if section.key]
