"""Finding jobs by parts of their names: every word of the text must be there, in the best place it may stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest

from host.model.jobs import JobInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundJobs:
    """The jobs that fit best."""

    jobs: Sequence[JobInfo]
    """Those whose name begins with the text first, then by where it was found, then by name."""
    total: int


class JobFinder:
    """Searches lists of jobs; prepares each of the latest two once, as long as it stays the same object."""

    def __init__(self) -> None:
        self._prepared: list[tuple[Sequence[JobInfo], list[tuple[str, str]]]] = []
        """Lists, the latest last, with the name of each job and everything that is searched, in one case."""

    def find(self, jobs: Sequence[JobInfo], text: str, *, at_most: int) -> FoundJobs:
        """Give the jobs that hold every word of a text, in name, type, alias or description; any case."""
        whole, wanted = text.casefold(), text.casefold().split()
        if not wanted:
            return FoundJobs(jobs=(), total=0)
        found = [
            (_rank(name, whole, wanted), number)
            for number, (name, everything) in enumerate(self._texts_of(jobs))
            if all(word in everything for word in wanted)
        ]
        best = nsmallest(at_most, found)  # jobs are listed by name, so that their number settles ties
        return FoundJobs(jobs=[jobs[number] for _, number in best], total=len(found))

    def _texts_of(self, jobs: Sequence[JobInfo]) -> Sequence[tuple[str, str]]:
        for listed, texts in self._prepared:
            if listed is jobs:
                return texts
        texts = [_texts(job) for job in jobs]
        self._prepared = [*self._prepared[-1:], (jobs, texts)]
        return texts


def _texts(job: JobInfo) -> tuple[str, str]:
    name = job.name.casefold()
    return name, "\n".join((name, job.job_type.casefold(), str(job.id), *job.aliases, job.description)).casefold()


def _rank(name: str, whole: str, wanted: Sequence[str]) -> int:
    if name == whole:
        return 0
    if name.startswith(whole):
        return 1
    return 2 if all(word in name for word in wanted) else 3
