"""What every run log promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import pytest

from host.contracts.logs import RunLog
from host.errors import RunNotFoundError
from host.model.logs import LogLevel, RunLogLine
from host.testing.contracts.services import running

NewLog = Callable[[], RunLog]

RUN = UUID(int=1)
OTHER = UUID(int=2)
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def lines(*events: str, attempt: int = 1) -> list[RunLogLine]:
    """Give one line an event, a second apart."""
    return [
        RunLogLine(at=NOON + timedelta(seconds=number), level=LogLevel.INFO, event=event, attempt=attempt)
        for number, event in enumerate(events)
    ]


class RunLogSuite:
    """Supply ``new_log``, and ``new_small_log`` with a bound of 100 lines a run."""

    @pytest.fixture
    def new_log(self) -> NewLog:
        """Give what builds a log; each call builds another over the same place, empty at first."""
        raise NotImplementedError

    @pytest.fixture
    def new_small_log(self) -> NewLog:
        """Give what builds a log that keeps 100 lines a run, in a place of its own."""
        raise NotImplementedError

    def test_a_run_without_lines_has_none(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            log.append(RUN, [])
            assert list(await log.read(RUN)) == []

        _run(new_log, check)

    def test_a_run_that_nobody_knows_has_no_lines_or_is_said_not_to_be_known(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            if log.knows_runs:
                with pytest.raises(RunNotFoundError):
                    await log.read(UUID(int=3))
            else:
                assert list(await log.read(UUID(int=3))) == []

        _run(new_log, check)

    def test_a_line_is_read_as_it_was_written(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            fields = {"text": 'größe ☃ \x00 " \\', "list": [1, 2.5, None, True], "map": {"deep": {"er": []}}}
            written = [
                RunLogLine(at=NOON, level=level, event=f"größe ☃\n{level}", fields=fields, attempt=3)
                for level in LogLevel
            ]
            log.append(RUN, written)
            read = await log.read(RUN)
            assert [line.number for line in read] == [1, 2, 3, 4]
            for given, got in zip(written, read, strict=True):
                assert (got.at, got.level, got.event, got.attempt) == (given.at, given.level, given.event, 3)
                assert got.fields == fields

        _run(new_log, check)

    def test_lines_are_numbered_from_1_in_the_order_of_appending(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            for number in range(30):
                log.append(RUN, lines(f"{number}a", f"{number}b"))
                if number % 10 == 9:
                    assert len(await log.read(RUN)) == 2 * (number + 1)
            read = await log.read(RUN)
            assert [line.number for line in read] == list(range(1, 61))
            assert _events(read) == [f"{number}{letter}" for number in range(30) for letter in "ab"]

        _run(new_log, check)

    def test_runs_do_not_see_each_others_lines(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            log.append(RUN, lines("a"))
            log.append(OTHER, lines("b"))
            log.append(RUN, lines("c"))
            assert _events(await log.read(RUN)) == ["a", "c"]
            assert [(line.number, line.event) for line in await log.read(OTHER)] == [(1, "b")]

        _run(new_log, check)

    def test_reading_goes_on_after_a_number(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            log.append(RUN, lines(*"abcdefg"))
            seen: list[str] = []
            after = 0
            while page := await log.read(RUN, after=after, limit=3):
                assert len(page) <= 3
                seen += _events(page)
                after = page[-1].number
            assert seen == list("abcdefg")
            assert list(await log.read(RUN, after=10**30)) == []
            assert len(await log.read(RUN, after=-5)) == 7
            assert list(await log.read(RUN, limit=0)) == []

        _run(new_log, check)

    def test_a_read_includes_what_was_appended_before_it(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            for number in range(1, 50):
                log.append(RUN, lines(str(number)))
                assert len(await log.read(RUN)) == number

        _run(new_log, check)

    def test_lines_of_many_threads_all_arrive_in_each_threads_order(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            def write(thread: int) -> None:
                for number in range(200):
                    log.append(RUN, lines(f"{thread} {number}"))

            await asyncio.gather(*(asyncio.to_thread(write, thread) for thread in range(4)))
            events = _events(await log.read(RUN))
            assert len(events) == 800
            for thread in range(4):
                mine = [event for event in events if event.startswith(f"{thread} ")]
                assert mine == [f"{thread} {number}" for number in range(200)]

        _run(new_log, check)

    def test_everything_outlasts_a_restart(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            log.append(RUN, lines("a", "b"))

        async def check_again(log: RunLog) -> None:
            log.append(RUN, lines("c", attempt=2))
            read = await log.read(RUN)
            assert [(line.number, line.event, line.attempt) for line in read] == [(1, "a", 1), (2, "b", 1), (3, "c", 2)]

        _run(new_log, check)
        _run(new_log, check_again)

    def test_values_that_are_no_json_are_told_as_text(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            fields = {"object": object(), "bad": "\ud800", "nan": float("nan"), "good": 1, "\udfff": {1, 2}}
            log.append(RUN, [RunLogLine(at=NOON, level=LogLevel.INFO, event="\ud800 odd", fields=fields)])
            log.append(RUN, lines("next"))
            odd, following = await log.read(RUN)
            assert odd.event.endswith("odd")
            assert "object object" in str(odd.fields["object"])
            assert odd.fields["good"] == 1
            assert following.event == "next"

        _run(new_log, check)

    def test_a_huge_line_is_cut(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            long = "ä" * 5_000_000
            log.append(RUN, [RunLogLine(at=NOON, level=LogLevel.INFO, event="e" + long, fields={"f": long})])
            log.append(RUN, [RunLogLine(at=NOON, level=LogLevel.INFO, event="short", fields={"f": '"' * 5_000_000})])
            first, second = await log.read(RUN)
            assert first.event.startswith("eää")
            assert second.event == "short"
            assert second.fields
            assert len(first.event) + len(str(first.fields)) + len(str(second.fields)) < 1_000_000

        _run(new_log, check)

    def test_past_its_bound_a_runs_lines_are_counted(self, new_small_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            log.append(RUN, lines(*(str(number) for number in range(90))))
            log.append(OTHER, lines("unharmed"))
            await log.read(RUN)
            log.append(RUN, lines(*(str(number) for number in range(90, 130))))
            _check_closed(await log.read(RUN), dropped=30)
            for _ in range(7):
                log.append(RUN, lines("more"))
                await log.read(RUN)
            _check_closed(await log.read(RUN), dropped=37)
            assert _events(await log.read(OTHER)) == ["unharmed"]

        async def check_again(log: RunLog) -> None:
            log.append(RUN, lines("after a restart"))
            _check_closed(await log.read(RUN), dropped=38)

        _run(new_small_log, check)
        _run(new_small_log, check_again)

    def test_exactly_at_its_bound_nothing_is_dropped(self, new_small_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            log.append(RUN, lines(*(str(number) for number in range(100))))
            assert _events(await log.read(RUN)) == [str(number) for number in range(100)]

        _run(new_small_log, check)

    def test_a_flood_of_one_run_leaves_the_others_whole(self, new_small_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            flood = lines(*(str(number) for number in range(1000)))
            for number in range(100):
                log.append(RUN, flood)
                log.append(OTHER, lines(str(number)))
                await asyncio.sleep(0)
            _check_closed(await log.read(RUN), dropped=100_000 - 100)
            assert _events(await log.read(OTHER)) == [str(number) for number in range(100)]

        _run(new_small_log, check)

    def test_following_gives_old_lines_and_then_new_ones(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            log.append(RUN, lines("a", "b"))
            async with aclosing(_follow(log, RUN, after=1)) as following:
                assert (await anext(following)).event == "b"
                for number in range(3):
                    log.append(OTHER, lines("not mine"))
                    log.append(RUN, lines(f"c{number}", f"d{number}"))
                    assert (await anext(following)).event == f"c{number}"
                    assert (await anext(following)).event == f"d{number}"

        _run(new_log, check)

    @pytest.mark.slow
    def test_a_followed_line_shows_within_a_second(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            async with aclosing(_follow(log, RUN)) as following:
                for number in range(3):
                    waiting = asyncio.ensure_future(anext(following))
                    await asyncio.sleep(0.05)
                    assert not waiting.done()
                    began = time.monotonic()
                    await asyncio.to_thread(log.append, RUN, lines(str(number)))
                    assert (await waiting).event == str(number)
                    assert time.monotonic() - began < 1

        _run(new_log, check)

    def test_all_followers_see_every_line_once(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            seen: list[list[str]] = [[], [], []]

            async def watch(events: list[str]) -> None:
                async with aclosing(_follow(log, RUN)) as following:
                    async for line in following:
                        events.append(line.event)
                        if line.event == "last":
                            return

            async with asyncio.TaskGroup() as group:
                for events in seen:
                    group.create_task(watch(events))
                for number in range(50):
                    log.append(RUN, lines(str(number)))
                    await asyncio.sleep(0)
                log.append(RUN, lines("last"))
            assert seen == [[*(str(number) for number in range(50)), "last"]] * 3

        _run(new_log, check)

    def test_a_follower_that_stops_harms_nobody(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            async def watch() -> None:
                async for _ in _follow(log, RUN):
                    pass

            task = asyncio.ensure_future(watch())
            await asyncio.sleep(0.01)
            log.append(RUN, lines("a"))
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            log.append(RUN, lines("b"))
            assert _events(await log.read(RUN)) == ["a", "b"]

        _run(new_log, check)

    def test_cancelled_reads_lose_and_repeat_nothing(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            for number in range(100):
                log.append(RUN, lines(str(number)))
                task = asyncio.ensure_future(log.read(RUN))
                for _ in range(number % 5):
                    await asyncio.sleep(0)
                task.cancel()
            assert _events(await log.read(RUN)) == [str(number) for number in range(100)]

        _run(new_log, check)

    def test_pruned_runs_have_no_lines(self, new_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            log.append(RUN, lines("a", "b"))
            log.append(OTHER, lines("c"))
            assert await log.prune([RUN, UUID(int=3)]) == 1
            assert list(await log.read(RUN)) == []
            assert _events(await log.read(OTHER)) == ["c"]
            assert await log.prune([RUN]) == 0
            assert await log.prune([]) == 0

        _run(new_log, check)

    def test_a_pruned_run_begins_anew(self, new_small_log: NewLog) -> None:
        async def check(log: RunLog) -> None:
            log.append(RUN, lines(*(str(number) for number in range(200))))
            assert await log.prune([RUN]) == 1
            log.append(RUN, lines("again"))
            assert [(line.number, line.event) for line in await log.read(RUN)] == [(1, "again")]

        _run(new_small_log, check)


def _check_closed(read: Sequence[RunLogLine], *, dropped: int) -> None:
    assert _events(read)[:100] == [str(number) for number in range(100)]
    assert [line.number for line in read] == list(range(1, 102))
    assert read[-1].level is LogLevel.WARNING
    assert read[-1].fields["dropped"] == dropped


def _events(read: Sequence[RunLogLine]) -> list[str]:
    return [line.event for line in read]


def _follow(log: RunLog, run_id: UUID, *, after: int = 0) -> AsyncGenerator[RunLogLine, None]:
    return cast("AsyncGenerator[RunLogLine, None]", log.follow(run_id, after=after))


def _run(new_log: NewLog, check: Callable[[RunLog], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), running(new_log()) as log:
            await check(log)

    asyncio.run(main())
