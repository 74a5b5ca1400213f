"""What a person does with jobs of an upstream, through a host that forwards."""

from __future__ import annotations

from plugins.panel.tests.browser.actions import Action
from plugins.panel.tests.browser.steps import (
    confirms,
    fills,
    follows,
    hears_of,
    is_told,
    keys,
    opens,
    presses,
    sees,
)

CLIENT_ACTIONS = (
    Action(
        "run a job of the upstream",
        (
            opens("/jobs/{jobs[Adds]}"),
            keys("r"),
            fills("left", "40"),
            presses("Run"),
            confirms("Run this job?", "Run"),
            is_told("A run of Add numbers was submitted."),
            follows("Show the run"),
            sees("the sum is 41"),
        ),
    ),
    Action(
        "cancel a run of the upstream",
        (
            opens("/runs/{runs[client-running]}"),
            presses("Cancel"),
            confirms("Cancel the run", "Cancel the run"),
            is_told("The run was asked to stop."),
            sees("Cancelled"),
        ),
    ),
    Action(
        "watch a run of the upstream end",
        (
            opens("/runs/{runs[client-gated]}"),
            sees("Running"),
            hears_of("the run may go on", lambda scene: scene.host.open_gate("client-gate")),
            sees("the gate is open"),
            sees("Completed"),
        ),
    ),
    Action(
        "release a held run of the upstream",
        (
            opens("/runs/{runs[client-held]}"),
            presses("Release"),
            confirms("Release", "Release"),
            sees("the sum is 8"),
        ),
    ),
    Action(
        "give a job of the upstream a schedule, and take it away",
        (
            opens("/jobs/{jobs[GivesUp]}/schedules?add=cron"),
            fills("Expression", "30 4 * * *"),
            sees("Next 20"),
            presses("Save"),
            is_told("Saved:"),
            presses("Remove"),
            confirms("Remove the schedule", "Remove"),
            is_told("Removed."),
        ),
    ),
    Action(
        "pause a job of the upstream, and undo it",
        (
            opens("/jobs?q=numbers"),
            presses("Pause Add numbers"),
            fills("Reason", "from the client"),
            presses("Pause"),
            is_told("Add numbers is paused."),
            presses("Undo"),
            is_told("Add numbers is resumed."),
        ),
    ),
)
