"""What authors of jobs and plugins test with.

To test a job: ``RecordingContext`` calls it by hand, ``running_host`` gives a ``HostKit`` that performs it over real
stores while the test holds the ``FakeClock``, ``assert_completed`` and its kin say what went wrong with a run.
``host.testing.fixtures`` has both as pytest fixtures. To test a provider: the suites of ``host.testing.contracts``,
and ``failing``, which makes any contract fail by a ``FaultPlan``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host.testing.assertions import assert_completed, assert_failed, assert_state, story_of
    from host.testing.clock import FakeClock
    from host.testing.context import RecordingContext, RecordingLogger
    from host.testing.faults import Fault, FaultPlan, failing
    from host.testing.host import NewHostKit, running_host
    from host.testing.kit import HostKit

__all__ = [
    "FakeClock",
    "Fault",
    "FaultPlan",
    "HostKit",
    "NewHostKit",
    "RecordingContext",
    "RecordingLogger",
    "assert_completed",
    "assert_failed",
    "assert_state",
    "failing",
    "running_host",
    "story_of",
]

_HOMES = {
    "FakeClock": "clock",
    "Fault": "faults",
    "FaultPlan": "faults",
    "HostKit": "kit",
    "NewHostKit": "host",
    "RecordingContext": "context",
    "RecordingLogger": "context",
    "assert_completed": "assertions",
    "assert_failed": "assertions",
    "assert_state": "assertions",
    "failing": "faults",
    "running_host": "host",
    "story_of": "assertions",
}
"""``{name: module}``; imported when first asked for, so that a suite of one contract needs no host."""


def __getattr__(name: str) -> object:
    """Give a published name."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
