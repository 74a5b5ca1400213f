"""The page on reloading, followed on a host whose file is edited as the page says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.docs.conftest import serving
from tests.docs.follow import HOST_LOG, Terminal, follow
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/howto/reload-a-configuration.md"

pytestmark = pytest.mark.slow


def edit(config: Path, *changes: tuple[str, str]) -> None:
    text = config.read_text()
    for before, after in changes:
        assert text.count(before) == 1
        text = text.replace(before, after)
    config.write_text(text)


def fact(name: str, status: str) -> object:
    return json.loads(status)[name]


def test_an_edit_is_shown_put_in_force_and_refused_where_it_is_wrong(shipped: Path) -> None:
    config = shipped / "config/santedb.config.xml"

    def begin(terminal: Terminal) -> None:
        serving()(terminal)
        edit(config, ('timezone="UTC"', 'timezone="Europe/Prague"'), ("<int>30</int>", "<int>60</int>"))

    def end(terminal: Terminal) -> None:
        status = terminal.run("jobhost status --json")
        assert fact("timezone", status) == "Europe/Prague"
        edit(config, ("<int>60</int>", "<int>many</int>"))
        refused = terminal.run("jobhost reload || echo exit status $?")
        assert "santedb.config.xml:58: <int>: expected a whole number, not 'many'" in refused
        assert "exit status 2" in refused
        assert fact("node", terminal.run("jobhost status --json")) == fact("node", status)

        edit(config, ("<int>many</int>", "<int>90</int>"))
        pid = fact("pid", status)
        terminal.serve(f"kill -HUP {pid}")
        assert fact("pid", terminal.run("jobhost status --json")) == pid
        terminal.run("jobhost drain --wait")

    outputs = follow(PAGE, shipped, begin=begin, end=end, columns=120)

    assert len(outputs) == 2
    assert (shipped / HOST_LOG).read_text().count("host ready") == 3
