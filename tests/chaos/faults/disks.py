"""A disk that is full, a file that may not grow, a store that may not be written."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import time
from pathlib import Path

from host.errors import StoreUnavailableError
from tests.chaos.desk import Desk
from tests.chaos.faults.fault import Fault

DISK_MEGABYTES = 32
EFFECT_SECONDS = 60.0
HEAL_SECONDS = 60.0
ROOM = 256 << 10
REFUSED_STATUS = 5


class StoreOutage(Fault):
    """The store of a running host cannot be written for a while: submissions are refused, outcomes are held."""

    async def inject(self, desk: Desk) -> None:
        desk.journal.note("trouble", note=self.name)
        self.begin(desk)
        desk.expect(await self._is_refused(desk), "no submission was refused: the fault had no effect")
        await asyncio.sleep(desk.chance.uniform(0.2, 0.8))

    async def heal(self, desk: Desk) -> None:
        self.end(desk)
        until = time.monotonic() + HEAL_SECONDS
        while await self._refuses(desk) and time.monotonic() < until:
            await asyncio.sleep(0.1)
        desk.expect(time.monotonic() < until, f"refused submissions {HEAL_SECONDS:.0f} s after the fault had healed")
        await asyncio.sleep(1.2)  # fires and outcomes are tried again every second
        desk.journal.note("calm", note=self.name)

    def begin(self, desk: Desk) -> None:
        """Take the store away."""

    def end(self, desk: Desk) -> None:
        """Give it back."""

    async def _is_refused(self, desk: Desk) -> bool:
        until = time.monotonic() + EFFECT_SECONDS
        while time.monotonic() < until:
            if await self._refuses(desk):
                return True
            await asyncio.sleep(0.02)
        return False

    async def _refuses(self, desk: Desk) -> bool:
        try:
            await desk.submit(*(desk.submission("Free", seconds=0) for _ in range(20)))
        except StoreUnavailableError:
            return True
        return False


class FullDisk(StoreOutage):
    """The data directory is a disk of its own, and something else fills it."""

    name = "disk-full"
    about = "the disk of the data directory is filled to its last byte, and freed"

    def missing(self) -> str | None:
        return needs_root()

    def prepare(self, desk: Desk) -> None:
        mount(desk.host.data)

    def begin(self, desk: Desk) -> None:
        with (desk.host.data / "ballast").open("wb", buffering=0) as file:
            for size in (65536, 1):
                _write_all(file.fileno(), b"x" * size)

    def end(self, desk: Desk) -> None:
        (desk.host.data / "ballast").unlink()

    def clean(self, desk: Desk) -> None:
        desk.host.kill()
        unmount(desk.host.data)


class FileSizeLimit(StoreOutage):
    """No file of the host's may grow any more: what a quota does, without root."""

    name = "file-limit"
    about = "RLIMIT_FSIZE below the size of the store's files and the room to grow, and lifted"

    def begin(self, desk: Desk) -> None:
        # The job's own log is under the limit too, and the truth must go on: it has some room.
        self._limit(desk, desk.journal.path.stat().st_size + ROOM)

    def end(self, desk: Desk) -> None:
        self._limit(desk, resource.RLIM_INFINITY)

    def _limit(self, desk: Desk, size: int) -> None:
        _, hard = resource.prlimit(desk.host.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(desk.host.pid, resource.RLIMIT_FSIZE, (size, hard))


class ReadOnlyStore(Fault):
    """After a restart the data directory cannot be written: the start is refused, and works once it can."""

    name = "read-only"
    about = "SIGTERM, the disk of the data directory read-only: the start must be refused with status 5; writable again"

    def missing(self) -> str | None:
        return needs_root()

    def prepare(self, desk: Desk) -> None:
        mount(desk.host.data)

    async def inject(self, desk: Desk) -> None:
        code = await asyncio.to_thread(desk.host.terminate)
        desk.expect(code == 0, f"SIGTERM ended the host with status {code}")
        _mount("-o", "remount,ro", str(desk.host.data))
        refused = await asyncio.to_thread(desk.host.run, "serve", ok=False, seconds=20)
        desk.expect(refused.returncode == REFUSED_STATUS, f"the start ended with status {refused.returncode}")
        desk.expect(str(desk.host.data) in refused.stderr, "the refusal does not name the directory")

    async def heal(self, desk: Desk) -> None:
        _mount("-o", "remount,rw", str(desk.host.data))
        await desk.start()

    def clean(self, desk: Desk) -> None:
        desk.host.kill()
        unmount(desk.host.data)


def needs_root() -> str | None:
    """Say so if nothing can be mounted here."""
    return None if os.geteuid() == 0 else "mounting needs root"


def mount(folder: Path) -> None:
    """Make a folder a small disk of its own."""
    _mount("-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder))


def unmount(folder: Path) -> None:
    """Take the disk away, if it is one."""
    if folder.is_mount():
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def _write_all(file: int, data: bytes) -> None:
    try:
        while True:
            os.write(file, data)
    except OSError:
        return  # full, which is what is wanted


DISKS: tuple[type[Fault], ...] = (FullDisk, FileSizeLimit, ReadOnlyStore)
