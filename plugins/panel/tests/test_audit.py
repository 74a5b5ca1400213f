"""The audit trail: who sees it, what it shows, filters and pages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest

from host.contracts.security import AuditTrail
from host.model.security import AuditEvent, AuditOutcome
from plugins.panel.tests.panelhost import PanelHost, panel_host

pytestmark = pytest.mark.slow
RUN = "0192f0aa-0000-7000-8000-00000000abcd"
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOSTILE = '<script>alert(1)</script> ‮"q" \''


def check(tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]]) -> None:
    async def run() -> None:
        async with panel_host(tmp_path) as web:
            await body(web)

    asyncio.run(run())


def event(number: int = 0, **fields: object) -> AuditEvent:
    values: dict[str, object] = {
        "at": AT + timedelta(minutes=number),
        "by": "ada",
        "face": "rest",
        "action": f"POST /things/{number}",
        "target": "/things",
        "outcome": AuditOutcome.SUCCESS,
    }
    return AuditEvent(**(values | fields))  # type: ignore[arg-type]  # fields of the event


def test_only_administrators_see_the_trail(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        assert (await web.open("/audit", "operator")).status_code == 403
        assert (await web.open("/audit")).status_code == 200

    check(tmp_path, body)


def test_events_stand_newest_first_page_by_page(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.client("administrator")
        await web.kit.get(AuditTrail).record([event(number) for number in range(120)])
        seen: list[str] = []
        path = "/audit?text=things"
        while path:
            page = (await web.open(path)).text
            seen += re.findall(r">POST (/things/\d+)<", page)
            following = re.search(r'rel="next" href="([^"]+)"', page)
            path = unescape(following[1]) if following else ""
        assert seen == [f"/things/{number}" for number in reversed(range(120))]

    check(tmp_path, body)


def test_every_filter_narrows_and_can_be_removed(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.client("administrator")
        await web.kit.get(AuditTrail).record(
            [
                event(1, action="FIRST"),
                event(2, action="SECOND", by="bob", face="cli", outcome=AuditOutcome.DENIED, target="/elsewhere"),
            ]
        )
        second = ("by=bob", "face=cli", "outcome=denied", "since=2026-11-01T12:01:30", "text=SECOND")
        for query in (*second, "&".join(second)):
            page = (await web.open(f"/audit?{query}")).text
            assert ">SECOND<" in page
            assert ">FIRST<" not in page
            assert page.count('class="chip"') == query.count("=")
        page = (await web.open("/audit?until=2026-11-01T12:01:30&by=ada")).text
        assert ">FIRST<" in page
        assert ">SECOND<" not in page
        assert 'href="/audit?by=ada" aria-label="Remove Before 2026-11-01 12:01:30"' in page

    check(tmp_path, body)


def test_a_field_that_makes_no_sense_is_told_beside_it(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        for query in ("since=yesterday", "until=99", "outcome=odd"):
            answer = await web.open(f"/audit?{query}")
            assert answer.status_code == 422
            assert 'aria-invalid="true"' in answer.text

    check(tmp_path, body)


def test_hostile_texts_stay_text_and_ids_lead_to_what_has_them(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.client("administrator")
        hostile = event(
            by=HOSTILE, client=HOSTILE, action=HOSTILE, target=f"/runs/{RUN}/cancel", detail={HOSTILE: HOSTILE * 100}
        )
        await web.kit.get(AuditTrail).record([hostile])
        page = (await web.open("/audit")).text
        assert "<script>alert" not in page
        assert f'<a href="/search?q={RUN}">{RUN}</a>' in page

    check(tmp_path, body)


def test_a_cursor_that_no_page_gave_is_refused_and_an_empty_page_explained(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        assert (await web.open("/audit?cursor=odd")).status_code == 400
        assert "No event passes this filter" in (await web.open("/audit?by=nobody-at-all")).text

    check(tmp_path, body)
