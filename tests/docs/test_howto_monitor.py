"""The page on monitoring: its configuration starts, its account reads the metrics, its alerts ask for what there is."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from click.testing import CliRunner

from host import Host
from host.cli.main import root
from host_rest.server.server import HttpServer
from tests.docs.conftest import CONFIGURATION
from tests.docs.pages import ROOT, block_of

PAGE = ROOT / "docs/howto/monitor-a-host.md"
JOBS = '<add type="host_maintenance.prune:PruneHistory" startType="never" />'
XSI = 'xsi:type="HttpServerConfigurationSection"'

pytestmark = pytest.mark.slow


def text_of(name: str) -> str:
    return block_of(PAGE, name).text


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write the page's configuration, on a free port."""
    server = text_of("server.xml").replace('port="8080"', 'port="0"')
    assert XSI in server
    path = tmp_path / "host.config.xml"
    path.write_text(CONFIGURATION.format(providers=text_of("providers.xml"), sections=server, jobs=JOBS))
    return path


def added_client(config: Path) -> str:
    """Add the page's account and give its secret."""
    (command,) = re.findall(r"^\$ jobhost (clients add .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    done = CliRunner().invoke(root, [*command.split(), "--config", str(config)])
    assert done.exit_code == 0, done.output
    return done.output.split()[-1]


async def exposed(config: Path, secret: str) -> str:
    """Give the metrics as Prometheus would get them with the page's configuration."""
    (scrape,) = yaml.safe_load(text_of("prometheus.yml"))["scrape_configs"]
    token_path = scrape["oauth2"]["token_url"].partition("8080")[2]
    async with Host.from_file(config) as host:
        await host.perform("Prune run history")
        async with httpx2.AsyncClient(base_url=host.get(HttpServer).url, trust_env=False, timeout=60) as client:
            for path in ("/health/live", "/health/ready"):
                assert (await client.get(path)).status_code == 200
            assert (await client.get("/metrics")).status_code == 401
            granted = await client.post(
                token_path,
                data={"grant_type": "client_credentials"},
                auth=(scrape["oauth2"]["client_id"], secret),
            )
            assert granted.status_code == 200, granted.text
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {granted.json()['access_token']}"})
            assert answer.status_code == 200
            return answer.text


def test_the_pages_account_reads_the_metrics_that_the_page_names(config: Path) -> None:
    text = asyncio.run(exposed(config, added_client(config)))

    there = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"^(jobhost_\w+)", text, re.MULTILINE)}
    named = set(re.findall(r"\bjobhost_\w+", PAGE.read_text(encoding="utf-8")))
    assert named
    assert named <= there


def test_the_rules_are_what_prometheus_reads() -> None:
    (group,) = yaml.safe_load(text_of("jobhost.rules.yml"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]

    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "annotations"}
        assert rule["annotations"]["summary"]
        assert re.search(r"\b(up|jobhost_\w+)", rule["expr"])


def test_the_configuration_of_traces_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "host.config.xml"
    path.write_text(
        CONFIGURATION.format(providers=text_of("otel-provider.xml"), sections=text_of("otel-section.xml"), jobs=JOBS)
    )

    host = Host.from_file(path)

    assert "host_otel.export:OtlpExport" in {info.type for info in host.provider_infos()}
