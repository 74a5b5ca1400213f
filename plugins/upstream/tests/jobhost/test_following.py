"""Following lines of runs: none twice and none left out, whatever becomes of the upstream meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest

from host.contracts.logs import RunLog
from host.errors import AccessDeniedError, RunNotFoundError, UnsupportedOperationError
from host.model.logs import LogLevel, RunLogLine
from host.model.submissions import RunSubmission
from host_rest.api.mount import RestMount
from plugins.upstream.tests.jobhost.desk import PlainLink, desk

WAIT = "Wait / for ever"


def _lines(*events: str) -> list[RunLogLine]:
    return [RunLogLine(at=datetime(2026, 1, 1, tzinfo=UTC), level=LogLevel.INFO, event=event) for event in events]


def _follow(log: RunLog, run_id: UUID, *, after: int = 0) -> aclosing[AsyncGenerator[RunLogLine, None]]:
    return aclosing(cast("AsyncGenerator[RunLogLine, None]", log.follow(run_id, after=after)))


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            run = await at.kit.perform("Greet")
            assert list(await at.log.read(run.id)) == list(await at.kit.log.read(run.id))
            at.kit.log.append(run.id, _lines(*map(str, range(2500))))
            assert list(await at.log.read(run.id, limit=2400)) == list(await at.kit.log.read(run.id, limit=2400))
            for after, limit in ((-5, 3), (1, 1), (10**30, 5), (0, 0)):
                assert list(await at.log.read(run.id, after=after, limit=limit)) == list(
                    await at.kit.log.read(run.id, after=after, limit=limit)
                )
            with pytest.raises(RunNotFoundError):
                await at.log.read(uuid4())

    asyncio.run(check())


def test_what_only_the_performing_host_may_do_is_refused(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            with pytest.raises(UnsupportedOperationError):
                at.log.append(uuid4(), _lines("x"))
            with pytest.raises(UnsupportedOperationError):
                await at.log.prune([uuid4()])

    asyncio.run(check())


@pytest.mark.parametrize("is_streamed", [True, False])
def test_lines_come_as_they_are_written_and_after_the_end(tmp_path: Path, is_streamed: bool) -> None:
    mounts = {} if is_streamed else {"mounts": (RestMount,)}

    async def check() -> None:
        async with desk(tmp_path, **mounts) as at:
            (run_id,) = await at.kit.control.submit([RunSubmission(job=WAIT)])
            at.kit.log.append(run_id, _lines("a", "b"))
            async with _follow(at.log, run_id, after=1) as lines:
                assert (await anext(lines)).event == "b"
                for number in range(3):
                    at.kit.log.append(run_id, _lines(f"c{number}"))
                    assert (await anext(lines)).event == f"c{number}"
                await at.kit.control.cancel(run_id)
                await at.kit.run_due()
                at.kit.log.append(run_id, _lines("late"))
                assert (await anext(lines)).event == "late"

    asyncio.run(check())


def test_a_run_that_nobody_knows_yet_is_waited_for(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            run_id = uuid4()
            async with _follow(at.log, run_id) as lines:
                coming = asyncio.ensure_future(anext(lines))
                while not at.link.count(f"/runs/{run_id}/log"):
                    await asyncio.sleep(0.01)
                at.kit.log.append(run_id, _lines("at last"))
                assert (await coming).event == "at last"

    asyncio.run(check())


def test_a_follower_waits_for_an_upstream_that_is_down(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            (run_id,) = await at.kit.control.submit([RunSubmission(job=WAIT, hold=True)])
            at.kit.log.append(run_id, _lines("a"))
            at.link.is_down = True
            async with _follow(at.log, run_id) as lines:
                coming = asyncio.ensure_future(anext(lines))
                done, _ = await asyncio.wait([coming], timeout=0.3)
                assert not done
                at.link.is_down = False
                assert (await coming).event == "a"

    asyncio.run(check())


def test_a_follower_outlives_restarts_of_the_upstream(tmp_path: Path) -> None:
    async def follow(log: RunLog, run_id: UUID, seen: list[RunLogLine]) -> None:
        async with _follow(log, run_id) as lines:
            async for line in lines:
                seen.append(line)
                if line.event == "end":
                    return

    async def check() -> None:
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        link = PlainLink(f"http://127.0.0.1:{port}")
        seen: list[RunLogLine] = []
        run_id, following = uuid4(), None
        for number in range(3):
            async with desk(tmp_path, server=f'port="{port}"', link=link) as at:
                if following is None:
                    (run_id,) = await at.kit.control.submit([RunSubmission(job=WAIT, hold=True)])
                    following = asyncio.create_task(follow(at.log, run_id, seen))
                at.kit.log.append(run_id, _lines(f"{number}a", f"{number}b"))
                while len(seen) < 3 * number + 2:
                    await asyncio.sleep(0.01)
                at.kit.log.append(run_id, _lines(f"{number}c", *(["end"] if number == 2 else [])))
                if number == 2:
                    await following
        await link.close()
        expected = [f"{number}{letter}" for number in range(3) for letter in "abc"]
        assert [line.event for line in seen] == [*expected, "end"]
        assert [line.number for line in seen] == list(range(1, 11))

    asyncio.run(check())


def test_a_follower_is_told_when_it_may_not_follow(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, token="stranger") as at, _follow(at.log, uuid4()) as lines:
            with pytest.raises(AccessDeniedError):
                await anext(lines)

    asyncio.run(check())


def test_many_followers_stop_and_leave_nothing_behind(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            (run_id,) = await at.kit.control.submit([RunSubmission(job=WAIT)])
            seen: list[list[str]] = [[] for _ in range(20)]

            async def follow(events: list[str]) -> None:
                async with _follow(at.log, run_id) as lines:
                    async for line in lines:
                        events.append(line.event)  # noqa: PERF401  # it is looked at meanwhile

            tasks = [asyncio.create_task(follow(events)) for events in seen]
            at.kit.log.append(run_id, _lines("a", "b"))
            while any(events != ["a", "b"] for events in seen):
                await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert all(task.cancelled() for task in tasks)

    asyncio.run(check())
