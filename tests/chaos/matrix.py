"""Runs the campaign and prints one line a fault and one column an executor.

python -m tests.chaos.matrix [--fault NAME] [--executor NAME] [--seed N] [--seconds S] [--keep FOLDER]
"""

# ruff: noqa: T201  # a command prints

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.chaos.campaign import Cell, applies, missing, run_cell
from tests.chaos.faults.catalogue import FAULTS
from tests.chaos.faults.fault import EXECUTORS

SECONDS = 4.0
SHOWN = 5
"""Violations shown of a cell."""


def verdict_of(cell: Cell) -> str:
    """Give what stands in the matrix."""
    if cell.not_run is not None:
        return f"n/a ({cell.not_run})"
    if not cell.is_failed:
        return "ok"
    kinds = Counter(violation.verdict.value for violation in cell.violations)
    return f"FAILED({', '.join(f'{kind} {count}' for kind, count in kinds.items())})"


def table_of(cells: Iterable[Cell]) -> str:
    """Give the matrix as lines with aligned columns."""
    cells = list(cells)
    executors = [name for name in EXECUTORS if any(cell.executor == name for cell in cells)]
    said = {(cell.fault, cell.executor): verdict_of(cell) for cell in cells}
    faults = list(dict.fromkeys(cell.fault for cell in cells))
    lines = [["fault", *executors]] + [
        [fault, *(said.get((fault, name), "") for name in executors)] for fault in faults
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def summary_of(cells: Sequence[Cell], seed: int) -> str:
    """Give the counts below the matrix."""
    counts: Counter[str] = Counter()
    for cell in cells:
        counts.update(cell.counts)
    ran = [cell for cell in cells if cell.not_run is None]
    failed = sum(cell.is_failed for cell in ran)
    facts = f"runs {counts['runs']}, accepted {counts['accepted']}, kills {counts['kills']}, blows {counts['blows']}"
    return f"{len(ran)} cells, {failed} failed; {facts}, refused {counts['refused']}; seed {seed}"


def details_of(cell: Cell) -> str:
    """Give the first violations of a cell."""
    shown = "".join(f"\n  {violation.verdict}: {violation.what}" for violation in cell.violations[:SHOWN])
    more = len(cell.violations) - SHOWN
    return f"{cell.fault} {cell.executor}:{shown}" + (f"\n  and {more} more" if more > 0 else "")


def run(fault: str, executor: str, *, seed: int, seconds: float, folder: Path) -> Cell:
    """Run a cell in a folder of its own below this one, or say why not."""
    reason = missing(fault, executor) if applies(fault, executor) else "as loop"
    if reason is not None:
        return Cell(fault=fault, executor=executor, not_run=reason)
    own = folder / f"{fault}-{executor}"
    own.mkdir()
    return run_cell(fault, executor, seed=seed, seconds=seconds, folder=own)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells that are asked for; 1 if one of them failed."""
    options = _options(arguments)
    cells = []
    with tempfile.TemporaryDirectory(prefix="chaos") as temporary:
        folder = options.keep or Path(temporary)
        for fault in options.fault or FAULTS:
            for executor in options.executor or EXECUTORS:
                cell = run(fault, executor, seed=options.seed, seconds=options.seconds, folder=folder)
                cells.append(cell)
                print(f"{fault} {executor}: {verdict_of(cell)} {cell.seconds:.1f} s", file=sys.stderr, flush=True)
    print(table_of(cells))
    print()
    print(summary_of(cells, options.seed))
    for cell in filter(lambda cell: cell.is_failed, cells):
        print(f"\n{details_of(cell)}")
    return int(any(cell.is_failed for cell in cells))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.matrix")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="only this one; may be repeated")
    parser.add_argument("--executor", action="append", choices=EXECUTORS, help="only this one; may be repeated")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats what chance decided")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long a fault strikes in each cell")
    parser.add_argument("--keep", type=Path, help="an existing empty folder where logs and data stay")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
