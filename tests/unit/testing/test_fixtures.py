"""The published fixtures and names."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

import host.testing
from host import Job, JobContext, JobSchedule
from host.testing import FakeClock, NewHostKit, assert_completed

pytest_plugins = ["host.testing.fixtures"]


class Plain(Job):
    """Returns at once."""

    async def run(self, context: JobContext) -> None:
        return None


def test_the_kit_goes_by_the_fixtures_clock_and_keeps_its_files_apart(
    host_kit: NewHostKit, fake_clock: FakeClock, tmp_path: Path
) -> None:
    async def check() -> None:
        async with host_kit(Plain) as kit:
            assert kit.clock is fake_clock
            await kit.jobs.set_job_schedule("Plain", [JobSchedule.cron("30 * * * *")])
            await kit.advance(timedelta(hours=2))
            for run in await kit.runs_of(Plain):
                assert_completed(run)
            assert (tmp_path / "data" / "runs.sqlite").exists()
        async with host_kit(Plain) as again:
            assert len(await again.runs_of(Plain)) == 2

    asyncio.run(check())


def test_options_of_running_host_are_taken(host_kit: NewHostKit) -> None:
    async def check() -> None:
        async with host_kit(Plain, paused="for a test", clock=None) as kit:
            assert (await kit.status()).paused == {"all": "for a test"}

    asyncio.run(check())


@pytest.mark.parametrize("name", host.testing.__all__)
def test_published_names_are_there_and_say_what_they_promise(name: str) -> None:
    assert getattr(host.testing, name).__doc__


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Fake'"):
        _ = host.testing.Fake


def test_a_clock_needs_no_host() -> None:
    code = "import sys; from host.testing import FakeClock; FakeClock(); print('host.kernel' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
