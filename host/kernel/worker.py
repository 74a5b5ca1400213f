"""Boots the process that children of the process executor are forked from: ``python -m host.kernel.worker``.

Its arguments are the host's process id, the descriptor it is steered by, and that of the data directory's lock if
there is one. Standard input holds the children's limits on a line, then the blueprint.
"""

from __future__ import annotations

import inspect
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence

from host.contracts.contract import Service
from host.contracts.jobs import Job
from host.engine.tracing import enter_trace
from host.errors import JobNotFoundError, PluginError
from host.kernel.blueprint import WrittenBlueprint, imported, restored_configuration, restored_plan
from host.kernel.catalogue import Catalogue, load_catalogue
from host.kernel.config import bind_settings
from host.kernel.container import Container
from host.kernel.log import configure_logging
from host.kernel.wiring import Plan, needs_of
from host.local.process_forking import ForkServer, die_with_parent
from host.local.process_frames import ChildLimits, ForkWord
from host.wire import from_json, to_json


class WorkerJobs:
    """The jobs of the catalogue, wired as in the host; what they need is built when first asked for."""

    def __init__(
        self, catalogue: Catalogue, plan: Plan, container: Container, missing: Mapping[str, PluginError]
    ) -> None:
        self._catalogue = catalogue
        self._missing = missing
        self._plan = plan
        self._container = container
        self._factories: dict[str, Callable[[], Job]] = {}

    def is_async(self, job_type: str) -> bool:
        """Whether its ``run`` is ``async def``."""
        return inspect.iscoroutinefunction(self._job(job_type).run)

    def factory(self, job_type: str) -> Callable[[], Job]:
        """Give what builds a fresh instance."""
        factory = self._factories.get(job_type)
        if factory is None:
            factory = self._factories[job_type] = self._container.job_factory(self._job(job_type))
        return factory

    def services(self, job_type: str) -> Sequence[Service]:
        """Give the services it is wired to."""
        contracts = [need.contract for need in needs_of(self._job(job_type)) if need.contract is not None]
        if not contracts:
            return ()
        rows = [row for row in self._plan.rows if any(issubclass(row.cls, contract) for contract in contracts)]
        instances = [self._container.instance(row) for row in self._plan.below(rows)]
        return [each for each in instances if isinstance(each, Service)]

    def enter_trace(self, trace_id: str) -> None:
        """Make spans of the job join the run's trace."""
        enter_trace(trace_id)

    def _job(self, job_type: str) -> type[Job]:
        job = self._catalogue.jobs.get(job_type)
        if job_type in self._missing:
            raise self._missing[job_type]
        if job is None:
            raise JobNotFoundError(f"job type {job_type} is not there in a process for jobs")
        return job


def load_jobs(document: bytes) -> WorkerJobs:
    """Load what plugins offer, and wire it by a blueprint; nothing is built or started."""
    written = from_json(document, WrittenBlueprint)
    sys.path[:] = written.import_path
    catalogue = load_catalogue()
    missing: dict[str, PluginError] = {}
    for name in written.jobs:
        try:
            catalogue.add_job(imported(name, Job))
        except PluginError as error:
            missing[name] = error
    plan, config = restored_plan(written, catalogue), restored_configuration(written)
    container = Container(plan, lambda cls, name: bind_settings(cls, config, name=name))
    return WorkerJobs(catalogue, plan, container, missing)


def main() -> None:
    """Boot, fork children as long as the host lives, and end."""
    parent, control, *lock = map(int, sys.argv[1:])
    die_with_parent(parent)
    for descriptor in (control, *lock):
        os.set_inheritable(descriptor, False)  # children are forked and have them; what they execute must not
    limits, _, document = sys.stdin.buffer.read().partition(b"\n")
    with socket.socket(fileno=control) as end:
        try:
            server = ForkServer(end, from_json(limits, ChildLimits), load_jobs(document))
            configure_logging("console")
            sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]  # it is a text file
        except BaseException as error:  # whatever a plugin raises when it is imported, the host is to know
            end.send(to_json(ForkWord(failed=f"{type(error).__name__}: {error}"[:4000])))
            return
        server.serve()
    os._exit(0)


if __name__ == "__main__":
    main()
