"""Findings as lines for people: a hint that several of them share is said once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from host.errors import Problem


def problem_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Give a line for each finding, in their order; a hint that neighbours share stands below them, indented."""
    for hint, group in groupby(problems, key=lambda problem: problem.hint):
        found = list(group)
        if hint is None or len(found) == 1:
            yield from map(str, found)
        else:
            yield from (str(replace(problem, hint=None)) for problem in found)
            yield f"  {hint}"
