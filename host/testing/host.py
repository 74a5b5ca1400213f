"""A whole host inside a test: real stores in a folder, the test's own jobs and providers, its own clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from xml.sax.saxutils import quoteattr

from host.contracts.clock import Clock
from host.contracts.contract import Contract
from host.contracts.jobs import Job
from host.kernel.catalogue import Catalogue, load_catalogue, type_name
from host.testing.kit import HostKit

JOB_SECTION = "JobConfigurationSection"
STORE_SECTION = "SqliteRunStoreConfigurationSection"

_CONFIGURATION = """<?xml version="1.0" encoding="utf-8"?>
<SanteDBConfiguration xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <section xsi:type="ApplicationServiceContextConfigurationSection">
    <serviceProviders>{providers}
    </serviceProviders>
  </section>
  <section xsi:type="DataDirectoryConfigurationSection" path="data" />
  {sections}
</SanteDBConfiguration>
"""


class NewHostKit(Protocol):
    """What the fixture ``host_kit`` gives."""

    def __call__(self, *jobs: type[Job], **options: Any) -> AbstractAsyncContextManager[HostKit]:
        """Give ``running_host`` with these jobs and options, in the test's own folder."""


@asynccontextmanager
async def running_host(
    folder: Path,
    *,
    jobs: Sequence[type[Job]] = (),
    providers: Sequence[type[Contract]] = (),
    clock: Clock | None = None,
    sections: str = "",
    catch_up: bool = True,
    paused: str | None = None,
) -> AsyncIterator[HostKit]:
    """Give a started host that keeps its files in ``folder``, and stop it afterwards.

    With a FakeClock its time stands still until the test moves it.

    ``jobs`` are offered beside those of installed plugins, and registered with start type ``never`` unless
    ``sections`` holds a JobConfigurationSection; ``providers`` are offered and configured. ``sections`` is XML
    as in a configuration file. A second host on the folder, after the first has stopped, is its next start.
    """
    clocks = [] if clock is None else [_provider_of(clock)]
    config = write_configuration(folder, jobs=jobs, providers=[*providers, *clocks], sections=sections)
    catalogue = catalogue_with(jobs, [*providers, *clocks])
    kit = HostKit.from_file(config, catalogue=catalogue, catch_up=catch_up, paused=paused)
    kit.timed_by(clock)
    async with kit:
        yield kit


def catalogue_with(jobs: Sequence[type[Job]], providers: Sequence[type[Contract]] = ()) -> Catalogue:
    """Give what installed plugins offer, and these classes."""
    catalogue = load_catalogue()
    for provider in providers:
        catalogue.add_provider(provider)
    for job in jobs:
        catalogue.add_job(job)
    return catalogue


def write_configuration(
    folder: Path, *, jobs: Sequence[type[Job]] = (), providers: Sequence[type[Contract]] = (), sections: str = ""
) -> Path:
    """Write ``host.config.xml`` for ``running_host`` and give its path; the data directory is ``data`` beside it."""
    rows = "".join(f"\n      <add type={quoteattr(type_name(provider))} />" for provider in providers)
    if jobs and JOB_SECTION not in sections:
        names = "".join(f'<add type={quoteattr(type_name(job))} startType="never" />' for job in jobs)
        sections += f'\n  <section xsi:type="{JOB_SECTION}"><jobs>{names}</jobs></section>'
    if STORE_SECTION not in sections:
        sections += f'\n  <section xsi:type="{STORE_SECTION}" synchronous="normal" />'
    path = folder / "host.config.xml"
    path.write_text(_CONFIGURATION.format(providers=rows, sections=sections), encoding="utf-8")
    return path


def _provider_of(clock: Clock) -> type[Clock]:
    """Give a provider class whose instances tell the time of ``clock``."""
    body = {name: getattr(clock, name) for name in ("now", "monotonic", "sleep")}
    return type("GivenClock", (Clock,), {name: staticmethod(method) for name, method in body.items()})
