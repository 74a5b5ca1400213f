"""Questions that many ask at the same time, made one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.host import HostControl
from host.contracts.jobs import Job, JobContext
from host.errors import JobNotFoundError, UpstreamUnavailableError
from host.faces.outlook import Outlook
from host.model.schedules import JobSchedule
from host_upstream.jobhost.gathering import Gathering
from plugins.upstream.tests.jobhost.desk import JOBS, desk

NUMBER = 230
WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


class Asked:
    """Answers each question when it is let, and keeps all of them."""

    def __init__(self) -> None:
        self.questions: list[Sequence[int]] = []
        self.askers: list[str] = []
        self.ended = 0
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None
        self.gathering = Gathering(self._answer, most=50, name="doubles")

    async def _answer(self, keys: Sequence[int]) -> Sequence[int]:
        self.questions.append(list(keys))
        self.askers.append(WHO.get())
        try:
            await self.may_answer.wait()
        finally:
            self.ended += 1
        if self.error:
            raise self.error
        return [2 * key for key in keys]

    async def until_asked(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.questions) < count:
                await asyncio.sleep(0.001)


def run(check: Callable[[Asked], Awaitable[None]]) -> None:
    async def go() -> None:
        async with asyncio.timeout(60):
            await check(Asked())

    asyncio.run(go())


def test_fifty_who_ask_together_are_one_question_and_more_are_several() -> None:
    async def check(asked: Asked) -> None:
        asked.may_answer.set()
        assert await asyncio.gather(*map(asked.gathering.get, range(50))) == [2 * key for key in range(50)]
        assert asked.questions == [list(range(50))]
        assert await asyncio.gather(*map(asked.gathering.get, range(120))) == [2 * key for key in range(120)]
        assert [len(question) for question in asked.questions[1:]] == [50, 50, 20]
        assert await asked.gathering.get(7) == 14

    run(check)


def test_what_the_question_raises_is_raised_to_all_of_it_and_to_nobody_later() -> None:
    async def check(asked: Asked) -> None:
        asked.error = UpstreamUnavailableError("it is away")
        asked.may_answer.set()
        found = await asyncio.gather(*map(asked.gathering.get, range(3)), return_exceptions=True)
        assert found == [asked.error] * 3
        asked.error = None
        assert await asked.gathering.get(1) == 2

    run(check)


def test_one_who_stops_waiting_takes_nothing_from_the_others() -> None:
    async def check(asked: Asked) -> None:
        waiting = [asyncio.ensure_future(asked.gathering.get(key)) for key in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asked.until_asked(1)
        waiting[1].cancel()
        asked.may_answer.set()
        assert await waiting[2] == 4
        assert await asyncio.gather(*waiting[:2], return_exceptions=True) != [0, 2]
        assert all(each.cancelled() for each in waiting[:2])

    run(check)


def test_what_nobody_waits_for_any_more_is_not_asked_on() -> None:
    async def check(asked: Asked) -> None:
        early = asyncio.ensure_future(asked.gathering.get(1))
        await asyncio.sleep(0)
        early.cancel()
        await asyncio.wait([early])
        late = asyncio.ensure_future(asked.gathering.get(2))
        await asked.until_asked(1)
        assert asked.questions == [[2]]
        late.cancel()
        await asyncio.wait([late])
        async with asyncio.timeout(60):
            while not asked.ended:
                await asyncio.sleep(0.001)

    run(check)


def test_a_shared_question_is_nobodys_in_particular() -> None:
    async def check(asked: Asked) -> None:
        WHO.set("Ada")
        asked.may_answer.set()
        await asked.gathering.get(1)
        assert asked.askers == ["nobody"]

    run(check)


def test_schedules_of_many_jobs_take_one_request_and_a_wrong_name_fails_alone(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            await at.jobs.set_job_schedule("Greet", [JobSchedule.every(timedelta(hours=1))])
            names = ["Greet", "nobody", "Wait / for ever", "Fail"] * 12 + ["Greet", "a/b"]
            begin = len(at.link.asked)
            found = await asyncio.gather(*map(at.jobs.get_job_schedules, names), return_exceptions=True)
            assert at.link.count("/schedules-in-force") == 1
            assert not [each for each in at.link.asked[begin:] if each.path.endswith("Greet/schedules")]
            for name, entry in zip(names, found, strict=True):
                if name in ("nobody", "a/b"):
                    assert isinstance(entry, JobNotFoundError)
                else:
                    assert entry == await at.kit.jobs.get_job_schedules(name)

    asyncio.run(check())


def _made(number: int) -> type[Job]:
    async def run(self: Job, context: JobContext) -> None:
        """Do nothing."""

    name = f"Made{number:03}"
    made = type(name, (Job,), {"__module__": __name__, "__qualname__": name, "run": run})
    globals()[name] = made
    return made


@pytest.mark.slow
def test_the_next_fire_times_of_many_jobs_take_few_requests(tmp_path: Path) -> None:
    jobs = (*JOBS, *map(_made, range(NUMBER)))
    rows = "".join(
        f'<add type="{job.__module__}:{job.__qualname__}" startType="schedule">'
        '<schedule><add type="interval" interval="3600" /></schedule></add>'
        for job in jobs
    )
    sections = f'<section xsi:type="JobConfigurationSection"><jobs>{rows}</jobs></section>'

    async def check() -> None:
        async with desk(tmp_path, jobs=jobs, sections=sections) as at:
            outlook = Outlook(at.jobs, at.schedules, at.runs, at.kit.get(HostControl), at.clock)
            try:
                while (found := await outlook.look(5, patience_seconds=30)).waiting:
                    assert found.waiting
                assert found.jobs == len(jobs)
                assert at.link.count("/schedules-in-force") == 2
                assert at.link.count("/latest-runs") == 2
                assert len(at.link.asked) < 12, [each.path for each in at.link.asked]
            finally:
                await outlook.stop()

    asyncio.run(check())
