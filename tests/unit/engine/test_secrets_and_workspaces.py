"""What a run must never say, and what it leaves on the disk: nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.jobs import Job, JobContext, Retry
from host.contracts.logs import RunLog
from host.engine import dispatcher
from host.engine.runner import MAX_STATUS, MAX_TRACEBACK
from host.engine.workspace import remove, sweep
from host.model.jobs import JobParameter, OverlapPolicy, ParameterType
from host.model.json import JsonValue
from host.model.runs import JobResult, JobRun, RunReason, RunState
from tests.unit.engine.desk import Desk, desk, eventually, go

CANARY = "hunter2-very-secret"
removing, removed = threading.Event(), threading.Event()
SECTION = '<section xsi:type="SecretConfigurationSection" folder="vault" />'


class Talkative(Job):
    """Says its password wherever it can."""

    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("password", str, secret=True), JobParameter("how", str, default="returns"))
    seen = ""

    async def run(self, context: JobContext) -> JobResult:
        password = str(context.parameters["password"])
        type(self).seen = password
        context.progress(0.5, f"signed in with {password}")
        context.log.info("names that structlog uses", self=1, event=2, level=3, timestamp=4)
        context.log.info(f"using {password}", password=password, nested={"deep": [password]})
        logging.getLogger("someone.else").warning("password is %s", password)
        if context.parameters["how"] == "raises":
            raise ValueError(f"{password} was refused")
        return JobResult(value={"with": [password]}, status_text=f"done with {password}")


class Folders(Job):
    """Writes into its folder, ends as it is told."""

    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("how", str),)
    folder = Path()
    goes_on: asyncio.Event

    async def run(self, context: JobContext) -> None:
        cls = type(self)
        cls.folder = context.workspace
        (cls.folder / "sub").mkdir()
        (cls.folder / "sub" / "file").write_text("x")
        (cls.folder / "sub").chmod(0o500)
        if context.parameters["how"] == "raises":
            raise ValueError
        if context.parameters["how"] == "waits":
            await asyncio.Event().wait()


async def everything_said(at: Desk, run: JobRun) -> str:
    """Give all that is kept of a run but its parameters."""
    lines = await at.host.get(RunLog).read(run.id)
    row = [run.status_text, run.result, [(error.error, error.traceback) for error in run.errors]]
    return json.dumps([row, [[line.event, dict(line.fields)] for line in lines]])


@pytest.mark.parametrize("how", ["returns", "raises"])
def test_a_secret_is_resolved_for_the_job_and_said_nowhere(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "smtp").write_text(CANARY + "\n")

    async def check() -> None:
        async with desk(tmp_path, Talkative, sections=SECTION) as at:
            run = await at.finished(await at.start(Talkative, password="secret:smtp", how=how))
            assert Talkative.seen == CANARY
            said = await everything_said(at, run)
            assert CANARY not in said
            assert "(hidden)" in said
            assert run.parameters["password"] == "secret:smtp"
            assert "password is (hidden)" in said

    go(check())
    ours = [record.getMessage() for record in caplog.records if record.name != "someone.else"]
    assert CANARY not in "\n".join(ours)


def test_a_secret_given_as_it_is_is_hidden_as_well(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Talkative) as at:
            run = await at.finished(await at.start(Talkative, password=CANARY, how="raises"))
            assert CANARY not in await everything_said(at, run)

    go(check())


def test_a_secret_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBHOST_SECRET_SMTP_PASSWORD", CANARY)

    async def check() -> None:
        async with desk(tmp_path, Talkative) as at:
            await at.finished(await at.start(Talkative, password="secret:smtp-password"))
            assert Talkative.seen == CANARY

    go(check())


class Quoting(Job):
    """Says its password in other words."""

    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("password", ParameterType.JSON, secret=True), JobParameter("how", str))

    async def run(self, context: JobContext) -> JobResult:
        password, how = context.parameters["password"], context.parameters["how"]
        if how == "escaped":
            context.log.info("trying", quoted=repr(password), as_json=json.dumps({"password": password}))
            raise ValueError({"password": password})
        if how == "lines":
            raise ExceptionGroup("refused", [ValueError(password)])
        if how == "cut":
            raise ValueError(f"{password}{'.' * (MAX_TRACEBACK - 10)}")
        return JobResult(value=password, status_text=f"{'.' * (MAX_STATUS - 10)}{password}")


@pytest.mark.parametrize("how", ["escaped", "lines", "cut", "returned"])
@pytest.mark.parametrize(
    "password",
    ["canary-long-enough-to-be-cut", "canary-one\ncanary-two", "C:\\canary", '"canary"', {"deep": ["canary"]}],
    ids=["plain", "lines", "backslash", "quotes", "json"],
)
def test_no_form_and_no_part_of_a_secret_is_said(tmp_path: Path, password: JsonValue, how: str) -> None:
    async def check() -> None:
        async with desk(tmp_path, Quoting) as at:
            run = await at.finished(await at.start(Quoting, password=password, how=how))
            assert "canary" not in await everything_said(at, run)

    go(check())


def test_a_number_that_is_a_secret_is_not_returned(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Quoting) as at:
            run = await at.finished(await at.start(Quoting, password=[73551977, True], how="returned"))
            assert run.result == ["(hidden)", True]

    go(check())


@pytest.mark.parametrize("name", ["missing", "../vault/smtp", "", "/etc/passwd"])
def test_a_secret_nobody_has_fails_the_run_before_it_starts(tmp_path: Path, name: str) -> None:
    async def check() -> None:
        async with desk(tmp_path, Talkative) as at:
            run = await at.finished(await at.start(Talkative, password=f"secret:{name}"))
            assert (run.state, run.reason) == (RunState.FAILED, RunReason.INVALID_PARAMETERS)
            assert f"there is no secret {name!r}" in str(run.status_text)

    go(check())


@pytest.mark.parametrize("how", ["returns", "raises", "waits"])
def test_a_workspace_is_gone_after_any_end(tmp_path: Path, how: str) -> None:
    async def check() -> None:
        async with desk(tmp_path, Folders) as at:
            run_id = await at.start(Folders, how=how)
            if how == "waits":
                await eventually(lambda: (tmp_path / "data" / "work" / str(run_id)).is_dir())
                await at.control.cancel(run_id)
            await at.finished(run_id)
            assert Folders.folder == tmp_path / "data" / "work" / str(run_id)
            await eventually(lambda: not Folders.folder.exists())

    go(check())


class Slowly(Job):
    """Fills its folder and asks to be tried again at once."""

    overlap = OverlapPolicy.ALLOW
    max_attempts = 2
    found: tuple[bool, bool] | None = None

    async def run(self, context: JobContext) -> None:
        mine = context.workspace / "mine"
        was_there = mine.exists()
        mine.write_text("x")
        if context.attempt == 1:
            raise Retry(after=timedelta(0))
        removing.set()
        await asyncio.to_thread(removed.wait, 60)
        type(self).found = (was_there, mine.exists())


def test_an_attempt_does_not_share_the_folder_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove_late(folder: Path) -> None:
        removing.wait(60)
        remove(folder)
        removed.set()

    monkeypatch.setattr(dispatcher, "remove", remove_late)

    async def check() -> None:
        async with desk(tmp_path, Slowly) as at:
            assert (await at.finished(await at.start(Slowly))).state is RunState.COMPLETED
            assert Slowly.found == (False, True)

    go(check())


def test_a_folder_replaced_by_a_link_is_removed_and_what_it_links_to_is_kept(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("x")
    (tmp_path / "link").symlink_to(elsewhere)
    remove(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(elsewhere)
    remove(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    assert (elsewhere / "file").exists()


def test_a_folder_that_cannot_be_removed_keeps_no_host_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, *_: object) -> None:
        raise PermissionError(f"{path} belongs to somebody else")

    (tmp_path / "data" / "work" / "left").mkdir(parents=True)
    monkeypatch.setattr(shutil, "rmtree", refuse)
    monkeypatch.setattr(Path, "chmod", refuse)
    assert sweep(tmp_path / "data" / "work") == 1


def test_workspaces_that_a_dead_host_left_are_swept(tmp_path: Path) -> None:
    left = tmp_path / "data" / "work" / "0190a000-0000-7000-8000-000000000000"
    (left / "deep").mkdir(parents=True)
    (left / "deep" / "file").write_text("x")
    (left.parent / "link").symlink_to(tmp_path)

    async def check() -> None:
        async with desk(tmp_path, Folders):
            assert list(left.parent.iterdir()) == []

    go(check())
    assert (tmp_path / "host.config.xml").exists()
