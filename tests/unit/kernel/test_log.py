"""What a run's code gives to any logger is in the host's log, with its run and without its secrets."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.contracts.jobs import Job, JobContext
from host.kernel.log import log_formatter
from host.model.jobs import JobParameter
from host.testing.host import running_host

SECRET = 'hunter2 "very" secret'
LIBRARY = "acme.library"


class Careless(Job):
    """Gives its secret to a library, which logs it in every way there is."""

    parameters = (JobParameter("password", str, secret=True),)

    def run(self, context: JobContext) -> None:
        password = context.parameters["password"]
        log = logging.getLogger(LIBRARY)
        log.info("connecting with %s", password)
        log.warning("options are %r", {"password": password})
        try:
            raise ValueError(f"bad password: {password}")
        except ValueError:
            log.exception("refused")


class CarelessTask(Careless):
    """The same on the event loop."""

    async def run(self, context: JobContext) -> None:  # type: ignore[override]
        super().run(context)


@pytest.fixture(params=["console", "json"])
def said(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What a library's logger writes with the host's formatter."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log_formatter(request.param))
    logger = logging.getLogger(LIBRARY)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.parametrize("job", [Careless, CarelessTask])
def test_no_secret_of_a_run_is_in_the_hosts_log(tmp_path: Path, said: io.StringIO, job: type[Job]) -> None:
    async def check() -> None:
        async with running_host(tmp_path, jobs=[job]) as host:
            run = await host.perform(job, {"password": SECRET})
            text = said.getvalue()
            assert text.count("(hidden)") >= 3
            assert str(run.id) in text
            for form in (SECRET, json.dumps(SECRET)[1:-1], "hunter2"):
                assert form not in text

    asyncio.run(check())


def test_what_no_run_says_stays_as_it_is(said: io.StringIO) -> None:
    logging.getLogger(LIBRARY).info("connecting with %s", SECRET)
    assert "hunter2" in said.getvalue()
