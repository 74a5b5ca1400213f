"""Notices leave: never too many in an hour, and no notifier hinders another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from host.contracts.contract import Finding
from host.engine import notice_delivery
from host.engine.notices import MAX_HEARD
from host.errors import NoticeError
from host.model.notices import Notice, NoticeKind
from tests.unit.engine.desk import eventually, go
from tests.unit.engine.notice_desk import HALF, HOUR, MINUTE, Hanging, Refusing, claimed, telling


def test_when_everything_fails_at_once_a_bounded_number_is_told_and_how_many_were_not(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            for _ in range(25):
                for number in range(200):
                    told.failed(job=f"jobs:{number}")
            first = await told.told()
            assert await told.after(HOUR - HALF) == []
            (rest,) = await told.after(HALF)
        assert len(first) == 60
        assert {notice.kind for notice in first} == {NoticeKind.FAILING}
        assert rest.kind is NoticeKind.FAILING
        assert rest.subject == "140 notices withheld"
        assert "At most 60 notices an hour are sent. Withheld since: 140 failing." in rest.text
        assert "  - job jobs:60 is failing: 25 runs in a row\n" in rest.text
        assert "  and 130 more\n" in rest.text

    go(body())


def test_no_hour_has_more_notices_than_allowed(tmp_path: Path) -> None:
    async def body() -> None:
        notices: list[Notice] = []
        async with telling(tmp_path, per_hour=5) as told:
            for _ in range(100):
                told.desk.stuck(claimed())
                notices += await told.after(5 * MINUTE)
        times = [notice.at for notice in notices]
        sums = [notice.at for notice in notices if "withheld" in notice.subject]
        assert len(times) > 30
        assert 5 <= len(sums) <= 8  # in more than eight hours
        assert all(after - before >= timedelta(hours=1) for before, after in pairwise(sums))
        assert all(after - before >= timedelta(hours=1) for before, after in zip(times, times[5:], strict=False))

    go(body())


def test_under_a_lasting_flood_one_notice_an_hour_is_a_sum_and_the_others_tell_something(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path, per_hour=4) as told:
            for _ in range(4):
                told.desk.stuck(claimed())
                await told.after(15 * MINUTE)
            notices: list[Notice] = []
            for _ in range(240):
                told.desk.stuck(claimed())
                notices += await told.after(MINUTE)
        sums = [notice for notice in notices if "withheld" in notice.subject]
        assert len(sums) == 4
        assert len(notices) == 16

    go(body())


def test_what_was_withheld_is_told_by_the_gravest_of_it(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path, per_hour=1) as told:
            told.failed(3)
            assert await told.kinds() == [NoticeKind.FAILING]
            told.completed()
            told.desk.quarantined(claimed())
            told.desk.stuck(claimed())
            (notice,) = await told.after(HOUR)
        assert notice.kind is NoticeKind.QUARANTINED
        assert "1 recovered, 1 quarantined, 1 stuck" in notice.text

    go(body())


def test_what_is_heard_is_bounded_and_what_is_dropped_is_logged_as_a_sum(tmp_path: Path) -> None:
    async def body() -> None:
        with capture_logs() as logs:
            async with telling(tmp_path) as told:
                for _ in range(MAX_HEARD + 7):
                    told.desk.stuck(claimed())
                assert len(told.desk._heard) == MAX_HEARD
                await told.told()
        (line,) = [line for line in logs if "dropped" in line["event"]]
        assert line["count"] == 7

    go(body())


@pytest.mark.parametrize("error", [NoticeError("no route"), RuntimeError("a bug"), asyncio.CancelledError()])
def test_a_failing_notifier_is_tried_three_times_and_hinders_no_other(tmp_path: Path, error: BaseException) -> None:
    async def body() -> None:
        refusing = Refusing(error)
        with capture_logs() as logs:
            async with telling(tmp_path, refusing) as told:
                told.desk.stuck(claimed())
                told.desk.stuck(claimed())
                assert len(await told.told()) == 2
                await eventually(lambda: refusing.tries == 1)
                await told.clock.advance(5)
                assert refusing.tries == 2
                await told.clock.advance(29)
                assert refusing.tries == 2
                await told.clock.advance(1)
                assert refusing.tries == 4  # the second notice has begun
                await told.clock.advance(35)
                assert refusing.tries == 6
                (finding,) = told.desk.findings()
        assert "Refusing has lost 2 notices since 2026-01-01 00:00 UTC: " in finding.message
        assert type(error).__name__ in finding.message
        assert not finding.is_failure
        assert len([line for line in logs if line["event"] == "notices cannot be delivered"]) == 1

    go(body())


def test_a_notifier_that_works_again_is_no_finding_any_more(tmp_path: Path) -> None:
    async def body() -> None:
        refusing = Refusing(NoticeError("no route"))
        async with telling(tmp_path, refusing) as told:
            told.desk.stuck(claimed())
            await told.told()
            await told.clock.advance(35)
            assert told.desk.findings()
            refusing.error = None
            told.desk.stuck(claimed())
            await told.told()
            await eventually(lambda: refusing.tries == 4)
            assert told.desk.findings() == []

    go(body())


def test_a_notice_that_is_delivered_at_the_second_try_is_not_lost(tmp_path: Path) -> None:
    async def body() -> None:
        refusing = Refusing(NoticeError("busy"))
        async with telling(tmp_path, refusing) as told:
            told.desk.stuck(claimed())
            await told.told()
            refusing.error = None
            await told.clock.advance(HOUR)
            assert refusing.tries == 2
            assert told.desk.findings() == []

    go(body())


def test_a_notifier_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice_delivery, "TRY_SECONDS", 0.01)
    monkeypatch.setattr(notice_delivery, "PAUSES_SECONDS", (0, 0))

    async def body() -> None:
        async with telling(tmp_path, Hanging()) as told:
            told.desk.stuck(claimed())
            assert len(await told.told()) == 1

            def findings() -> Sequence[Finding]:
                return told.desk.findings()

            await eventually(lambda: bool(findings()))
            assert "it took longer than 0.01 s" in findings()[0].message

    go(body())


def test_what_waits_for_a_notifier_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice_delivery, "MAX_WAITING", 2)

    async def body() -> None:
        async with telling(tmp_path, Hanging()) as told:
            for _ in range(5):
                told.desk.stuck(claimed())
                await told.told()
            (finding,) = told.desk.findings()
            assert "has lost 3 notices" in finding.message
            assert finding.message.endswith("too many notices wait")

    go(body())


def test_what_is_not_delivered_when_the_host_stops_is_logged(tmp_path: Path) -> None:
    async def body() -> None:
        with capture_logs() as logs:
            async with telling(tmp_path, Hanging()) as told:
                told.desk.stuck(claimed())
                await told.told()
        (line,) = [line for line in logs if "before the stop" in line["event"]]
        assert line["count"] == 1

    go(body())
