"""Whether a request is made again after a fault, and how long is waited before."""

from __future__ import annotations

import random

from host_upstream.transport.fault import Fault

REPEATS = 2
FIRST_SECONDS = 0.1
GROWTH = 3.0


def pause_before(attempt: int, fault: Fault, *, may_repeat: bool, left_seconds: float) -> float | None:
    """Give the seconds to wait after attempt 1, 2 …; None if there is to be no other.

    Only what may be done twice is sent again, or what has never left; and nothing that was answered, but wrongly. A
    part of the wait is drawn by lot, so that callers who failed together do not come again together.
    """
    if attempt > REPEATS or not (may_repeat or fault.is_unsent):
        return None
    if not fault.is_outage and fault.retry_after is None:
        return None
    longest = FIRST_SECONDS * GROWTH ** (attempt - 1)
    pause = random.uniform(longest / 2, longest)
    if fault.retry_after is not None:
        pause += fault.retry_after
    return pause if pause < left_seconds else None
