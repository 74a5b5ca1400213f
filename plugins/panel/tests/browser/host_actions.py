"""What a person does with the host itself: it ends or begins anew, so that this is done after everything else."""

from __future__ import annotations

from plugins.panel.tests.browser.actions import Action
from plugins.panel.tests.browser.steps import (
    confirms,
    declines,
    follows,
    is_told,
    notices,
    opens,
    presses,
    sees,
)

HOST_ACTIONS = (
    Action(
        "reload the host",
        (
            opens("/providers"),
            follows("Reload…"),
            sees("No differences"),
            presses("Reload"),
            confirms("Reload {host}?", "Reload", says="The panel is away for some seconds."),
            is_told("The host reloads"),
            sees("the new configuration runs"),
        ),
        is_refused=True,
    ),
    Action(
        "drain and stop the host",
        (
            opens("/providers"),
            presses("Drain and stop"),
            declines("Drain and stop {host}?"),
            presses("Drain and stop"),
            confirms("Drain and stop {host}?", "Drain and stop", says="then the process stops"),
            notices("the process ends", lambda scene: scene.host.wait_for_end()),
        ),
        is_refused=True,
    ),
)
