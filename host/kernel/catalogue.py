"""What installed plugins offer: provider and job classes by name; the one home of pluggy's manager."""

from __future__ import annotations

import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points

import pluggy
import structlog

from host.contracts.contract import Contract
from host.contracts.host import PluginInfo
from host.contracts.jobs import Job
from host.errors import PluginError
from host.hookspecs import PROJECT, HostHooks
from host.model.jobs import JobInfo, job_id_of
from host.santedb.types import normalise_type

logger = structlog.get_logger(__name__)

GROUP = "host.plugins"
SLOW_IMPORT_SECONDS = 10.0
HUNG_IMPORT_SECONDS = 60.0


@dataclass(slots=True)
class Catalogue:
    """Classes that can be had, and the plugins they come from."""

    plugins: list[PluginInfo] = field(default_factory=list)
    providers: dict[str, list[type[Contract]]] = field(default_factory=dict)
    """``{type name or alias: classes}``; an alias may stand for several."""
    jobs: dict[str, type[Job]] = field(default_factory=dict)
    """``{job type: class}``."""
    infos: dict[str, JobInfo] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """``{type name, alias or id: job type}``."""

    def add_provider(self, provider: type[Contract]) -> None:
        """Offer a provider class under its type name and its aliases."""
        for name in (type_name(provider), *map(normalise_type, provider.aliases)):
            offered = self.providers.setdefault(name, [])
            if provider not in offered:
                offered.append(provider)

    def add_job(self, job: type[Job]) -> None:
        """Offer a job class; raises PluginError if its name or id is taken by another one."""
        info = describe_job(job)
        for name in (info.job_type, str(info.id), *info.aliases):
            taken = self.names.get(name)
            if taken is not None and self.jobs[taken] is not job:
                raise PluginError(f"job {info.job_type} claims {name!r}, which belongs to {taken}")
        self.jobs[info.job_type] = job
        self.infos[info.job_type] = info
        self.names.update(dict.fromkeys((info.job_type, str(info.id), *info.aliases), info.job_type))

    def resolve_job(self, name: str) -> str | None:
        """Give the job type that a type name, alias or id stands for, or None."""
        return self.names.get(name) or self.names.get(normalise_type(name)) or self.names.get(name.lower())


def type_name(cls: type) -> str:
    """Give ``package.module:Class``."""
    return f"{cls.__module__}:{cls.__qualname__}"


def describe_job(job: type[Job]) -> JobInfo:
    """Give what a job class says of itself."""
    name = type_name(job)
    is_async = inspect.iscoroutinefunction(job.run)
    return JobInfo(
        id=getattr(job, "id", None) or job_id_of(name),
        name=getattr(job, "name", None) or job.__name__,
        job_type=name,
        description=getattr(job, "description", None) or (inspect.getdoc(job) or "").partition("\n")[0],
        aliases=tuple(map(normalise_type, job.aliases)),
        can_cancel=job.can_cancel,
        parameters=tuple(job.parameters),
        executor=job.executor or ("loop" if is_async else "thread"),
        overlap=job.overlap,
        recovery=job.recovery,
        timeout=job.timeout,
        priority=job.priority,
        max_attempts=job.max_attempts,
    )


def load_catalogue(points: Iterable[EntryPoint] | None = None) -> Catalogue:
    """Load every installed plugin, by name; a broken one is recorded and the rest load.

    A plugin whose import takes 10 s is named in the log; after 60 s PluginError is raised with its stack.
    """
    found = sorted(entry_points(group=GROUP) if points is None else points, key=lambda point: point.name)
    loaded = _import_all(found)
    catalogue = Catalogue()
    for point in found:
        outcome = loaded[point.name]
        catalogue.plugins.append(_register(catalogue, point, outcome))
    return catalogue


def _import_all(points: Sequence[EntryPoint]) -> dict[str, object]:
    loaded: dict[str, object] = {}

    def load() -> None:
        for point in points:
            try:
                loaded[point.name] = point.load()
            except BaseException as error:  # a plugin may raise anything, SystemExit included; the rest still load
                loaded[point.name] = error

    thread = threading.Thread(target=load, name="plugin-import", daemon=True)
    thread.start()
    _wait(thread, points, loaded)
    return loaded


def _wait(thread: threading.Thread, points: Sequence[EntryPoint], loaded: Mapping[str, object]) -> None:
    waited = 0.0
    while thread.is_alive() and waited < HUNG_IMPORT_SECONDS:
        thread.join(SLOW_IMPORT_SECONDS)
        if not thread.is_alive():
            return
        waited += SLOW_IMPORT_SECONDS
        current = next((point for point in points if point.name not in loaded), None)
        if current is not None:
            logger.warning("plugin import is slow", plugin=current.name, module=current.value, seconds=waited)
    if thread.is_alive():
        current = next(point for point in points if point.name not in loaded)
        frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001  # the only way to see its stack
        stack = "".join(traceback.format_stack(frame)[-6:]) if frame else ""
        raise PluginError(
            f"plugin {current.name!r} ({current.value}) hangs at import since {waited:.0f} s, at\n{stack}",
            hint="uninstall it, or move work out of its import",
        )


def _register(catalogue: Catalogue, point: EntryPoint, outcome: object) -> PluginInfo:
    base = PluginInfo(
        name=point.name,
        distribution=point.dist.name if point.dist else "unknown",
        version=point.dist.version if point.dist else "unknown",
    )
    if isinstance(outcome, BaseException):
        return replace(base, error=f"import failed: {type(outcome).__name__}: {outcome}")
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HostHooks)
    try:
        manager.register(outcome, name=point.name)
        manager.check_pending()
        providers = _collect(manager.hook.host_service_providers, Contract)
        jobs = _collect(manager.hook.host_jobs, Job)
        for provider in providers:
            catalogue.add_provider(provider)
        for job in jobs:
            catalogue.add_job(job)
    except BaseException as error:  # a hook may raise anything; this plugin is named, the rest load
        return replace(base, error=f"{type(error).__name__}: {error}")
    return replace(base, providers=tuple(map(type_name, providers)), jobs=tuple(map(type_name, jobs)))


def _collect(hook: Callable[[], list[Iterable[object]]], kind: type) -> list[type]:
    found: list[type] = []
    for offered in hook():
        for cls in offered:
            if not (isinstance(cls, type) and issubclass(cls, kind)):
                raise PluginError(f"hook {hook.name} offers {cls!r}, which is no {kind.__name__} class")  # type: ignore[attr-defined]  # pluggy's hook callers have a name
            if inspect.isabstract(cls):
                missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
                raise PluginError(f"{type_name(cls)} does not implement {missing}")
            found.append(cls)
    return found
