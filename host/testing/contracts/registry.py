"""What every job registry promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from host.contracts.registry import JobRegistry, Pause, Registration
from host.model.jobs import JobStartType
from host.testing.contracts.services import running

NewRegistry = Callable[[], JobRegistry]

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


class JobRegistrySuite:
    """Supply ``new_registry``."""

    @pytest.fixture
    def new_registry(self) -> NewRegistry:
        """Give what builds a registry; each call builds another over the same place, empty at first."""
        raise NotImplementedError

    def test_a_new_registry_is_empty(self, new_registry: NewRegistry) -> None:
        async def check(registry: JobRegistry) -> None:
            assert list(await registry.registrations()) == []
            assert list(await registry.pauses()) == []

        _run(new_registry, check)

    @pytest.mark.parametrize("start_type", JobStartType)
    def test_a_registration_is_kept_as_given(self, new_registry: NewRegistry, start_type: JobStartType) -> None:
        async def check(registry: JobRegistry) -> None:
            given = _registration("größe.☃:Job", start_type=start_type)
            assert await registry.register(given)
            assert list(await registry.registrations()) == [given]

        _run(new_registry, check)

    def test_a_second_registration_of_a_job_type_is_refused(self, new_registry: NewRegistry) -> None:
        async def check(registry: JobRegistry) -> None:
            first = _registration("a:A")
            assert await registry.register(first)
            assert not await registry.register(_registration("a:A", start_type=JobStartType.IMMEDIATE, minutes=1))
            assert list(await registry.registrations()) == [first]

        _run(new_registry, check)

    def test_registrations_are_given_oldest_first(self, new_registry: NewRegistry) -> None:
        async def check(registry: JobRegistry) -> None:
            for name, minutes in (("c:C", 2), ("b:B", 1), ("a:A", 2), ("d:D", 0)):
                assert await registry.register(_registration(name, minutes=minutes))
            assert [entry.job_type for entry in await registry.registrations()] == ["d:D", "b:B", "c:C", "a:A"]

        _run(new_registry, check)

    def test_an_unregistered_job_may_be_registered_again(self, new_registry: NewRegistry) -> None:
        async def check(registry: JobRegistry) -> None:
            await registry.register(_registration("a:A"))
            assert await registry.unregister("a:A")
            assert list(await registry.registrations()) == []
            assert not await registry.unregister("a:A")
            assert await registry.register(_registration("a:A"))

        _run(new_registry, check)

    def test_unregistering_what_is_unknown_changes_nothing(self, new_registry: NewRegistry) -> None:
        async def check(registry: JobRegistry) -> None:
            await registry.register(_registration("a:A"))
            assert not await registry.unregister("A:A")
            assert not await registry.unregister("")
            assert len(await registry.registrations()) == 1

        _run(new_registry, check)

    @pytest.mark.parametrize("by", ["operator", None])
    def test_a_pause_is_kept_as_given(self, new_registry: NewRegistry, by: str | None) -> None:
        async def check(registry: JobRegistry) -> None:
            given = Pause(scope="job:a:A", reason="größe ☃\nsecond line", by=by, at=NOON)
            assert await registry.pause(given)
            assert list(await registry.pauses()) == [given]

        _run(new_registry, check)

    def test_a_second_pause_of_a_scope_leaves_the_first_reason(self, new_registry: NewRegistry) -> None:
        async def check(registry: JobRegistry) -> None:
            assert await registry.pause(_pause("all", reason="first"))
            assert not await registry.pause(_pause("all", reason="second", minutes=1))
            assert [pause.reason for pause in await registry.pauses()] == ["first"]

        _run(new_registry, check)

    def test_pauses_are_given_oldest_first(self, new_registry: NewRegistry) -> None:
        async def check(registry: JobRegistry) -> None:
            for scope, minutes in (("job:c", 2), ("all", 1), ("job:a", 2), ("schedule:x", 0)):
                assert await registry.pause(_pause(scope, minutes=minutes))
            assert [pause.scope for pause in await registry.pauses()] == ["schedule:x", "all", "job:c", "job:a"]

        _run(new_registry, check)

    def test_resuming_ends_one_pause_alone(self, new_registry: NewRegistry) -> None:
        async def check(registry: JobRegistry) -> None:
            await registry.pause(_pause("all"))
            await registry.pause(_pause("job:a:A"))
            assert await registry.resume("all")
            assert not await registry.resume("all")
            assert not await registry.resume("job:a")
            assert [pause.scope for pause in await registry.pauses()] == ["job:a:A"]

        _run(new_registry, check)

    def test_everything_outlasts_a_restart(self, new_registry: NewRegistry) -> None:
        async def check(registry: JobRegistry) -> None:
            await registry.register(_registration("a:A"))
            await registry.register(_registration("gone:G"))
            await registry.unregister("gone:G")
            await registry.pause(_pause("all"))

        async def check_again(registry: JobRegistry) -> None:
            assert list(await registry.registrations()) == [_registration("a:A")]
            assert list(await registry.pauses()) == [_pause("all")]

        _run(new_registry, check)
        _run(new_registry, check_again)

    def test_of_many_at_once_exactly_one_succeeds(self, new_registry: NewRegistry) -> None:
        async def check(registry: JobRegistry) -> None:
            registered = await asyncio.gather(*(registry.register(_registration("a:A", minutes=n)) for n in range(20)))
            paused = await asyncio.gather(*(registry.pause(_pause("all", minutes=n)) for n in range(20)))
            assert registered.count(True) == 1
            assert paused.count(True) == 1
            assert len(await registry.registrations()) == 1
            assert len(await registry.pauses()) == 1

        _run(new_registry, check)


def _registration(job_type: str, *, start_type: JobStartType = JobStartType.NEVER, minutes: int = 0) -> Registration:
    return Registration(job_type=job_type, start_type=start_type, registered_at=NOON + timedelta(minutes=minutes))


def _pause(scope: str, *, reason: str = "upkeep", minutes: int = 0) -> Pause:
    return Pause(scope=scope, reason=reason, by="operator", at=NOON + timedelta(minutes=minutes))


def _run(new_registry: NewRegistry, check: Callable[[JobRegistry], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), running(new_registry()) as registry:
            await check(registry)

    asyncio.run(main())
