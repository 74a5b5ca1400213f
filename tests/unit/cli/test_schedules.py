"""``jobhost schedule``: setting schedules on a host, and looking at fire times without one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, time, timedelta
from uuid import UUID

import pytest
from click.testing import CliRunner

from host.cli.main import root
from host.model.runs import RunState
from host.model.schedules import CronDialect, IntervalMode, JobSchedule, MisfirePolicy, Weekday, schedule_ids
from tests.unit.cli.conftest import BROKEN, NOW, PRUNE, HostUnderTest, make_run


def next_times(*arguments: str) -> list[dict[str, str | None]]:
    result = CliRunner().invoke(root, ["schedule", "next", *arguments, "--json"], env={"JOBHOST_DATA": None})
    assert result.exit_code == 0, result.output
    times: list[dict[str, str | None]] = json.loads(result.stdout)
    return times


def test_next_by_flags_needs_no_host_and_has_exactly_this_form() -> None:
    flags = ("--cron", "30 2 * * *", "--timezone", "Europe/Prague", "--from", "2026-03-28T00:00:00Z", "--count", "2")
    assert next_times(*flags) == [
        {"fire_time": "2026-03-28T01:30:00Z", "local": "2026-03-28T02:30:00+01:00", "note": None},
        {
            "fire_time": "2026-03-29T01:00:00Z",
            "local": "2026-03-29T03:00:00+02:00",
            "note": "02:30 does not exist on this day (clocks go forward); runs at 03:00",
        },
    ]


def test_next_without_a_zone_is_utc() -> None:
    (first,) = next_times("--weekly", "Sun", "--at", "23:00", "--from", "2026-01-01T00:00Z", "--count", "1")
    assert first == {"fire_time": "2026-01-04T23:00:00Z", "local": "2026-01-04T23:00:00Z", "note": None}


def test_a_from_without_offset_is_wall_time_in_the_schedules_zone() -> None:
    (first,) = next_times("--every", "1h", "--timezone", "Asia/Tokyo", "--from", "2026-01-01T00:00", "--count", "1")
    assert first["local"] == "2026-01-01T01:00:00+09:00"


def test_next_of_a_schedule_that_is_over_is_empty() -> None:
    assert next_times("--once", "2020-01-01T00:00:00Z") == []
    result = CliRunner().invoke(root, ["schedule", "next", "--once", "2020-01-01T00:00:00Z"])
    assert result.stdout.endswith("it never fires\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give a JOB, or say when"),
        (("JOB", "--every", "1h"), "give a JOB, or say when"),
        (("--every", "1h", "--cron", "* * * * *"), "give only one of"),
        (("--weekly", "Mon"), "--weekly and --at go together"),
        (("--cron", "* * * * *", "--at", "23:00"), "--weekly and --at go together"),
        (("--cron", "* * * * *", "--fixed-delay"), "--fixed-delay goes with --every"),
        (("--once", "2026-01-01", "--start", "2026-01-01"), "leave out --start"),
        (("--weekly", "Mon", "--at", "23:00", "--start", "2026-01-01T05:00"), "is a day; its time is --at"),
        (("--every", "soon"), "is no duration"),
        (("--weekly", "Mon,Xyz", "--at", "23:00"), "is no list of days"),
        (("--weekly", "Mon", "--at", "25:00"), "is no time of day"),
        (("--once", "tomorrow"), "is no time"),
        (("--every", "1h", "--dialect", "cis"), "--dialect goes with --cron"),
    ],
)
def test_flags_that_make_no_schedule_are_refused(arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(root, ["schedule", "next", *arguments])
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


def test_a_schedule_that_can_never_work_is_exit_2() -> None:
    for flags in (("--cron", "0 0 31 2 *"), ("--cron", "nonsense"), ("--every", "1h", "--timezone", "Mars/Olympus")):
        result = CliRunner().invoke(root, ["schedule", "next", *flags])
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("flags", "schedule"),
    [
        (("--cron", "0 3 * * *", "--timezone", "UTC"), JobSchedule.cron("0 3 * * *", timezone="UTC")),
        (("--every", "1h30m"), JobSchedule.every(timedelta(minutes=90))),
        (
            ("--every", "PT15M", "--fixed-delay", "--max-count", "3"),
            JobSchedule.every(timedelta(minutes=15), mode=IntervalMode.FIXED_DELAY, max_count=3),
        ),
        (
            ("--weekly", "tue,Monday", "--at", "23:00"),
            JobSchedule.weekly([Weekday.MONDAY, Weekday.TUESDAY], time(23)),
        ),
        (
            ("--weekly", "daily", "--at", "04:30", "--start", "2026-02-01"),
            JobSchedule.weekly(Weekday, datetime(2026, 2, 1, 4, 30)),
        ),
        (("--once", "2099-03-29T02:30"), JobSchedule.once(datetime(2099, 3, 29, 2, 30))),
        (
            ("--cron", "0 3 * * *", "--jitter", "5m", "--misfire", "skip", "--stop", "2099-01-01"),
            JobSchedule(
                kind=JobSchedule.cron("x").kind,
                expression="0 3 * * *",
                jitter=timedelta(minutes=5),
                misfire=MisfirePolicy.SKIP,
                stop=datetime(2099, 1, 1),
            ),
        ),
        (
            ("--cron", "H 5 13 * 5", "--dialect", "cis", "--misfire", "all", "--misfire-window", "2h", "--id", "mine"),
            replace(
                JobSchedule.cron("H 5 13 * 5", dialect=CronDialect.CIS),
                misfire=MisfirePolicy.ALL,
                misfire_window=timedelta(hours=2),
                id="mine",
            ),
        ),
    ],
)
def test_set_replaces_the_schedules(host: HostUnderTest, flags: tuple[str, ...], schedule: JobSchedule) -> None:
    text = host.printed("schedule", "set", "Broken", *flags)
    assert host.memory.schedules[BROKEN.job_type].schedules == (schedule,)
    assert text.startswith("Broken runs ")
    assert "The next 5 fire times" in text


def test_add_keeps_what_there_was_and_shows_before_and_now(host: HostUnderTest) -> None:
    host.printed("schedule", "set", "Broken", "--cron", "0 3 * * *")
    text = host.printed("schedule", "set", "Broken", "--cron", "0 4 * * *", "--add")
    assert [rule.expression for rule in host.memory.schedules[BROKEN.job_type].schedules] == ["0 3 * * *", "0 4 * * *"]
    before, now = text.splitlines()[4].split("  ")[:2]
    assert "03:00:00" in before
    assert ":00:00" in now


def test_set_with_json_gives_the_entry(host: HostUnderTest) -> None:
    entry = json.loads(host.printed("schedule", "set", "Broken", "--every", "2h", "--json"))
    assert (entry["job_type"], entry["schedules"][0]["interval"]) == (BROKEN.job_type, "PT7200S")


def test_list_show_and_next_of_a_job_use_the_hosts_zone(host: HostUnderTest) -> None:
    assert host.printed("schedule", "list") == "no job has a schedule\n"
    host.printed("schedule", "set", "Broken", "--cron", "0 3 * * *")
    assert "at 03:00 every day" in host.printed("schedule", "list")
    assert [entry["job_type"] for entry in json.loads(host.printed("schedule", "list", "Broken", "--json"))] == [
        "demo:Broken"
    ]
    text = host.printed("schedule", "show", "Broken")
    assert "Broken  demo:Broken  from xcron.xml:3" in text
    assert "Europe/Prague (the host's)" in text
    assert json.loads(host.printed("schedule", "show", "Broken", "--json"))["version"] == "+"
    flags = ("--from", "2026-07-01T00:00Z", "--count", "1", "--json")
    assert json.loads(host.printed("schedule", "next", "Broken", *flags)) == [
        {"fire_time": "2026-07-01T01:00:00Z", "local": "2026-07-01T03:00:00+02:00", "note": None}
    ]


def test_clear_leaves_an_empty_entry(host: HostUnderTest) -> None:
    host.printed("schedule", "set", "Broken", "--every", "2h")
    assert host.printed("schedule", "clear", "Broken") == "Broken has no schedule any more\n"
    assert host.memory.schedules[BROKEN.job_type].schedules == ()
    assert "has no schedule" in host.printed("schedule", "show", "Broken")


def test_set_needs_to_know_when(host: HostUnderTest) -> None:
    result = host("schedule", "set", "Broken")
    assert result.exit_code == 2
    assert "say when" in result.stderr


def test_a_dry_run_shows_what_would_be_and_changes_nothing(host: HostUnderTest) -> None:
    text = host.printed("schedule", "set", "Broken", "--cron", "0 3 * * *", "--dry-run")
    assert text.startswith("Broken would run cron 0 3 * * *")
    assert "BEFORE  THEN" in text
    assert host.memory.schedules == {}
    entry = json.loads(host.printed("schedule", "set", "Broken", "--every", "1h", "--dry-run", "--json"))
    assert len(entry["schedules"]) == 1
    assert host("schedule", "set", "Broken", "--cron", "nonsense", "--dry-run").exit_code == 2


def test_parameters_of_a_schedule_are_read_by_their_types_and_secrets_stay_hidden(host: HostUnderTest) -> None:
    flags = ("--every", "1h", "--param", "days=3", "--json-param", 'token="hunter2"')
    said = host.printed("schedule", "set", PRUNE.name, *flags, "--json")
    (rule,) = host.memory.schedules[PRUNE.job_type].schedules
    assert rule.parameters == {"days": 3, "token": "hunter2"}
    shown = (said, host.printed("schedule", "show", PRUNE.name), host.printed("schedule", "show", PRUNE.name, "--json"))
    for text in (*shown, host.printed("schedule", "list", "--json")):
        assert "hunter2" not in text
        assert "***" in text


def test_parameters_no_run_could_have_are_refused_before_anything_changes(host: HostUnderTest) -> None:
    result = host("schedule", "set", PRUNE.name, "--every", "1h", "--param", "days=0")
    assert result.exit_code == 2
    assert "days" in result.stderr
    assert host.memory.schedules == {}


def test_one_schedule_is_removed_by_number_or_id(host: HostUnderTest) -> None:
    for hour in (3, 4, 5):
        host.printed("schedule", "set", "Broken", "--cron", f"0 {hour} * * *", "--add")
    text = host.printed("schedule", "remove", "Broken", "2")
    assert "NOW" in text
    rules = host.memory.schedules[BROKEN.job_type].schedules
    assert [rule.expression for rule in rules] == ["0 3 * * *", "0 5 * * *"]
    first, _ = schedule_ids(BROKEN.job_type, rules)
    host.printed("schedule", "remove", "Broken", first.hex[-8:], "--dry-run")
    assert len(host.memory.schedules[BROKEN.job_type].schedules) == 2
    host.printed("schedule", "remove", "Broken", str(first))
    assert "by no schedule" in host.printed("schedule", "remove", "Broken", "1")
    assert host.memory.schedules[BROKEN.job_type].schedules == ()
    result = host("schedule", "remove", "Broken", "1")
    assert (result.exit_code, "has 0 schedules" in result.stderr) == (3, True)


def test_a_schedule_is_paused_by_the_id_the_list_shows(host: HostUnderTest) -> None:
    host.printed("schedule", "set", "Broken", "--cron", "0 3 * * *")
    (identity,) = schedule_ids(BROKEN.job_type, host.memory.schedules[BROKEN.job_type].schedules)
    short = host.printed("schedule", "list").splitlines()[1].split()[0]
    assert host.printed("schedule", "pause", short, "--reason", "moving") == "paused Broken, schedule 1\n"
    assert host.memory.pauses == {f"schedule:{identity}": "moving"}
    assert "PAUSED" in host.printed("schedule", "list")
    assert "moving" in host.printed("schedule", "show", "Broken")
    assert "Broken, schedule 1" in host.printed("jobs", "pauses")
    assert host.printed("schedule", "resume", short) == "resumed Broken, schedule 1\n"
    assert "is not paused" in host.printed("schedule", "resume", str(identity))


def test_the_pause_of_a_schedule_that_is_gone_can_be_ended_by_its_full_id(host: HostUnderTest) -> None:
    host.memory.pauses[f"schedule:{UUID(int=4)}"] = "old"
    assert host("schedule", "pause", str(UUID(int=4)), "--reason", "x").exit_code == 3
    assert host("schedule", "resume", "0004").exit_code == 3
    assert host.printed("schedule", "resume", str(UUID(int=4))).startswith("resumed ")
    assert host.memory.pauses == {}


def test_an_interval_is_counted_from_the_last_fire_time(host: HostUnderTest) -> None:
    host.printed("schedule", "set", "Broken", "--every", "1h")
    assert "within 1 h" in host.printed("schedule", "list")
    (identity,) = schedule_ids(BROKEN.job_type, host.memory.schedules[BROKEN.job_type].schedules)
    fired = make_run(1, BROKEN, RunState.COMPLETED, schedule_id=identity, fire_time=NOW - timedelta(minutes=150.5))
    host.memory.runs[fired.id] = fired
    assert "in 29 min" in host.printed("schedule", "list")
