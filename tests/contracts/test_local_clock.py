"""The system's clock and the clock of tests meet the same suite."""

from __future__ import annotations

import pytest

from host.contracts.clock import Clock
from host.local.clock import SystemClock
from host.testing.clock import FakeClock
from host.testing.contracts.clock import Advance, ClockSuite


class TestSystemClock(ClockSuite):
    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()


class TestFakeClock(ClockSuite):
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def advance(self, clock: FakeClock) -> Advance:
        return clock.advance
