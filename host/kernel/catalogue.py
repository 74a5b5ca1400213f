"""What installed plugins offer: provider and job classes by name; the one home of pluggy's manager."""

from __future__ import annotations

import inspect
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib.metadata import EntryPoint, entry_points
from itertools import islice
from uuid import UUID

import pluggy
import structlog

from host.contracts.contract import Contract
from host.contracts.host import PluginInfo
from host.contracts.jobs import Job
from host.errors import PluginError
from host.hookspecs import PROJECT, HostHooks
from host.model.jobs import JobInfo, JobParameter, OverlapPolicy, RecoveryPolicy, RetryPolicy, job_id_of
from host.model.runs import LONGEST_TIMEOUT
from host.santedb.types import normalise_type

logger = structlog.get_logger(__name__)

GROUP = "host.plugins"
SLOW_IMPORT_SECONDS = 10.0
HUNG_IMPORT_SECONDS = 60.0
MAX_OFFERED = 10_000
"""What one hook of one plugin may offer."""

_INTEGERS = range(-(2**31), 2**31)
"""What run stores take."""
_NONE = type(None)
_JOB_ATTRIBUTES: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("id", (UUID, _NONE), "a UUID"),
    ("name", (str, _NONE), "text"),
    ("description", (str, _NONE), "text"),
    ("parameters", (Sequence,), "a sequence of JobParameter"),
    ("can_cancel", (bool,), "True or False"),
    ("overlap", (OverlapPolicy,), "an OverlapPolicy"),
    ("recovery", (RecoveryPolicy,), "a RecoveryPolicy"),
    ("timeout", (timedelta, _NONE), "a timedelta"),
    ("priority", (int,), "a whole number"),
    ("max_attempts", (int,), "a whole number"),
    ("retry", (RetryPolicy,), "a RetryPolicy"),
    ("process_safe", (bool,), "True or False"),
    ("executor", (str, _NONE), "the name of an executor"),
)
"""What a job class may say of itself: ``(attribute, its types, what is expected)``."""


@dataclass(slots=True)
class Catalogue:
    """Classes that can be had, and the plugins they come from."""

    plugins: list[PluginInfo] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)
    """``{plugin: the package that holds its entry point}``, also of plugins that could not be loaded."""
    providers: dict[str, list[type[Contract]]] = field(default_factory=dict)
    """``{type name or alias: classes}``; an alias may stand for several."""
    jobs: dict[str, type[Job]] = field(default_factory=dict)
    """``{job type: class}``."""
    infos: dict[str, JobInfo] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """``{type name, alias or id: job type}``."""

    def add_provider(self, provider: type[Contract]) -> None:
        """Offer a provider class under its type name and its aliases."""
        self.add([provider], [])

    def add_job(self, job: type[Job]) -> None:
        """Offer a job class; raises PluginError if it is ill-declared, or its name or id is taken by another one."""
        self.add([], [job])

    def add(self, providers: Sequence[type[Contract]], jobs: Sequence[type[Job]]) -> None:
        """Offer classes, all or, if one cannot be offered (PluginError), none."""
        offered = [(name, provider) for provider in providers for name in _provider_names(provider)]
        described = [(job, describe_job(job)) for job in jobs]
        taken = {name: self.jobs[owner] for name, owner in self.names.items()}
        for job, info in described:
            for name in (info.job_type, str(info.id), *info.aliases):
                owner = taken.setdefault(name, job)
                if owner is not job:
                    hint = "give it an id and aliases of its own"
                    raise PluginError(
                        f"job {info.job_type} claims {name!r}, which belongs to {type_name(owner)}", hint=hint
                    )
        for name, provider in offered:
            known = self.providers.setdefault(name, [])
            if provider not in known:
                known.append(provider)
        for job, info in described:
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
    """Give what a job class says of itself; raises PluginError for an attribute of a wrong type."""
    name = type_name(job)
    for attribute, kinds, expected in _JOB_ATTRIBUTES:
        value = getattr(job, attribute, None)
        if not _fits(value, kinds):
            raise PluginError(f"job {name}: {attribute} is {value!r:.80}; expected {expected}")
    for parameter in job.parameters:
        if not isinstance(parameter, JobParameter):
            hint = 'write JobParameter("name", int)'
            raise PluginError(f"job {name}: {parameter!r:.80} in parameters is no JobParameter", hint=hint)
    if job.max_attempts not in _INTEGERS or job.max_attempts < 1:
        raise PluginError(f"job {name}: max_attempts is {job.max_attempts}; expected 1 to {_INTEGERS[-1]}")
    if job.priority not in _INTEGERS:
        raise PluginError(f"job {name}: priority is {job.priority}; expected {_INTEGERS[0]} to {_INTEGERS[-1]}")
    if job.timeout is not None and not timedelta(0) < job.timeout <= LONGEST_TIMEOUT:
        raise PluginError(f"job {name}: timeout is {job.timeout}; expected more than nothing, and no eternity")
    is_async = inspect.iscoroutinefunction(job.run)
    return JobInfo(
        id=getattr(job, "id", None) or job_id_of(name),
        name=getattr(job, "name", None) or job.__name__,
        job_type=name,
        description=getattr(job, "description", None) or _first_line(job),
        aliases=_aliases(job),
        can_cancel=job.can_cancel,
        parameters=tuple(job.parameters),
        executor=job.executor or ("loop" if is_async else "thread"),
        overlap=job.overlap,
        recovery=job.recovery,
        timeout=job.timeout,
        priority=job.priority,
        max_attempts=job.max_attempts,
        retry=job.retry,
        process_safe=job.process_safe,
    )


