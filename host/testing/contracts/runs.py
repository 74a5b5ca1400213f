"""What every run store promises: the invariants of the run row, each as a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host.testing.contracts.run_accepting import RunAccepting
from host.testing.contracts.run_claiming import RunClaiming
from host.testing.contracts.run_faults import RunFaults
from host.testing.contracts.run_machine import check_against_model
from host.testing.contracts.run_outcomes import RunOutcomes
from host.testing.contracts.run_reading import RunReading
from host.testing.run_desk import Advance, Desk, NewRuns


class JobRunSuite(RunAccepting, RunClaiming, RunOutcomes, RunReading, RunFaults):
    """Supply ``new_runs`` and ``advance``; ``new_leased_runs`` too, unless leases are the store's only way."""

    lease_seconds: float = 0
    """How long a dead node's claims last; 0: until the next incarnation looks."""
    examples: int = 25
    """How many random histories are compared with the model."""

    @pytest.fixture
    def new_runs(self) -> NewRuns:
        """Give what builds a store, each time another incarnation over the same rows, none at first."""
        raise NotImplementedError

    @pytest.fixture
    def new_leased_runs(self, new_runs: NewRuns) -> NewRuns:
        """Give what builds a store whose claims are leases."""
        return new_runs

    @pytest.fixture
    def advance(self) -> Advance:
        """Give what lets that many seconds pass for the store."""
        raise NotImplementedError

    @pytest.fixture
    def clear(self) -> None:
        """Give what deletes all rows while no store is open."""
        raise NotImplementedError

    @pytest.fixture
    def desk(self, new_runs: NewRuns, advance: Advance) -> Iterator[Desk]:
        """Give an open store."""
        with Desk(new_runs, advance, lease_seconds=self.lease_seconds) as desk:
            yield desk

    @pytest.fixture
    def leased(self, new_leased_runs: NewRuns, advance: Advance) -> Iterator[Desk]:
        """Give an open store whose claims are leases."""
        with Desk(new_leased_runs, advance, lease_seconds=self.lease_seconds) as desk:
            yield desk

    @pytest.mark.slow
    def test_random_histories_agree_with_the_model(self, desk: Desk) -> None:
        check_against_model(desk, examples=self.examples)
