"""What odd, hostile and unlucky requests come to: an answer that says what is wrong, never a failure of the host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from host.contracts.clock import Clock
from host.contracts.host import HostControl
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.runs import JobRunReader
from host.contracts.security import AuditTrail
from host.errors import UpstreamUnavailableError
from host.model.runs import AttemptError, JobRun, RunState
from host.model.schedules import JobSchedule, ScheduleKind, schedule_ids
from host.model.submissions import RunSubmission
from host.testing.clock import FakeClock
from host_panel.cookies import LONGEST_COOKIE
from host_panel.desk import Desk
from host_panel.requests import FORM_FIELD
from plugins.panel.tests.panel_jobs import Plain, Waiting
from plugins.panel.tests.panelhost import PASSWORD, PanelHost, panel_host

pytestmark = pytest.mark.slow
EVERYWHERE = ("/", "/jobs", "/runs", "/providers", "/audit", "/search?q=work", f"/jobs/{Plain.id}/schedules")


def check(tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]], *, clock: Clock | None = None) -> None:
    async def run() -> None:
        async with panel_host(tmp_path, jobs=(Plain, Waiting), clock=clock) as web:
            await body(web)

    asyncio.run(run())


def test_the_way_back_may_hold_any_letter(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.client("administrator")
        answer = await web.send("/theme", {"theme": "dark", "back": "/jobs?q=日本 x"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/jobs?q=%E6%97%A5%E6%9C%AC%20x")
        page = (await web.open("/jobs/Plain%20work%3F%23/schedules?a=b")).text
        assert 'name="back" value="/jobs/Plain%20work%3F%23/schedules?a=b"' in page

    check(tmp_path, body)


def test_what_is_no_form_of_the_panel_is_refused(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        client = await web.client("administrator")
        assert (await web.send("/theme", {f"f{number}": "x" for number in range(2000)})).status_code == 400
        token = next(value for name, value in client.cookies.items() if name.endswith("-form"))
        files = {FORM_FIELD: (None, token), "theme": ("x.txt", b"dark")}
        assert (await client.post("/theme", files=files)).status_code == 400
        for kind in ("multipart/form-data", "multipart/form-data; boundary=a"):
            answer = await client.post("/theme", content=b"xxxx", headers={"Content-Type": kind})
            assert answer.status_code == 400, kind

    check(tmp_path, body)


def test_a_message_that_is_too_much_for_a_cookie_is_told_without_undo(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.client("operator")
        await web.send(f"/jobs/{Plain.id}/pause", {"reason": "暫" * 1000}, "operator")
        answer = await web.send(f"/jobs/{Plain.id}/resume", {"back": "/jobs?q=" + "x" * 1900}, "operator")
        assert max(len(value) for value in answer.headers.get_list("set-cookie")) < LONGEST_COOKIE
        page = (await web.open("/jobs", "operator")).text
        assert "Job Plain work is resumed." in page
        assert ">Undo<" not in page

    check(tmp_path, body)


def test_signing_in_as_somebody_else_lasts_and_what_is_kept_for_ever_holds_no_sign_in(tmp_path: Path) -> None:
    clock = FakeClock()

    async def body(web: PanelHost) -> None:
        await web.client("reader")
        client = await web.client("administrator")
        clock.move(40 * 60)  # more than half of a token's life: the next page brings a new one
        assert "-access=" not in (await web.open("/assets/x/panel.css")).headers.get("set-cookie", "")
        answer = await web.send("/sign-in", {"name": "reader", "password": PASSWORD})
        assert [value.partition("=")[0].rpartition("-")[2] for value in answer.headers.get_list("set-cookie")] == [
            "access",
            "refresh",
        ]
        assert (await client.get("/audit")).status_code == 403
        clock.move(40 * 60)
        assert "-access=" in (await web.open("/runs")).headers["set-cookie"]

    check(tmp_path, body, clock=clock)


def test_pages_stand_while_nobody_knows_the_zone_of_schedules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(web: PanelHost) -> None:
        control = web.kit.get(HostControl)
        known = control.status

        async def unknown() -> object:
            return replace(await known(), timezone="")

        await web.kit.perform("Plain")
        monkeypatch.setattr(control, "status", unknown, raising=False)
        for path in (*EVERYWHERE, "/audit?since=2026-01-01T00:00"):
            answer = await web.open(path)
            assert answer.status_code == 200, path
        assert "not known yet" in (await web.open("/providers")).text

    check(tmp_path, body)


def test_only_what_was_read_is_read_again_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(*_: object, **__: object) -> object:
        raise UpstreamUnavailableError("no answer")

    async def body(web: PanelHost) -> None:
        await web.client("operator")
        jobs = web.kit.get(JobManagerService)
        monkeypatch.setattr(jobs, "jobs", lost, raising=False)
        monkeypatch.setattr(jobs, "register_job", lost, raising=False)
        page = await web.open("/jobs", "operator")
        assert (page.status_code, "data-retry" in page.text) == (503, True)
        sent = await web.send("/jobs", {"job": "x"}, "administrator")
        assert (sent.status_code, "data-retry" in sent.text) == (503, False)

    check(tmp_path, body)


def test_what_does_not_work_as_things_are_is_told_where_it_was_tried(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        run = await web.kit.perform("Plain")
        for path, fields in (
            ("cancel", {}),
            ("release", {}),
            ("amend", {"priority": "9" * 1900}),
            ("amend", {"not_before": "9999-12-31T23:59-23:00"}),
        ):
            answer = await web.send(f"/runs/{run.id}/{path}", fields, "operator")
            assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{run.id}"), path
            assert "toast-line bad" in (await web.open(f"/runs/{run.id}", "operator")).text, path
        event = (await web.kit.get(AuditTrail).events()).events[0]
        assert "beyond what can be reckoned with" in event.detail["not done"]

    check(tmp_path, body)


def test_a_schedule_is_paused_only_under_its_own_job(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        jobs = web.kit.get(JobManagerService)
        entry = await jobs.set_job_schedule(str(Plain.id), [JobSchedule.cron("0 3 * * *")])
        [identity] = schedule_ids(entry.job_type, entry.schedules)
        for path in ("schedules/pause", "schedules/resume"):
            answer = await web.send(f"/jobs/{Waiting.id}/{path}", {"id": str(identity)}, "operator")
            assert answer.status_code == 404
        assert (await web.kit.get(HostControl).status()).pauses == ()

    check(tmp_path, body)


def test_a_stored_schedule_that_cannot_be_read_is_told_and_the_rest_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(web: PanelHost) -> None:
        jobs = web.kit.get(JobManagerService)
        entry = await jobs.set_job_schedule(str(Plain.id), [JobSchedule.cron("0 3 * * *")])
        later = JobSchedule(kind=ScheduleKind.CRON, expression="0 3 * * *", timezone="Mars/Olympus")
        wrong = JobSchedule(kind=ScheduleKind.CRON, expression="at dawn")

        async def unreadable(*_: object) -> object:
            return replace(entry, schedules=(*entry.schedules, later, wrong))

        monkeypatch.setattr(jobs, "get_job_schedules", unreadable, raising=False)
        for path in (f"/jobs/{Plain.id}", f"/jobs/{Plain.id}/schedules", f"/jobs/{Plain.id}/schedules?edit=2", "/jobs"):
            answer = await web.open(path)
            assert answer.status_code == 200, path
            assert "03:00" in answer.text, path
        assert "Mars/Olympus" in (await web.open(f"/jobs/{Plain.id}/schedules")).text

    check(tmp_path, body)


def test_a_run_that_nobody_offers_any_more_with_a_hundred_errors_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(web: PanelHost) -> None:
        [run_id] = await web.kit.get(RunControl).submit([RunSubmission(job=str(Plain.id), hold=True)])
        runs = web.kit.get(JobRunReader)
        kept = await runs.run(run_id)
        assert kept is not None
        errors = tuple(
            AttemptError(
                at=kept.created_at, node="n", error=f"fault {number}.", traceback="x" * 100_000, attempt=number
            )
            for number in range(100)
        )
        foreign = replace(
            kept, job_id=uuid4(), job_type="gone:Job", state=RunState.FAILED, errors=errors, result="y" * 1_000_000
        )

        async def told(_: UUID) -> JobRun:
            return foreign

        monkeypatch.setattr(runs, "run", told, raising=False)
        page = (await web.open(f"/runs/{run_id}")).text
        assert len(page) < 1_000_000
        assert "nobody offers this job any more" in page
        assert f"/jobs/{foreign.job_id}" not in page
        assert "90 earlier attempts failed too" in page
        assert page.index("fault 99.") < page.index("fault 90.") < page.index("fault 89.") < page.index("fault 0.")

    check(tmp_path, body)


def test_a_host_without_audit_trail_says_how_to_have_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Desk.__post_init__

    def without_trail(desk: Desk) -> None:
        made(desk)
        desk.audit = None

    async def body(web: PanelHost) -> None:
        assert "This host keeps no audit trail" in (await web.open("/audit")).text

    monkeypatch.setattr(Desk, "__post_init__", without_trail)

    check(tmp_path, body)


def test_a_form_that_was_answered_with_its_errors_may_be_loaded_again(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        assert (await web.send("/pauses", {"reason": ""}, "operator")).status_code == 422
        assert (await web.open("/pauses", "operator")).headers["location"] == "/providers"

    check(tmp_path, body)