def load_catalogue(points: Iterable[EntryPoint] | None = None) -> Catalogue:
    """Load every installed plugin, by name; a broken one is recorded and the rest load.

    A plugin whose import or hooks take 10 s is named in the log; after 60 s PluginError is raised with its stack.
    """
    found = sorted(entry_points(group=GROUP) if points is None else points, key=lambda point: point.name)
    catalogue = Catalogue()

    def load() -> None:
        for point in found:
            catalogue.plugins.append(_load(catalogue, point))

    thread = threading.Thread(target=load, name="plugin-import", daemon=True)
    thread.start()
    _wait(thread, found, catalogue.plugins)
    return catalogue


def _wait(thread: threading.Thread, points: Sequence[EntryPoint], loaded: Sequence[PluginInfo]) -> None:
    began = time.monotonic()
    while True:
        thread.join(min(SLOW_IMPORT_SECONDS, HUNG_IMPORT_SECONDS))
        if not thread.is_alive() or len(loaded) == len(points):
            return
        waited = time.monotonic() - began
        current = points[len(loaded)]
        if waited >= HUNG_IMPORT_SECONDS:
            break
        logger.warning("plugin import is slow", plugin=current.name, module=current.value, seconds=round(waited, 1))
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001  # the only way to see its stack
    stack = "".join(traceback.format_stack(frame)[-6:]) if frame else ""
    raise PluginError(
        f"plugin {current.name!r} ({current.value}) hangs at import since {waited:.0f} s, at\n{stack}",
        hint="uninstall it, or move work out of its import and its hooks",
    )


def _load(catalogue: Catalogue, point: EntryPoint) -> PluginInfo:
    module = point.value.partition(":")[0]
    catalogue.packages[point.name] = module.rpartition(".")[0] or module
    base = PluginInfo(
        name=point.name,
        distribution=point.dist.name if point.dist else "unknown",
        version=point.dist.version if point.dist else "unknown",
    )
    try:
        module = point.load()
    except BaseException as error:  # a plugin may raise anything, SystemExit included; the rest still load
        return replace(base, error=f"import failed: {_one_line(error)}")
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HostHooks)
    try:
        manager.register(module, name=point.name)
        manager.check_pending()
        providers = _collect(manager.hook.host_service_providers, Contract)
        jobs = _collect(manager.hook.host_jobs, Job)
        catalogue.add(providers, jobs)
    except BaseException as error:  # a hook may raise anything; this plugin is named, the rest load
        return replace(base, error=_one_line(error))
    return replace(base, providers=tuple(map(type_name, providers)), jobs=tuple(map(type_name, jobs)))


def _collect(hook: pluggy.HookCaller, kind: type) -> list[type]:
    results: list[Iterable[object]] = hook()
    implementations = [each for each in hook.get_hookimpls() if not (each.wrapper or each.hookwrapper)]
    if len(results) < len(implementations):
        raise PluginError(f"hook {hook.name} returned None", hint=f"return a list of {kind.__name__} classes")
    found: list[type] = []
    for offered in results:
        if inspect.iscoroutine(offered):
            offered.close()
            raise PluginError(f"hook {hook.name} is async", hint="hooks are plain functions")
        if not isinstance(offered, Iterable):
            hint = f"return a list of {kind.__name__} classes"
            raise PluginError(f"hook {hook.name} returned {offered!r:.80}", hint=hint)
        found.extend(_checked(cls, hook.name, kind) for cls in islice(offered, MAX_OFFERED + 1))
        if len(found) > MAX_OFFERED:
            raise PluginError(f"hook {hook.name} offers more than {MAX_OFFERED:,} classes")
    return found


def _checked(cls: object, hook: str, kind: type) -> type:
    if not (isinstance(cls, type) and issubclass(cls, kind)):
        hint = f"offer classes that inherit {kind.__name__}, not instances or names"
        raise PluginError(f"hook {hook} offers {cls!r:.80}, which is no {kind.__name__} class", hint=hint)
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise PluginError(f"{type_name(cls)} does not implement {missing}")
    return cls


def _provider_names(provider: type[Contract]) -> tuple[str, ...]:
    return (type_name(provider), *_aliases(provider))


def _aliases(cls: type[Contract] | type[Job]) -> tuple[str, ...]:
    aliases: object = cls.aliases
    if isinstance(aliases, str) or not isinstance(aliases, Sequence) or not all(isinstance(a, str) for a in aliases):
        raise PluginError(f"{type_name(cls)}: aliases is {aliases!r:.80}; expected a sequence of type names")
    return tuple(map(normalise_type, aliases))


def _first_line(job: type[Job]) -> str:
    """Give the first line of the class's docstring, or of the nearest base's but Job's own, which describes none."""
    documented = (cls.__doc__ for cls in job.__mro__ if issubclass(cls, Job) and cls is not Job)
    return inspect.cleandoc(next(filter(None, documented), "")).partition("\n")[0]


def _fits(value: object, kinds: tuple[type, ...]) -> bool:
    return (
        isinstance(value, kinds)
        and (bool in kinds or not isinstance(value, bool))
        and not (isinstance(value, str) and Sequence in kinds)
    )


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, PluginError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
