"""Putting an archive back in place, while no host runs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from host.contracts.clock import Clock
from host.contracts.maintenance import StoreMaintenance
from host.errors import HostError, InvalidRequestError, StoreUnavailableError
from host.kernel.backup import MAX_BYTES, FileKind, Manifest, in_thread, unavailable, unpack
from host.kernel.catchup import foresee_catch_up
from host.kernel.host import RESTORED_MARK, open_stores
from host.local.clock import SystemClock
from host.xmlfile import write_atomically

RESTORED_CONFIGURATION = "restored-configuration"

_RESTORING = ".restoring-"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What a restore did."""

    created_at: datetime
    """When the archive was made; what happened since is not in it."""
    files: tuple[str, ...]
    """Store files put in place; the previous ones are beside them, ``.before-restore``."""
    configuration: tuple[str, ...]
    """Configuration files unpacked for comparison, main file first; those in use were not touched."""
    would_catch_up: tuple[str, ...] = ()
    """Schedules that missed fire times since; only a caller who knows the schedules can fill it."""


def restore_archive(
    archive: Path, *, stores: Sequence[StoreMaintenance], data_directory: Path, clock: Clock | None = None
) -> RestoreReport:
    """Put the stores of an archive in place, while no host runs; the next start is paused.

    The archive is verified first; a damaged one (StoreCorruptError), or one with a store that is not among
    ``stores`` (InvalidRequestError), changes nothing. A store without a copy in the archive stays as it is.
    Configuration files go to ``restored-configuration/<n>/`` in the data directory, never in place. If a store
    cannot be put back (StoreUnavailableError), restore again once the cause is gone.
    """
    try:
        for left in data_directory.glob(f"{_RESTORING}*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_RESTORING, dir=data_directory) as folder:
            manifest = unpack(archive, Path(folder), MAX_BYTES)
            wanted = _match(manifest, stores, archive)
            _mark(data_directory, archive, manifest, (clock or SystemClock()).now())
            configuration = _keep_configuration(manifest, Path(folder), data_directory)
            files = _put_back(wanted, Path(folder))
    except OSError as error:
        raise unavailable("the archive was not restored", error, archive) from error
    return RestoreReport(created_at=manifest.created_at, files=files, configuration=configuration)


async def restore(config: Path, archive: Path) -> RestoreReport:
    """Restore an archive into the stores and the data directory that a configuration names; see restore_archive."""
    async with open_stores(config) as (stores, data_directory):
        report = await in_thread(partial(restore_archive, archive, stores=stores, data_directory=data_directory))
    return replace(report, would_catch_up=await foresee_catch_up(config))


def _match(manifest: Manifest, stores: Sequence[StoreMaintenance], archive: Path) -> list[StoreMaintenance]:
    owners = {file.name.split("/")[1] for file in manifest.of(FileKind.STORE)}
    unknown = sorted(owners - {store.store_name for store in stores})
    if unknown:
        raise InvalidRequestError(
            f"the configuration has no store for {', '.join(unknown)}",
            where=str(archive),
            hint="configure the providers the archive was made with",
        )
    return [store for store in stores if store.store_name in owners]


def _mark(data_directory: Path, archive: Path, manifest: Manifest, now: datetime) -> None:
    facts = {"restored_at": now.isoformat(), "archive": str(archive.absolute())}
    facts["created_at"] = manifest.created_at.isoformat()
    # Written before any store changes, so that a restore cut short also ends in a paused start.
    write_atomically(data_directory / RESTORED_MARK, json.dumps(facts, indent=1).encode() + b"\n")


def _put_back(stores: Sequence[StoreMaintenance], folder: Path) -> tuple[str, ...]:
    files: list[str] = []
    for store in stores:
        try:
            files += map(str, store.restore(folder / FileKind.STORE.folder / store.store_name))
        except (OSError, HostError) as error:
            raise StoreUnavailableError(
                f"store {store.store_name!r} was not put back: {error}",
                hint=f"put back before it: {', '.join(files) or 'nothing'}; remedy the cause and restore again",
            ) from error
    return tuple(files)


def _keep_configuration(manifest: Manifest, folder: Path, data_directory: Path) -> tuple[str, ...]:
    target = data_directory / RESTORED_CONFIGURATION
    files = manifest.of(FileKind.CONFIGURATION)
    if target.exists():
        aside = target.with_name(f"{target.name}.before-restore")
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
    if files:
        (folder / FileKind.CONFIGURATION.folder).rename(target)
    return tuple(str(target.joinpath(*file.name.split("/")[1:])) for file in files)
