"""What a doctor looks at on the machine: folder, disk, lock, limits, versions, clock and time zones."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sqlite3
import zoneinfo
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from host.cli.diagnosis import Diagnosis, failed, look, well
from host.cli.find import now
from host.local.directory import LOCK_NAME

GIBIBYTE = 1024**3
FEW_BYTES = GIBIBYTE
NO_BYTES = 32 * 1024**2
FEW_SHARE = 0.05
FEW_FILES = 1024
OLDEST_SQLITE = (3, 37)
"""Tables are STRICT (sqlite.org/stricttables.html)."""
OLD_ZONES_YEARS = 2
EARLIEST_YEAR = 2025
"""A wall clock before it was never set."""
_SYNCHRONISED = Path("/run/systemd/timesync")


def look_at_machine(directory: Path | None, pid: int | None) -> Iterator[Diagnosis]:
    """Look at everything that needs no running host; ``pid`` is the host's where one answers."""
    if directory is not None:
        yield _folder(directory)
        if directory.exists():
            yield _disk(directory)
            yield _lock(directory, pid)
    yield _open_files(pid)
    yield _versions()
    yield _wall_clock()
    yield _zones()


def _folder(directory: Path) -> Diagnosis:
    if not directory.exists():
        return look("data directory", f"{directory} does not exist", "the first `jobhost serve` makes it")
    is_read_only = bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    if is_read_only or not os.access(directory, os.W_OK | os.X_OK):
        hint = f"let user {os.geteuid()} write there, or use the account that runs the host"
        return failed("data directory", f"{directory} cannot be written", hint)
    if directory.stat().st_mode & 0o077:
        return look("data directory", f"others than its owner may enter {directory}", f"chmod 700 {directory}")
    return well("data directory", f"{directory} can be written")


def _disk(directory: Path) -> Diagnosis:
    usage = shutil.disk_usage(directory)
    text = f"{size_words(usage.free)} free of {size_words(usage.total)}"
    if usage.free < NO_BYTES:
        return failed("disk", text, "free space: nothing can be written any more")
    if usage.free < FEW_BYTES or usage.free < FEW_SHARE * usage.total:
        return look("disk", text, "free space, or let retention keep less")
    return well("disk", text)


def _lock(directory: Path, pid: int | None) -> Diagnosis:
    if pid is not None:
        return well("lock", f"owned by process {pid}")
    try:
        owner = _owner_of(directory / LOCK_NAME)
    except OSError:
        return look("lock", "the kernel does not tell here who owns it")
    if owner is None:
        return well("lock", "owned by nobody")
    return failed("lock", f"owned by process {owner}, which does not answer", "it may be starting: look again")


def may_be_owned(directory: Path) -> bool:
    """Say whether a process holds the directory's lock, or may hold it where the kernel does not tell."""
    try:
        return _owner_of(directory / LOCK_NAME) is not None
    except OSError:
        return True


def _owner_of(path: Path) -> str | None:
    """Give the process that holds a file's lock, as the kernel lists it (proc(5)); taking the lock would disturb."""
    if not path.exists():
        return None
    inode = str(path.stat().st_ino)
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        _, kind, _, _, pid, place, *_ = line.split()
        if kind == "FLOCK" and place.rpartition(":")[2] == inode:
            return pid
    return None


def _open_files(pid: int | None) -> Diagnosis:
    used = _files_of(pid) if pid else None
    limit = _limit_of(pid if used is not None else None)
    text = f"at most {limit}" + (f", {used} open" if used is not None else "")
    if used is not None and used > 0.8 * limit:
        return look("open files", text, "raise LimitNOFILE of the service (ulimit -n)")
    if 0 <= limit < FEW_FILES:
        return look("open files", text, f"allow {FEW_FILES} or more: LimitNOFILE of the service (ulimit -n)")
    return well("open files", text)


def _limit_of(pid: int | None) -> int:
    """Give how many files a process may have open: ours, where it is none that we may ask about."""
    return resource.prlimit(pid or os.getpid(), resource.RLIMIT_NOFILE)[0]


def _files_of(pid: int) -> int | None:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def _versions() -> Diagnosis:
    text = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        return failed("versions", text, f"use a Python whose SQLite is {oldest} or newer")
    return well("versions", text)


def _wall_clock() -> Diagnosis:
    present = now()
    text = f"{present.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    if present.year < EARLIEST_YEAR:
        return failed("clock", text, "set it: schedules follow it")
    if _SYNCHRONISED.is_dir():
        if not (_SYNCHRONISED / "synchronized").exists():
            return look("clock", f"{text}, not synchronised", "timedatectl timesync-status")
        return well("clock", f"{text}, synchronised")
    return well("clock", text)


def _zones() -> Diagnosis:
    stated, place = _zone_data()
    if stated is None:
        return look("time zones", f"data of unknown age in {place}", "install the package tzdata")
    text = f"data of {stated} in {place}"
    if now().year - int(stated[:4]) >= OLD_ZONES_YEARS:
        return look("time zones", text, "update tzdata: governments change clocks every year")
    return well("time zones", text)


def _zone_data() -> tuple[str | None, str]:
    """Give the version of the data that Python reads (``2026a``), and where it is (zoneinfo: data sources)."""
    for folder in map(Path, zoneinfo.TZPATH):
        if (folder / "Europe").is_dir():
            return _stated_version(folder), str(folder)
    return version("tzdata"), "the package tzdata"


def _stated_version(folder: Path) -> str | None:
    try:
        with (folder / "tzdata.zi").open(encoding="ascii") as file:
            first = file.readline()
    except (OSError, UnicodeDecodeError):
        return None
    stated = first.removeprefix("# version ").strip()
    return stated if stated[:4].isdecimal() else None


def size_words(number: int) -> str:
    """Give a size in its largest unit: ``1.5 GiB``."""
    amount, units = float(number), ["TiB", "GiB", "MiB", "KiB", "B"]
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        units.pop()
    return f"{amount:.0f} {units[-1]}" if units[-1] == "B" or amount >= 100 else f"{amount:.1f} {units[-1]}"


def started_by_uptime(pid: int) -> datetime | None:
    """Give when a process began by the clock as it is set now, from its age since boot; None where nobody tells.

    A wall clock that was stepped since then makes it differ from what the process noted at its start.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    except OSError:
        return None
    ticks = int(stat.rpartition(")")[2].split()[19])
    return now() - timedelta(seconds=uptime - ticks / os.sysconf("SC_CLK_TCK"))
