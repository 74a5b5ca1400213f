"""What holds for every page: links lead somewhere, code compiles, XML parses, examples print what is shown."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from host.xmlfile import parse_xml
from tests.docs.pages import ROOT, Block, anchors_of, blocks_of, commands_of, links_of, pages, prose_of

PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages() if page.exists()]
FLAGS = {"--cron", "--every", "--weekly", "--once"}
RELATIVE = re.compile(r"\b(in )?\d+ (d|h|min|s)( ago)?\b")
ABSENT = {
    "host_panel": "the panel plugin",
    "host_postgres": "the PostgreSQL plugin",
    "host_amqp": "the AMQP plugin",
}
"""What pages may not name while it is not there: ``{name: what it would be}``."""
PLANS = {"docs/explanation/architecture.md"}
"""Pages that are the map of what is there and what is to come."""


def blocks(*languages: str) -> list[object]:
    found = [block for page in pages() if page.exists() for block in blocks_of(page) if block.language in languages]
    return [pytest.param(block, id=block.where) for block in found]


def schedule_examples() -> list[object]:
    found = []
    for page in pages():
        for block in blocks_of(page) if page.exists() else ():
            for command, output in commands_of(block) if block.language == "console" else ():
                words = shlex.split(command, comments=True)
                if words[:3] == ["jobhost", "schedule", "next"] and FLAGS.intersection(words):
                    found.append(pytest.param(words, output, id=f"{block.where} {shlex.join(words[3:])}"))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    broken = []
    for line, target in links_of(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors_of(there)):
            broken.append(f"{page.relative_to(ROOT)}:{line}: {target}")
    assert not broken


@pytest.mark.parametrize("page", PAGES)
def test_no_page_speaks_of_what_is_not_there(page: Path) -> None:
    if str(page.relative_to(ROOT)) in PLANS:
        return
    text = page.read_text(encoding="utf-8")
    present = {path.name for path in (ROOT / "plugins").glob("*/src/*")}
    assert not [what for name, what in ABSENT.items() if name in text and name not in present]


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = {(page.parent / target.partition("#")[0]).resolve() for _, target in links_of(page)}
        waiting += [target for target in targets if target.suffix == ".md" and target.exists()]
    assert {page for page in pages() if page.exists() and "docs" in page.parts} <= reached


@pytest.mark.parametrize("block", blocks("python"))
def test_python_compiles(block: Block) -> None:
    source = "\n" * (block.line - 1) + block.text
    assert compile(source, str(block.page), "exec")


@pytest.mark.parametrize("block", blocks("xml"))
def test_xml_parses(block: Block) -> None:
    text = block.text
    if not text.lstrip().startswith(("<?xml", "<SanteDBConfiguration", "<ArrayOf")):
        spaces = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:jh='urn:jobhost:xcron:1'"
        text = f"<part {spaces}>{text}</part>"
    assert parse_xml(text.encode(), name=block.where) is not None


@pytest.mark.slow
@pytest.mark.parametrize(("words", "output"), schedule_examples())
def test_schedule_examples_print_what_is_shown(words: list[str], output: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "host", *words[1:]],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "TZ": "UTC"},
    )

    assert _lines(done.stdout + done.stderr) == _lines(output)


@pytest.mark.parametrize("page", PAGES)
def test_prose_has_no_words_of_haste(page: Path) -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|TBD|lorem)\b")
    assert not [number for number, line in prose_of(page) if words.search(line)]


def _lines(text: str) -> list[str]:
    """Give the lines with spaces folded; how far away a time is changes by the day and does not count."""
    folded = (" ".join(RELATIVE.sub("<distance>", line).split()) for line in text.splitlines())
    return [line for line in folded if line]
