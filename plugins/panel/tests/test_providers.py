"""Plugins and providers: what a host is made of, and steering it as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from host.contracts.contract import Contract, Finding, Service
from host.contracts.host import ConfigurationChange, HostControl, PluginInfo, ReloadReport
from host.contracts.security import AuditTrail
from host.errors import ConfigurationError, Problem
from host.model.security import AuditFilter, AuditOutcome
from plugins.panel.tests.panel_jobs import Plain
from plugins.panel.tests.panelhost import PanelHost, panel_host

pytestmark = pytest.mark.slow
HOSTILE = "<script>alert(1)</script>"


class Ailing(Contract, Service):
    """Has something to say."""

    def check(self) -> Sequence[Finding]:
        """Tell a failure after a remark."""
        return (Finding(message="the disk is nearly full"), Finding(message=f"{HOSTILE} is broken", is_failure=True))


def check(
    tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]], *, providers: Sequence[type[Contract]] = ()
) -> None:
    async def run() -> None:
        async with panel_host(tmp_path, jobs=(Plain,), providers=providers) as web:
            await body(web)

    asyncio.run(run())


def test_the_page_tells_the_host_its_executors_plugins_and_providers(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = (await web.open("/providers", "reader")).text
        status = await web.kit.get(HostControl).status()
        for text in (status.version, status.node, status.data_directory, status.configuration, "SqliteJobRunStore"):
            assert text in page
        assert all(f">{each.name}<" in page for each in status.executors)
        assert "Every provider is well" in page
        assert "Nothing is paused" in page
        for button in ("Reload", "Drain", "Pause everything"):
            assert button not in page

    check(tmp_path, body)


def test_findings_and_broken_plugins_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> Sequence[PluginInfo]:
        error = f"import failed: {HOSTILE}"
        return (
            PluginInfo(name="works", distribution="jobhost-works", version="1"),
            PluginInfo(name="broken", distribution="jobhost-broken", version="2", error=error),
        )

    async def body(web: PanelHost) -> None:
        monkeypatch.setattr(web.kit.get(HostControl), "plugins", broken, raising=False)
        page = (await web.open("/providers")).text
        places = [page.index(text) for text in ("Not loaded", "is broken", "the disk is nearly full", "Executors")]
        assert places == sorted(places)
        assert page.index(">broken<", places[-1]) < page.index(">works<")
        assert HOSTILE not in page

    check(tmp_path, body, providers=(Ailing,))


def test_everything_is_paused_with_a_reason_and_the_pause_ends_with_undo(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        assert "Pause everything" in (await web.open("/providers", "operator")).text
        refused = await web.send("/pauses", {"reason": " "}, "operator")
        assert refused.status_code == 422
        assert "Say why" in refused.text
        answer = await web.send("/pauses", {"reason": "the database moves", "back": "//evil.example"}, "operator")
        assert (answer.status_code, answer.headers["location"]) == (303, "/providers")
        page = (await web.open("/providers", "operator")).text
        assert "the database moves" in page
        assert "is paused: no further run starts." in page
        assert 'id="reason"' not in page
        answer = await web.send("/pauses/end", {"scope": "all"}, "operator")
        page = (await web.open(answer.headers["location"], "operator")).text
        assert "Nothing is paused." in page
        assert 'action="/pauses"' in page[page.index("data-toast") :]
        again = await web.send("/pauses/end", {"scope": "all"}, "operator")
        assert "any more" in (await web.open(again.headers["location"], "operator")).text

    check(tmp_path, body)


def test_a_reader_changes_nothing(tmp_path: Path) -> None:
    paths = ("/pauses", "/pauses/end", "/providers/drain", "/providers/reload")

    async def body(web: PanelHost) -> None:
        for path in paths:
            answer = await web.send(path, {"reason": "no", "scope": "all"}, "reader")
            assert answer.status_code == 403, path
        assert (await web.kit.get(HostControl).status()).pauses == ()
        denied = await web.kit.get(AuditTrail).events(AuditFilter(outcome=AuditOutcome.DENIED))
        assert [event.target for event in reversed(denied.events)] == list(paths)

    check(tmp_path, body)


def test_an_operator_neither_reloads_nor_drains(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        assert (await web.open("/providers/reload", "operator")).status_code == 403
        assert (await web.send("/providers/drain", {}, "operator")).status_code == 403
        assert "Drain" not in (await web.open("/providers", "operator")).text

    check(tmp_path, body)


def test_a_reload_shows_what_would_change_before_it_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[bool, str | None]] = []

    async def reload(*, dry_run: bool = False, by: str | None = None) -> ReloadReport:
        asked.append((dry_run, by))
        change = ConfigurationChange(what="section", name=HOSTILE, before=None, after="port=1", where="/x/h.xml:12")
        return ReloadReport(changes=(change,), warnings=("this is odd",), is_begun=not dry_run)

    async def body(web: PanelHost) -> None:
        monkeypatch.setattr(web.kit.get(HostControl), "reload", reload, raising=False)
        page = (await web.open("/providers/reload")).text
        for text in ("port=1", "h.xml:12", "this is odd", "&lt;script&gt;"):
            assert text in page
        answer = await web.send("/providers/reload")
        assert (answer.status_code, answer.headers["location"]) == (303, "/providers")
        assert asked == [(True, "administrator"), (False, "administrator")]
        assert "The host reloads (1 difference)" in (await web.open("/providers")).text

    check(tmp_path, body)


def test_a_configuration_that_cannot_be_used_is_told_with_every_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reload(*, dry_run: bool = False, by: str | None = None) -> ReloadReport:
        problems = [Problem(message=f"row {number} is wrong", where=f"h.xml:{number}") for number in (3, 7)]
        raise ConfigurationError("h.xml cannot be used", problems=problems)

    async def body(web: PanelHost) -> None:
        monkeypatch.setattr(web.kit.get(HostControl), "reload", reload, raising=False)
        for answer in (await web.open("/providers/reload"), await web.send("/providers/reload")):
            for text in ("row 3 is wrong", "h.xml:7", "Nothing was changed"):
                assert text in answer.text
        assert answer.status_code == 422

    check(tmp_path, body)


def test_a_host_that_a_program_embeds_says_that_it_cannot_reload(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = await web.open("/providers/reload")
        assert page.status_code == 200
        assert "Nothing was changed" in page.text

    check(tmp_path, body)


def test_a_drain_is_asked_for_in_the_callers_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    async def drain(*, by: str | None = None) -> None:
        asked.append(by)

    async def body(web: PanelHost) -> None:
        monkeypatch.setattr(web.kit.get(HostControl), "drain", drain, raising=False)
        assert (await web.send("/providers/drain")).status_code == 303
        assert asked == ["administrator"]

    check(tmp_path, body)
