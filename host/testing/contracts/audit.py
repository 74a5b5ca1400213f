"""What every audit trail promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.contracts.security import AuditTrail
from host.errors import InvalidRequestError
from host.model.security import AuditEvent, AuditFilter, AuditOutcome
from host.testing.contracts.services import running

NewTrail = Callable[[], AuditTrail]
NewTrails = Callable[[], NewTrail]

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOST = 1000
FULL = AuditEvent(
    at=NOON,
    by="größe ☃",
    client="panel",
    address="2001:db8::1",
    face="rest",
    action="POST /runs/{run_id}/cancel",
    target="/rest/v1/runs/7/cancel",
    outcome=AuditOutcome.FAILED,
    status=409,
    request_id="r-1",
    detail={"job": "Import\norders", "": ""},
)
BARE = AuditEvent(at=NOON, by=None, face="cli", action="HostControl.drain", outcome=AuditOutcome.SUCCESS)


class AuditTrailSuite:
    """Supply ``new_trail`` and ``new_trails``."""

    @pytest.fixture
    def new_trail(self) -> NewTrail:
        """Give what builds a trail; each call builds another over the same place, empty at first."""
        raise NotImplementedError

    @pytest.fixture
    def new_trails(self) -> NewTrails:
        """Give what gives, at each call, a ``new_trail`` for a place of its own."""
        raise NotImplementedError

    def test_a_new_trail_is_empty(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            page = await trail.events()
            assert (page.events, page.next_cursor) == ((), None)

        _run(new_trail, check)

    def test_an_event_is_kept_as_given_and_numbered_from_one(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([FULL, replace(BARE, number=77)])
            assert list(await _all(trail)) == [replace(BARE, number=2), replace(FULL, number=1)]

        _run(new_trail, check)

    def test_recording_nothing_changes_nothing(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([])
            assert await _all(trail) == []

        _run(new_trail, check)

    def test_events_outlast_a_restart(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([FULL])

        async def check_again(trail: AuditTrail) -> None:
            assert await _all(trail) == [replace(FULL, number=1)]

        _run(new_trail, check)
        _run(new_trail, check_again)

    def test_events_are_listed_newest_first_those_of_one_instant_by_number(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([_event(0), _event(1), _event(1), _event(2)])
            assert [event.number for event in await _all(trail)] == [4, 3, 2, 1]

        _run(new_trail, check)

    def test_a_number_is_not_given_again_after_a_prune_and_a_restart(self, new_trail: NewTrail) -> None:
        async def fill_and_empty(trail: AuditTrail) -> None:
            await trail.record([_event(0), _event(1)])
            assert await trail.prune(before=NOON + 10 * HOUR) == 2
            assert await _all(trail) == []

        async def check(trail: AuditTrail) -> None:
            await trail.record([_event(2)])
            assert [event.number for event in await _all(trail)] == [3]

        _run(new_trail, fill_and_empty)
        _run(new_trail, check)

    @given(steps=st.lists(st.sampled_from(["one", "many", "prune", "prune all", "restart"]), max_size=12))
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @pytest.mark.slow
    def test_numbers_grow_and_none_is_given_twice(self, new_trails: NewTrails, steps: Sequence[str]) -> None:
        seen: set[int] = set()
        new_trail = new_trails()
        for part in _parts(steps):
            _run(new_trail, partial(_take, steps=part, seen=seen))

    def test_pages_meet_without_gap_or_repetition(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([_event(number // 3) for number in range(10)])
            pages = [await trail.events(limit=4)]
            while pages[-1].next_cursor is not None:
                pages.append(await trail.events(cursor=pages[-1].next_cursor, limit=4))
            assert [[event.number for event in page.events] for page in pages] == [[10, 9, 8, 7], [6, 5, 4, 3], [2, 1]]

        _run(new_trail, check)

    def test_a_full_last_page_has_no_cursor(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([_event(0), _event(1)])
            assert (await trail.events(limit=2)).next_cursor is None

        _run(new_trail, check)

    def test_events_recorded_and_pruned_meanwhile_do_not_shift_a_page(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([_event(hours) for hours in range(6)])
            first = await trail.events(limit=2)
            await trail.record([_event(9)])
            assert await trail.prune(before=NOON + HOUR) == 1
            second = await trail.events(cursor=first.next_cursor, limit=10)
            assert [event.number for event in (*first.events, *second.events)] == [6, 5, 4, 3, 2]

        _run(new_trail, check)

    @pytest.mark.parametrize("cursor", ["", "7", "r7", "a1", "a1.x", "a1.²", "a" + "9" * 40 + ".1", "a1.1\n", "'; --"])
    def test_a_cursor_that_no_page_gave_is_refused(self, new_trail: NewTrail, cursor: str) -> None:
        async def check(trail: AuditTrail) -> None:
            with pytest.raises(InvalidRequestError):
                await trail.events(cursor=cursor)

        _run(new_trail, check)

    @pytest.mark.parametrize("limit", [-1, 0, MOST + 1])
    def test_a_page_of_impossible_size_is_refused(self, new_trail: NewTrail, limit: int) -> None:
        async def check(trail: AuditTrail) -> None:
            with pytest.raises(InvalidRequestError):
                await trail.events(limit=limit)

        _run(new_trail, check)

    def test_since_is_inclusive_and_until_is_not(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([_event(hours) for hours in range(5)])
            assert await _numbers(trail, AuditFilter(since=NOON + 3 * HOUR)) == [5, 4]
            assert await _numbers(trail, AuditFilter(until=NOON + HOUR)) == [1]
            assert await _numbers(trail, AuditFilter(since=NOON + HOUR, until=NOON + 3 * HOUR)) == [3, 2]
            assert await _numbers(trail, AuditFilter(since=NOON + 3 * HOUR, until=NOON + HOUR)) == []

        _run(new_trail, check)

    def test_each_field_of_the_filter_narrows(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([FULL, BARE, replace(BARE, by="kim"), replace(FULL, outcome=AuditOutcome.DENIED)])
            assert await _numbers(trail, AuditFilter(by="kim")) == [3]
            assert await _numbers(trail, AuditFilter(by="Kim")) == []
            assert await _numbers(trail, AuditFilter(face="rest")) == [4, 1]
            assert await _numbers(trail, AuditFilter(outcome=AuditOutcome.SUCCESS)) == [3, 2]
            assert await _numbers(trail, AuditFilter(face="rest", outcome=AuditOutcome.FAILED)) == [1]
            assert await _numbers(trail, AuditFilter(by="", face="", text="")) == [4, 3, 2, 1]

        _run(new_trail, check)

    @pytest.mark.parametrize(
        ("text", "numbers"),
        [
            ("cancel", [1]),
            ("CANCEL", [1]),
            ("/rest/V1", [1]),
            ("straße", [2]),
            ("STRASSE", [2]),
            ("ÉCLAIR", [2]),
            ("100%", [3]),
            ("0%_", [3]),
            ("%", [3]),
            ("_", [3, 1]),
            ("!", [3]),
            ("kim", []),
            ("rest\nDELETE", []),
            ("\0", [4]),
            ("rest\0", []),
            ("A\0B", [4]),
        ],
    )
    def test_text_is_part_of_the_action_or_the_target(
        self, new_trail: NewTrail, text: str, numbers: Sequence[int]
    ) -> None:
        async def check(trail: AuditTrail) -> None:
            given = [
                replace(FULL, by="kim"),
                replace(BARE, action="PUT /x", target="strasse/Éclair/STRAßE"),
                replace(BARE, target="100%_!"),
                replace(BARE, target="a\0b"),
            ]
            await trail.record(given)
            assert await _numbers(trail, AuditFilter(text=text)) == numbers

        _run(new_trail, check)

    def test_a_filtered_listing_is_whole_over_its_pages(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([replace(_event(number), by="kim" if number % 7 else "ann") for number in range(50)])
            found = await _all(trail, AuditFilter(by="ann"), limit=3)
            assert [event.number for event in found] == [50, 43, 36, 29, 22, 15, 8, 1]

        _run(new_trail, check)

    def test_pruning_deletes_the_oldest_before_an_instant_and_tells_how_many(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            await trail.record([_event(hours) for hours in range(6)])
            assert await trail.prune(before=NOON + 4 * HOUR, limit=3) == 3
            assert await _numbers(trail) == [6, 5, 4]
            assert await trail.prune(before=NOON + 4 * HOUR, limit=3) == 1
            assert await trail.prune(before=NOON + 4 * HOUR) == 0
            assert await _numbers(trail) == [6, 5]

        _run(new_trail, check)

    def test_those_who_record_at_once_are_all_kept_each_call_in_one_piece(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            names = [f"p{number}" for number in range(20)]
            await asyncio.gather(*(trail.record([replace(BARE, by=name)] * 3) for name in names))
            events = sorted(await _all(trail), key=lambda event: event.number)
            assert sorted(event.by or "" for event in events) == sorted(names * 3)
            changes = sum(1 for before, after in pairwise(events) if before.by != after.by)
            assert changes == len(names) - 1

        _run(new_trail, check)

    def test_texts_of_strangers_are_kept_within_bounds(self, new_trail: NewTrail) -> None:
        async def check(trail: AuditTrail) -> None:
            long, broken = "x" * 100_000, "a\x00b\ud800c"
            detail = {f"{number}{long}": long for number in range(1000)}
            await trail.record([replace(FULL, by=broken, target=long, action=broken, detail=detail)])
            (event,) = await _all(trail)
            assert event.target.startswith("xxxx")
            assert len(event.target) < 10_000
            assert sum(len(name) + len(text) for name, text in event.detail.items()) < 1_000_000
            assert event.action.startswith("a")

        _run(new_trail, check)


def _event(hours: float) -> AuditEvent:
    return replace(BARE, at=NOON + hours * HOUR)


def _parts(steps: Sequence[str]) -> list[list[str]]:
    """Give what happens between two restarts, in order."""
    parts: list[list[str]] = [[]]
    for step in steps:
        if step == "restart":
            parts.append([])
        else:
            parts[-1].append(step)
    return parts


async def _take(trail: AuditTrail, *, steps: Sequence[str], seen: set[int]) -> None:
    for step in steps:
        highest = max(seen, default=0)
        if step in {"one", "many"}:
            await trail.record([BARE] * (1 if step == "one" else 5))
        elif step == "prune":
            await trail.prune(before=NOON + HOUR, limit=2)
        else:
            await trail.prune(before=NOON + HOUR)
        numbers = await _numbers(trail)
        fresh = [number for number in numbers if number not in seen]
        assert all(number > highest for number in fresh), (highest, numbers)
        assert len(set(numbers)) == len(numbers)
        seen.update(numbers)


async def _numbers(trail: AuditTrail, where: AuditFilter | None = None) -> list[int]:
    return [event.number for event in await _all(trail, where)]


async def _all(trail: AuditTrail, where: AuditFilter | None = None, *, limit: int = MOST) -> list[AuditEvent]:
    found: list[AuditEvent] = []
    cursor: str | None = None
    while True:
        page = await trail.events(where, cursor=cursor, limit=limit)
        assert len(page.events) <= limit
        found += page.events
        cursor = page.next_cursor
        if cursor is None:
            return found


def _run(new_trail: NewTrail, check: Callable[[AuditTrail], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), running(new_trail()) as trail:
            await check(trail)

    asyncio.run(main())
