"""The page on process jobs: its job runs with its limits, and its wiring error is the host's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.conftest import CONFIGURATION, HERE, serving
from tests.docs.follow import Terminal, follow
from tests.docs.pages import ROOT, blocks_of

PAGE = ROOT / "docs/howto/isolate-a-job.md"
RUN = "01a1fc14-c86a-7f06-9144-bf265aac8182"
NEWEST = "$(jobhost runs list --json | grep -m1 '\"id\"' | cut -d'\"' -f4)"
OFFER = """
from host.hookspecs import hookimpl


@hookimpl
def host_jobs():
    return [Thumbnails]
"""
OVEN = """
from host import Contract


class Oven(Contract):
    pass


class GasOven(Oven):
    pass


class Thumbnails(Thumbnails):
    def __init__(self, oven: Oven) -> None:
        pass


@hookimpl
def host_service_providers():
    return [GasOven]
"""

pytestmark = pytest.mark.slow
Offer = Callable[[str, str], Path]


def block(language: str) -> str:
    (found,) = [block.text for block in blocks_of(PAGE) if block.language == language]
    return found


def test_the_job_of_the_page_runs_in_a_process_within_its_limits(offer: Offer) -> None:
    folder = offer("shop", block("python") + OFFER)
    jobs = '<add type="shop:Thumbnails" startType="never" />'
    (folder / "host.config.xml").write_text(CONFIGURATION.format(providers="", sections=block("xml"), jobs=jobs))

    outputs = follow(PAGE, folder, places={f"log {RUN}": f"log {NEWEST}"}, begin=serving(), columns=100)

    assert len(outputs) == 1


def test_the_wiring_error_of_the_page_is_the_hosts(offer: Offer) -> None:
    folder = offer("shop", block("python") + OFFER + OVEN)
    jobs = "\n" * 2 + '<add type="shop:Thumbnails" startType="never" />'
    providers = '<add type="shop:GasOven" />'
    text = CONFIGURATION.format(providers=providers, sections="", jobs=jobs)
    (folder / "host.config.xml").write_text(text)

    with Terminal(folder) as terminal:
        terminal.run(HERE)
        said = terminal.run("jobhost check || true")
    assert block("").strip() in said
