"""Every screen of the panel, each in the forms that it takes, with what it must show."""

from __future__ import annotations

from dataclasses import dataclass

from host.model.security import Policy

READ, START = Policy.READ_SYSTEM_JOBS, Policy.START_SYSTEM_JOB
ADMINISTER = Policy.UNRESTRICTED_ADMINISTRATION


@dataclass(frozen=True, slots=True)
class Screen:
    """One page in one of its forms.

    On each of them: nothing on the console, no request to another origin, nothing that the content security policy had
    to stop, no layout shift, no axe violation in light and dark, nothing that scrolls sideways at 360 px, no canary
    alive, no secret. Somebody who may only read sees the same texts and no form that changes anything, also without
    scripts; or is refused, where ``demands`` is more than reading.
    """

    name: str
    path: str
    """With ``{runs[…]}`` and ``{jobs[…]}`` for the ids of the demo host."""
    shows: tuple[str, ...] = ()
    canaries: tuple[str, ...] = ()
    """Fields whose hostile texts stand on the page as text."""
    demands: Policy = READ
    needs: tuple[str, ...] = ()
    """What it shows beside that with scripts, or to those who may do something."""
    is_local: bool = False
    """Whether it is left out in the walk through a host that only forwards."""
    status: int = 200


SCREENS = (
    Screen(
        "overview",
        "/",
        shows=("Needs attention", "Next fire times", "Throughput", "Running now"),
        canaries=("reason",),
    ),
    Screen(
        "jobs",
        "/jobs",
        shows=("Add numbers", "Add two numbers, and say so.", "never run", "Paused"),
        canaries=("name", "description"),
    ),
    Screen("jobs-failing", "/jobs?show=failing", shows=("Fail",), is_local=True),
    Screen("jobs-by-plugin", "/jobs?group=plugin", shows=("panel_demo", "maintenance"), is_local=True),
    Screen("jobs-none", "/jobs?q=nothing+like+it", shows=("No such job",), is_local=True),
    Screen("jobs-add", "/jobs/add", shows=("Newcomer",)),
    Screen("job", "/jobs/{jobs[Adds]}", shows=("Add numbers", "How it runs", "Latest runs", "the sum is 21")),
    Screen("job-offered", "/jobs/{jobs[Unregistered]}", shows=("This job is not registered.",)),
    Screen("job-scheduled", "/jobs/{jobs[Scheduled]}", shows=("Europe/Prague", "⚠"), canaries=("reason", "pauser")),
    Screen("job-hostile", "/jobs/{jobs[Hostile]}", canaries=("name", "description", "parameter", "status", "owner")),
    Screen("job-statistics", "/jobs/{jobs[Adds]}/statistics", shows=("Last 7 days", "Last 30 days"), is_local=True),
    Screen(
        "job-run",
        "/jobs/{jobs[TakesAll]}/run",
        shows=("password", "Options"),
        canaries=("hint", "choice"),
        demands=START,
    ),
    Screen(
        "job-run-again",
        "/jobs/{jobs[Hostile]}/run?from={runs[hostile]}",
        canaries=("name", "parameter", "value", "odd-value"),
        demands=START,
        is_local=True,
    ),
    Screen("schedules", "/jobs/{jobs[Scheduled]}/schedules", shows=("Europe/Prague", "⚠"), needs=("Remove",)),
    Screen("schedules-none", "/jobs/{jobs[Fails]}/schedules", shows=("No schedule",), is_local=True),
    Screen("schedules-interval", "/jobs/{jobs[Adds]}/schedules?add=interval", needs=("New schedule", "Next 20")),
    Screen("schedules-calendar", "/jobs/{jobs[Adds]}/schedules?add=calendar", needs=("Days",), is_local=True),
    Screen("schedules-cron", "/jobs/{jobs[Adds]}/schedules?add=cron", needs=("Expression",), is_local=True),
    Screen("schedules-once", "/jobs/{jobs[Adds]}/schedules?add=once", needs=("Not yet a schedule",), is_local=True),
    Screen(
        "schedules-edit",
        "/jobs/{jobs[Scheduled]}/schedules?edit=3",
        needs=("Edit the schedule", "Next 20", "⚠"),
        is_local=True,
    ),
    Screen(
        "runs",
        "/runs",
        shows=("Add numbers", "Completed", "Failed", "Quarantined", "Skipped", "Stuck", "waiting"),
        canaries=("name", "status", "owner"),
    ),
    Screen("runs-filtered", "/runs?state=failed&tenant=clinic", shows=("Fail", "Clear all")),
    Screen("runs-none", "/runs?tenant=nobody", shows=("No run passes this filter",), is_local=True),
    Screen("runs-bulk", "/runs/bulk?action=cancel&job=Wait+alone", shows=("Cancel 2 runs?",), demands=START),
    Screen(
        "run-completed",
        "/runs/{runs[completed]}",
        shows=("Completed", "the sum is 21", "adding  left=20 right=1"),
        needs=("Run again", "Change and run"),
    ),
    Screen("run-failed", "/runs/{runs[failed]}", shows=("Failed", "ValueError", "Traceback", "of libraries")),
    Screen(
        "run-hostile",
        "/runs/{runs[hostile]}",
        canaries=("name", "error", "log", "field", "value", "parameter", "tenant", "owner", "key"),
    ),
    Screen(
        "run-hostile-running", "/runs/{runs[hostile-running]}", shows=("50 %",), canaries=("status",), is_local=True
    ),
    Screen("run-running", "/runs/{runs[running]}", shows=("Running", "25 %", "waiting", "begun"), needs=("Cancel",)),
    Screen(
        "run-stuck",
        "/runs/{runs[ignores]}",
        shows=("Stuck", "It ignores its cancellation"),
        canaries=("canceller",),
        is_local=True,
    ),
    Screen("run-held", "/runs/{runs[held]}", shows=("Pending",), needs=("Release", "Change while it waits")),
    Screen("run-later", "/runs/{runs[later]}", shows=("Scheduled",), is_local=True),
    Screen("run-between-attempts", "/runs/{runs[retries]}", shows=("Scheduled", "not yet", "1 of 3"), is_local=True),
    Screen("run-quarantined", "/runs/{runs[quarantined]}", shows=("Quarantined", "crashes", "process")),
    Screen("run-skipped", "/runs/{runs[skipped]}", shows=("Skipped", "overlap"), is_local=True),
    Screen("run-cancelled", "/runs/{runs[stopped]}", shows=("Cancelled", "requested"), is_local=True),
    Screen("run-chatter", "/runs/{runs[chatter]}", shows=("line 1500",)),
    Screen("run-secret", "/runs/{runs[secret]}", shows=("***",)),
    Screen("providers", "/providers", shows=("panel_demo", "Executors", "Paused", "Every schedule")),
    Screen("providers-reload", "/providers/reload", shows=("No differences",), demands=ADMINISTER),
    Screen("audit", "/audit", shows=("jobhost", "By way of"), demands=ADMINISTER),
    Screen("audit-none", "/audit?text=nothing-like-it", shows=("No event passes",), demands=ADMINISTER, is_local=True),
    Screen("search", "/search?q=numbers", shows=("Add numbers",)),
    Screen("search-hostile", "/search?q=canary", canaries=("name", "error"), is_local=True),
    Screen("search-none", "/search?q=nothing+like+it", shows=("Nothing found",), is_local=True),
    Screen("not-found", "/jobs/none-of-these", shows=("There is nothing here", "Request"), status=404),
)
