"""A short campaign: every fault with every executor; the long one is ``python -m tests.chaos.matrix``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.campaign import FEWEST, Cell, applies, missing, run_cell
from tests.chaos.evidence import Verdict
from tests.chaos.faults.catalogue import FAULTS
from tests.chaos.faults.fault import EXECUTORS
from tests.chaos.matrix import details_of, main
from tests.chaos.soak import Soak

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

SEED = int(os.environ.get("JOBHOST_SEED", "20261121"))
SECONDS = 0.8
SOAK_SECONDS = 10.0
CELLS = [(fault, executor) for fault in FAULTS for executor in EXECUTORS if applies(fault, executor)]


@pytest.mark.timeout(480)
@pytest.mark.parametrize(("fault", "executor"), CELLS)
def test_every_promise_is_kept(tmp_path: Path, fault: str, executor: str) -> None:
    lacking = missing(fault, executor)
    if lacking is not None and not os.environ.get("CI"):
        pytest.skip(lacking)
    assert lacking is None

    cell = _cell(fault, executor, tmp_path / "first")
    for again in ("second", "third"):  # a machine may be busy for a moment; a defect is there again
        if {violation.verdict for violation in cell.violations} == {Verdict.LATE}:
            cell = _cell(fault, executor, tmp_path / again)

    assert not cell.is_failed, f"seed {SEED}\n{details_of(cell)}"
    assert cell.counts["accepted"] >= FEWEST, "too few runs to mean anything"


def _cell(fault: str, executor: str, folder: Path) -> Cell:
    folder.mkdir()
    return run_cell(fault, executor, seed=SEED, seconds=SECONDS, folder=folder)


def test_the_matrix_prints_the_verdict_the_counts_and_the_seed(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(
        ["--fault", "sigterm", "--executor", "loop", "--executor", "thread", "--seconds", "0.5", "--seed", "7"]
    )

    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["fault", "loop", "thread"]
    assert table[1].split() == ["sigterm", "ok", "ok"]
    assert table[-1].endswith("seed 7")
    assert status == 0


@pytest.mark.timeout(180)
def test_a_short_soak_loses_nothing_and_does_not_grow(tmp_path: Path) -> None:
    report = Soak(tmp_path, seed=SEED, seconds=SOAK_SECONDS, kill_every=SOAK_SECONDS / 3).run()

    assert report.violations == []
    assert report.runs > SOAK_SECONDS * 10, "too few runs to mean anything"
    assert len(report.incarnations) >= 2
