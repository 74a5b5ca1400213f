"""What every run store promises: the invariants of the run row, each as a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host.testing.contracts.run_accepting import RunAccepting
from host.testing.contracts.run_claiming import RunClaiming
from host.testing.contracts.run_crashes import RunCrashes
from host.testing.contracts.run_faults import RunFaults
from host.testing.contracts.run_machine import check_against_model
from host.testing.contracts.run_outcomes import RunOutcomes
from host.testing.contracts.run_reading import RunReading
from host.testing.contracts.run_statistics import RunStatistics
from host.testing.run_desk import Advance, Desk, NewPlace, NewRuns


class JobRunSuite(RunAccepting, RunClaiming, RunOutcomes, RunCrashes, RunReading, RunStatistics, RunFaults):
    """Supply ``new_place``, ``advance``, and ``new_leased_runs`` unless leases are the store's only way."""

    lease_seconds: float = 0
    """How long a dead node's claims last; 0: until the next incarnation looks."""
    examples: int = 30
    """How many random histories are compared with the model."""

    @pytest.fixture
    def new_place(self) -> NewPlace:
        """Give what makes an empty place; the result builds a store, each time another incarnation, over it."""
        raise NotImplementedError

    @pytest.fixture
    def advance(self) -> Advance:
        """Give what lets that many seconds pass for every store."""
        raise NotImplementedError

    @pytest.fixture
    def new_leased_runs(self, new_place: NewPlace) -> NewRuns:
        """Give what builds a store whose claims are leases."""
        return new_place()

    @pytest.fixture
    def desk(self, new_place: NewPlace, advance: Advance) -> Iterator[Desk]:
        """Give an open store."""
        with Desk(new_place(), advance, lease_seconds=self.lease_seconds) as desk:
            yield desk

    @pytest.fixture
    def leased(self, new_leased_runs: NewRuns, advance: Advance) -> Iterator[Desk]:
        """Give an open store whose claims are leases."""
        with Desk(new_leased_runs, advance, lease_seconds=self.lease_seconds) as desk:
            yield desk

    @pytest.mark.slow
    def test_random_histories_agree_with_the_model(self, new_place: NewPlace, advance: Advance) -> None:
        check_against_model(
            lambda: Desk(new_place(), advance, lease_seconds=self.lease_seconds), examples=self.examples
        )
