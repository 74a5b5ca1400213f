"""The walk: every screen of the panel with what it must show, and every action with its steps.

What the browser does in the tests is also what a person goes through by hand before a release:
``python -m plugins.panel.tests.browser.walk`` prints it.
"""

from __future__ import annotations

import sys

from plugins.panel.tests.browser.actions import ACTIONS, Action
from plugins.panel.tests.browser.client_actions import CLIENT_ACTIONS
from plugins.panel.tests.browser.host_actions import HOST_ACTIONS
from plugins.panel.tests.browser.screens import SCREENS, Screen

__all__ = ["ACTIONS", "CLIENT_ACTIONS", "HOST_ACTIONS", "SCREENS", "Action", "Screen"]


def _print() -> None:
    for screen in SCREENS:
        texts = ", ".join([*screen.shows, *screen.needs, *(f"the {each} canary" for each in screen.canaries)])
        sys.stdout.write(f"{screen.name}: open {screen.path}; see {texts}\n")
    for action in (*ACTIONS, *CLIENT_ACTIONS, *HOST_ACTIONS):
        steps = "".join(f"\n  - {step.words}" for step in action.steps)
        sys.stdout.write(f"\n{action.name} (as {action.who or 'nobody'}){steps}\n")


if __name__ == "__main__":
    _print()
