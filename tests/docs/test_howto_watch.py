"""The page on watching: its table of statistics, and its list of metrics, are the host's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from host import Host
from host.contracts.metrics import HostMetrics
from tests.docs.conftest import CONFIGURATION, serving
from tests.docs.follow import follow
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/howto/watch-a-host.md"
JOB = """
from host import JobContext, job
from host.hookspecs import hookimpl


@job(name="Import orders")
async def import_orders(context: JobContext, is_open: bool):
    if not is_open:
        raise ConnectionError("supplier.example")


@hookimpl
def host_jobs():
    return [import_orders]
"""
JOBS = """<add type="shop:import_orders" startType="never" />
<add type="host_maintenance.prune:PruneHistory" startType="never" />"""
PROVIDER = re.compile(r'<add type="host\.engine.*?/>')
ROW = re.compile(r"^\| `(jobhost_\w+)(?:\{([\w, ]+)\})?` \|", re.MULTILINE)
SAMPLE = re.compile(r"^(jobhost_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*?)\})? ", re.MULTILINE)

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(offer: Callable[[str, str], Path]) -> Path:
    place = offer("shop", JOB)
    (place / "host.config.xml").write_text(CONFIGURATION.format(providers="", sections="", jobs=JOBS))
    return place


def test_statistics_are_printed_as_the_page_shows(folder: Path) -> None:
    run = 'jobhost jobs start "Import orders" --wait --param is_open={} || true'
    begin = serving(*map(run.format, ("true", "false", "false")), 'jobhost jobs start "Prune run history" --wait')

    assert len(follow(PAGE, folder, begin=begin, columns=100)) == 1


def test_the_page_lists_every_metric_with_its_labels(tmp_path: Path) -> None:
    config = tmp_path / "host.config.xml"
    (provider,) = PROVIDER.findall(PAGE.read_text(encoding="utf-8"))
    jobs = '<add type="host_maintenance.prune:PruneHistory" startType="never" />'
    config.write_text(CONFIGURATION.format(providers=provider, sections="", jobs=jobs))

    async def measured() -> str:
        async with Host.from_file(config) as host:
            await host.perform("Prune run history")
            return (await host.get(HostMetrics).exposition()).decode()

    text = asyncio.run(measured())
    labels = re.compile(r'(\w+)="')
    found = {name: set(labels.findall(given)) - {"le"} for name, given in SAMPLE.findall(text)}
    listed = {
        name: set(given.replace(",", " ").split()) for name, given in ROW.findall(PAGE.read_text(encoding="utf-8"))
    }
    assert {name: kind for name, kind in found.items() if not name.endswith("_created")} == listed


def test_alerts_ask_for_metrics_that_there_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    listed = {name for name, _ in ROW.findall(text)}
    asked = set(re.findall(r"jobhost_\w+", text.partition("## What to alert on")[2]))

    assert asked
    assert asked <= listed
