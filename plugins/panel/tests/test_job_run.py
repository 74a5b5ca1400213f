"""Running a job by hand: the form, what is wrong with it, and the run that comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.jobs import RunControl
from host.errors import UnsupportedOperationError
from host.model.runs import JobRun, RunState
from plugins.panel.tests.panel_jobs import JOBS, Hostile, Plain, Typed
from plugins.panel.tests.panelhost import PanelHost, panel_host

PATH = f"/jobs/{Typed.id}/run"
GOOD = {
    "p.place": "Praha",
    "p.rows": "20",
    "p.share": "0.25",
    "p.format": '"json"',
    "p.quick": "true",
    "p.sure": "",
    "p.since": "2026-07-01T12:30",
    "p.rules": '{"b": [1, 2.5, null]}',
    "p.note": "line\r\nline",
    "p.key": "",
    "tenant": "default",
}


def check(tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]]) -> None:
    async def run() -> None:
        zone = '<section xsi:type="SchedulerConfigurationSection" timezone="Europe/Prague" />'
        async with panel_host(tmp_path, jobs=JOBS, sections=zone) as web:
            await body(web)

    asyncio.run(run())


async def the_run(web: PanelHost) -> JobRun:
    (run,) = (await web.kit.runs.runs()).runs
    return run


@pytest.mark.slow
def test_the_form_asks_for_each_parameter_by_its_type(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = (await web.open(PATH)).text
        for part in (
            'name="p.place" value="" autocomplete="off" required',
            'type="number" step="1" min="1" max="100"',
            'type="number" step="any"',
            '<option value="&#34;csv&#34;" selected>csv</option>',
            'role="switch" id="p4" name="p.quick" value="true" checked',
            '<option value="" selected>As the job decides</option>',
            'type="datetime-local"',
            "&#34;a&#34;: 1",
            'type="password"',
            "Time in Europe/Prague.",
        ):
            assert part in page, part
        assert "s3cret-default" not in page
        assert "takes no parameters" in (await web.open(f"/jobs/{Plain.id}/run")).text
        assert (await web.open(PATH, "reader")).status_code == 403
        assert "&lt;/textarea&gt;" in (await web.open(f"/jobs/{Hostile.id}/run")).text

    check(tmp_path, body)


@pytest.mark.slow
def test_what_was_entered_becomes_a_run_and_a_toast_leads_to_it(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        options = {"priority": "7", "timeout": "1 h 30 min", "hold": "true", "tenant": "north"}
        answer = await web.send(PATH, GOOD | options, "operator")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs/{Typed.id}")
        run = await the_run(web)
        assert run.parameters == {
            "place": "Praha",
            "rows": 20,
            "share": 0.25,
            "format": "json",
            "quick": True,
            "sure": None,
            "since": "2026-07-01T12:30:00+02:00",
            "rules": {"b": [1, 2.5, None]},
            "note": "line\nline",
            "key": "s3cret-default",
        }
        assert (run.owner, run.priority, run.tenant, run.state) == ("operator", 7, "north", RunState.PENDING)
        assert run.timeout == timedelta(minutes=90)
        page = (await web.open(f"/jobs/{Typed.id}", "operator")).text
        assert "A run of Typed work was submitted." in page
        assert f'href="/runs/{run.id}"' in page
        again = (await web.open(f"{PATH}?from={run.id}")).text
        assert 'value="Praha"' in again
        assert 'value="2026-07-01T12:30:00"' in again
        assert "s3cret" not in again

    check(tmp_path, body)


@pytest.mark.slow
def test_everything_wrong_is_told_beside_its_field_and_secrets_are_not_kept(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        bad = {
            "p.place": "",
            "p.rows": "1000",
            "p.share": "much",
            "p.since": "yesterday",
            "p.rules": "{nope",
            "p.note": "kept <i>",
            "p.key": "typed-s3cret",
            "priority": "99999999999",
            "timeout": "soon",
            "not_before": "2027-03-28T02:30",
            "expires_at": "2001-01-01T00:00",
        }
        answer = await web.send(PATH, GOOD | bad)
        assert answer.status_code == 422
        for said in (
            "Is required (string).",
            "Must be at most 100.",
            "Must be of type number",
            "This is no date and time",
            "This is not JSON",
            "This is no whole number",
            "This is no duration",
            "This time does not exist in Europe/Prague",
            "This must be later than now.",
            "kept &lt;i&gt;",
            'value="1000"',
        ):
            assert said in answer.text, said
        assert "typed-s3cret" not in answer.text
        assert (await web.kit.runs.runs()).runs == ()

    check(tmp_path, body)


@pytest.mark.slow
def test_where_no_run_is_told_the_job_is_only_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unable(*_: object, **__: object) -> object:
        raise UnsupportedOperationError("which run it became is not told")

    async def body(web: PanelHost) -> None:
        control = web.kit.get(RunControl)
        submit = control.submit
        calls = []

        async def first_unable(submissions: object, **__: object) -> object:
            calls.append(submissions)
            return await (unable() if len(calls) == 1 else submit(submissions))  # type: ignore[arg-type]

        monkeypatch.setattr(control, "submit", first_unable, raising=False)
        assert (await web.send(f"/jobs/{Plain.id}/run", {"back": "/jobs"})).status_code == 303
        assert (await the_run(web)).owner == "administrator"
        monkeypatch.setattr(control, "submit", unable, raising=False)
        answer = await web.send(f"/jobs/{Plain.id}/run", {"hold": "true"})
        assert answer.status_code == 409
        assert "which run it became is not told" in answer.text

    check(tmp_path, body)
