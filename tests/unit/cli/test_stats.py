"""``jobhost stats`` against a host behind a real socket."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import NoReturn
from uuid import UUID

import pytest

from host.cli.stats import _brief
from host.errors import UnsupportedOperationError
from host.model.jobs import JobInfo
from host.model.runs import RunState
from tests.unit.cli.conftest import BROKEN, NOW, PRUNE, HostUnderTest, Runs, make_run

S = RunState


@pytest.fixture
def busy(host: HostUnderTest) -> HostUnderTest:
    """A host whose jobs ran every ten minutes: one well, the other failing since an hour."""
    for number in range(12):
        ended = NOW - timedelta(minutes=10 * number + 1)
        times = {"started_at": ended - timedelta(seconds=3), "finished_at": ended}
        states = ((PRUNE, S.COMPLETED), (BROKEN, S.FAILED if number < 6 else S.COMPLETED))
        for place, (job, state) in enumerate(states):
            run = make_run(10 * number + place, job, state, **times)
            host.memory.runs[run.id] = run
    return host


def test_the_worst_job_stands_first_with_its_numbers(busy: HostUnderTest) -> None:
    head, *lines = busy.printed("stats", columns=110).splitlines()
    assert head.split() == ["JOB", "RUNS", "FAILED", "RATE", "WAIT", "p50/p95", "TOOK", "p50/p95", "FAILING"]
    assert lines[0].split() == ["Broken", "12", "6", "50.0%", "-", "3.1", "s", "/", "4", "s", "6", "in", "a", "row"]
    assert lines[1].split()[:6] == ["Prune", "run", "history", "12", "0", "0.0%"]
    assert len(lines) == 2


@pytest.mark.parametrize("columns", [80, 100, 120, 200])
def test_it_fits_and_loses_no_number(busy: HostUnderTest, columns: int) -> None:
    for run in list(busy.memory.runs.values()):
        again = make_run(5000 + run.change, BROKEN, run.state, started_at=NOW - timedelta(hours=7), finished_at=NOW)
        busy.memory.runs[again.id] = again
    lines = busy.printed("stats", columns=columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in "".join(lines)
    assert "FAILING" in lines[0]


def test_a_wide_terminal_shows_the_last_steps(busy: HostUnderTest) -> None:
    lines = [line.rstrip() for line in busy.printed("stats", "--step", "10m", columns=160).splitlines()]
    assert lines[0].endswith("LAST")
    assert lines[1].endswith("·" * 12 + "█" * 6 + "✗" * 6)
    assert lines[2].endswith("·" * 12 + "█" * 12)
    assert "✗" in busy.printed("stats", columns=160)
    assert "LAST" not in busy.printed("stats", columns=110)


def test_one_job_is_shown_even_if_it_did_not_run(busy: HostUnderTest) -> None:
    assert len(busy.printed("stats", "Broken").splitlines()) == 2
    busy.memory.runs.clear()
    assert busy.printed("stats", "Broken", columns=110).splitlines()[1].split() == ["Broken", "0", "0", *"----"]
    assert busy.printed("stats") == "no run has ended in this time\n"
    assert busy("stats", "Unknown").exit_code == 3


def test_since_narrows(busy: HostUnderTest) -> None:
    assert busy.printed("stats", "Broken", "--since", "55m", columns=110).splitlines()[1].split()[1:4] == [
        "6",
        "6",
        "100.0%",
    ]
    assert busy("stats", "--since", "yesterday").exit_code == 2
    for step in ("0s", "90s", "soon"):
        assert busy("stats", "--step", step).exit_code == 2


def test_json_gives_the_values_and_the_steps_where_asked(busy: HostUnderTest) -> None:
    plain = json.loads(busy.printed("stats", "Broken", "--json"))
    (line,) = plain
    assert (line["name"], line["job_type"], line["failing"]) == ("Broken", BROKEN.job_type, 6)
    assert line["total"]["by_state"] == {"failed": 6, "completed": 6}
    assert sum(line["total"]["durations"]["counts"]) == 12
    assert line["total"]["durations"]["total"] == "PT36S"
    assert line["steps"] == []
    (line,) = json.loads(busy.printed("stats", "Broken", "--json", "--step", "1h"))
    assert sum(sum(step["by_state"].values()) for step in line["steps"]) == 12
    assert len(line["steps"]) > 1


def test_a_job_registered_no_more_is_told_by_its_id(busy: HostUnderTest) -> None:
    gone = JobInfo(id=UUID(int=77), name="gone", job_type="gone:Gone")
    run = make_run(900, gone, S.FAILED, finished_at=NOW)
    busy.memory.runs[run.id] = run
    assert str(gone.id) in busy.printed("stats", columns=200)
    (line,) = [line for line in json.loads(busy.printed("stats", "--json")) if line["job_id"] == str(gone.id)]
    assert line["job_type"] is None


def test_the_upstream_that_has_no_statistics_is_named(busy: HostUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> NoReturn:
        raise UnsupportedOperationError("it cannot tell what became of earlier runs")

    monkeypatch.setattr(Runs, "failing", refuse)
    assert busy.printed("stats", "Broken", columns=110).splitlines()[1].split()[-1] == "-"
    assert json.loads(busy.printed("stats", "Broken", "--json"))[0]["failing"] is None
    monkeypatch.setattr(Runs, "statistics", refuse)
    result = busy("stats")
    assert result.exit_code == 4
    for part in ("SqliteJobRunStore has no statistics", "earlier runs", "c.xml:7", "jobhost jobs list"):
        assert part in result.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.0123, "12 ms"),
        (0.45, "450 ms"),
        (2.34, "2.3 s"),
        (59, "59 s"),
        (90, "1.5 min"),
        (7200, "2 h"),
        (86_400 * 3.5, "3.5 d"),
        (86_400 * 400, "400 d"),
    ],
)
def test_lengths_are_told_to_two_digits(seconds: float, text: str) -> None:
    assert _brief(timedelta(seconds=seconds)) == text
