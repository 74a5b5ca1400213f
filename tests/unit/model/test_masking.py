"""Values of secret parameters are hidden, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from host.model.jobs import JobInfo, JobParameter
from host.model.masking import HIDDEN, entry_without_secrets, job_without_secrets, without_secrets
from host.model.runs import JobRun, RunState
from host.model.schedules import JobSchedule, ScheduleEntry

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = JobInfo(
    id=UUID(int=1),
    name="One",
    job_type="jobs:One",
    parameters=(JobParameter("days", int, default=3), JobParameter("token", str, default="hunter2", secret=True)),
    configured_parameters={"days": 5, "token": "hunter3"},
)


def a_run(parameters: dict[str, object], job_id: UUID = JOB.id) -> JobRun:
    return JobRun(
        id=UUID(int=9),
        job_id=job_id,
        job_type="jobs:One",
        state=RunState.QUEUED,
        parameters=parameters,
        created_at=NOW,
        updated_at=NOW,
    )


def test_a_run_shows_everything_but_the_secret() -> None:
    (shown,) = without_secrets([a_run({"days": 1, "token": "hunter4"})], [JOB])

    assert shown.parameters == {"days": 1, "token": HIDDEN}


def test_of_a_job_that_nobody_knows_every_value_is_hidden() -> None:
    (shown,) = without_secrets([a_run({"days": 1, "token": "hunter4"}, UUID(int=2))], [JOB])

    assert shown.parameters == {"days": HIDDEN, "token": HIDDEN}


def test_what_holds_no_secret_is_given_as_it_is() -> None:
    run = a_run({"days": 1})

    assert without_secrets([run], [JOB])[0] is run


def test_a_job_hides_configured_and_default_values() -> None:
    shown = job_without_secrets(JOB)

    assert shown.configured_parameters == {"days": 5, "token": HIDDEN}
    assert [parameter.default for parameter in shown.parameters] == [3, HIDDEN]


def test_schedules_hide_their_parameters() -> None:
    plain = JobSchedule.every(timedelta(hours=1))
    secret = JobSchedule(kind=plain.kind, interval=plain.interval, parameters={"token": "hunter5"})
    shown = entry_without_secrets(ScheduleEntry(job_type="jobs:One", schedules=(plain, secret), version="1"), JOB)

    assert [rule.parameters for rule in shown.schedules] == [None, {"token": HIDDEN}]
