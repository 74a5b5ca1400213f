"""What the host itself provides to everybody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from host.contracts.engine import StartOptions
from host.contracts.host import ConfigurationFiles
from host.contracts.jobs import Job, JobCatalogue
from host.errors import JobNotFoundError
from host.kernel.catalogue import Catalogue
from host.model.jobs import JobInfo, JobStartType


class HostStartOptions(StartOptions):
    """What the operator said on the command line, or a restored backup implies."""

    def __init__(self, *, catch_up: bool = True, paused: str | None = None) -> None:
        self._catch_up = catch_up
        self._paused = paused
        self._started: set[tuple[str, JobStartType]] = set()

    def catch_up(self) -> bool:
        """Whether missed fire times are considered."""
        return self._catch_up

    def paused(self) -> str | None:
        """Why everything starts paused, or None."""
        return self._paused

    def has_started(self, job: JobInfo) -> bool:
        """Whether the start type's run of this job has been seen to."""
        return (job.job_type, job.start_type) in self._started

    def note_started(self, jobs: Iterable[JobInfo]) -> None:
        """Remember these jobs with their start types."""
        self._started.update((job.job_type, job.start_type) for job in jobs)

    def go_on_from(self, earlier: HostStartOptions, registered: Iterable[JobInfo]) -> None:
        """Know what an earlier host of this process has started, of the jobs that it had registered in the end."""
        self.note_started(job for job in registered if earlier.has_started(job))


class HostConfigurationFiles(ConfigurationFiles):
    """The files the running configuration was read from."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)

    def files(self) -> Sequence[Path]:
        """Give the files, main file first."""
        return self._files


class HostJobCatalogue(JobCatalogue):
    """The jobs of the catalogue, built by the container."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._available = MappingProxyType(catalogue.infos)
        self._factories: dict[str, Callable[[], Job]] = {}
        self._make: Callable[[type[Job]], Callable[[], Job]] | None = None

    def bind(self, make: Callable[[type[Job]], Callable[[], Job]]) -> None:
        """Say what makes factories; once, before the first run."""
        self._make = make
        self._factories.clear()

    def available(self) -> Mapping[str, JobInfo]:
        """Give every offered job."""
        return self._available

    def resolve(self, name: str) -> str | None:
        """Give the job type a name stands for."""
        return self._catalogue.resolve_job(name)

    def factory(self, job_type: str) -> Callable[[], Job]:
        """Give what builds a fresh instance."""
        factory = self._factories.get(job_type)
        if factory is None:
            job = self._catalogue.jobs.get(job_type)
            if job is None or self._make is None:
                raise JobNotFoundError(f"no plugin offers job type {job_type!r}")
            factory = self._factories[job_type] = self._make(job)
        return factory
