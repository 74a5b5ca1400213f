"""What one reading told of all jobs of a SanteDB server: what each is here, and how it is found by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from uuid import UUID

from host.errors import JobNotFoundError
from host.model.jobs import JobInfo, JobParameter, job_id_of
from host.santedb.ami.parameters import parameter_type
from host.santedb.ami.values import AmiJob
from host.santedb.types import normalise_type

SOURCE = "upstream"
"""Where a job or a schedule stands, as people are told."""
EXECUTOR = "upstream"
"""What performs the runs."""


class JobListing:
    """All jobs of the upstream as they were at one time."""

    def __init__(self, jobs: Sequence[tuple[UUID, AmiJob]], *, number: int) -> None:
        """Take the jobs by id; ``number`` grows from one reading to the next."""
        self.number = number
        self.jobs: Mapping[UUID, AmiJob] = dict(jobs)
        """As the upstream told them, in its order."""
        types = Counter(job.job_type for job in self.jobs.values())
        self.infos: Mapping[UUID, JobInfo] = {
            identity: info_of(identity, job, is_shared=types[job.job_type] > 1) for identity, job in self.jobs.items()
        }

    @cached_property
    def by_name(self) -> Sequence[JobInfo]:
        """Give all jobs, by name."""
        return tuple(sorted(self.infos.values(), key=by_name))

    def find(self, job: str) -> JobInfo:
        """Give a job by id, type name or unambiguous name; raises JobNotFoundError."""
        found = self._found(job)
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(str(each.id) for each in found)
            raise JobNotFoundError(f"{len(found)} jobs of the upstream are called {job!r}", hint=f"say which: {ids}")
        names = [name for info in self.infos.values() for name in (info.name, info.job_type)]
        close = get_close_matches(job[:200], names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "jobhost jobs list shows those there are"
        raise JobNotFoundError(f"the upstream has no job {job[:200]!r}", hint=hint)

    def _found(self, job: str) -> list[JobInfo]:
        try:
            return [self.infos[UUID(job)]]
        except (ValueError, KeyError):
            pass
        wanted = normalise_type(job)
        typed = [info for info in self.infos.values() if wanted == info.job_type]
        name = job.casefold()
        return typed or [info for info in self.infos.values() if name in (info.name.casefold(), _short(info.job_type))]


def info_of(identity: UUID, job: AmiJob, *, is_shared: bool = False) -> JobInfo:
    """Give what a job is here; ``is_shared`` says that another has its declared type, which is then not its class.

    SanteDB's server tells the class of the job's *state* (``XmlJobState``) as ``jobType``. Such a job's type is
    ``santedb:<id>``: stable, and plainly not a class. Nor does AMI tell which parameters are required, so none is.
    """
    declared = normalise_type(job.job_type or "")
    return JobInfo(
        id=identity,
        name=job.name or str(identity),
        job_type=declared if not is_shared and _is_job_class(declared) else f"santedb:{identity}",
        description=job.description or "",
        can_cancel=bool(job.can_cancel),
        parameters=tuple(
            JobParameter(each.key, parameter_type(each.type), required=False) for each in job.parameters or ()
        ),
        executor=EXECUTOR,
        source=SOURCE,
    )


def candidate_of(job_type: str) -> JobInfo:
    """Give what is known of a type that may be registered: its name."""
    return JobInfo(id=job_id_of(job_type), name=_simple(job_type), job_type=normalise_type(job_type), executor=EXECUTOR)


def by_name(info: JobInfo) -> tuple[str, str]:
    """Order jobs by name."""
    return info.name.casefold(), str(info.id)


def _is_job_class(declared: str) -> bool:
    """Say whether a declared type can be a job's own: states are called so, or live inside a manager (``A+B``)."""
    return bool(declared) and not _simple(declared).endswith("State") and "+" not in declared


def _simple(job_type: str) -> str:
    """Give the class name of ``Namespace.Type, Assembly`` or ``package.module:Class``."""
    return job_type.partition(",")[0].rpartition(":")[2].rpartition(".")[2]


def _short(job_type: str) -> str:
    return "" if job_type.startswith("santedb:") else _simple(job_type).casefold()
