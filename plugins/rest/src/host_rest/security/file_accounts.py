"""The accounts of a host, from the file in its data directory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from host.contracts.clock import Clock
from host.contracts.contract import Finding, Service
from host.contracts.host import DataDirectory
from host.contracts.security import AuditTrail
from host.errors import HostError, StoreUnavailableError
from host.model.security import AuditEvent, AuditOutcome
from host_rest.security.account_changes import AccountChange, changes_between
from host_rest.security.account_file import FILE_NAME, AccountFile
from host_rest.security.accounts import AccountBook
from host_rest.security.contracts import Accounts

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
"""How often somebody else's changes are looked for, to be told to the audit trail."""


class FileAccounts(Accounts, Service):
    """Serves ``accounts.json`` from memory, and reads it again as soon as it is another one.

    That the file is the same is asked of the file system each time, which costs a microsecond or two. So what the
    command line changes is in force with the next request; and soon in the audit trail, which is told of whatever
    others change while the host runs.
    """

    is_default = True

    def __init__(self, directory: DataDirectory, clock: Clock, trail: AuditTrail | None) -> None:
        self._file = AccountFile(directory.path() / FILE_NAME)
        self._read = _Read(seen=None)
        self._clock, self._trail = clock, trail
        self._told: AccountBook | None = None
        """As the audit trail knows them; None until they could be read."""
        self._one_at_a_time = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the file; one that cannot be read is a finding, and nobody can sign in."""
        if self._following is not None:
            return
        try:
            self._told = self.book()
        except HostError as error:
            logger.error("accounts cannot be read", where=error.where, reason=error.message)
        self._following = asyncio.create_task(self._follow(), name="accounts")

    async def stop(self) -> None:
        """Tell the audit trail of the last changes."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await self._look_for_changes()
            self._told = None

    def background(self) -> Sequence[asyncio.Task[None]]:
        """Give what looks for changes."""
        return () if self._following is None else (self._following,)

    def check(self) -> Sequence[Finding]:
        """Say whether the file cannot be used, or others may read it."""
        read = self._read
        if read.failure is not None:
            return [Finding(message=f"nobody can sign in: {read.failure}", is_failure=True)]
        if read.mode & 0o077:
            return [Finding(message=f"others may read {self._file.path}; chmod 600 it")]
        return ()

    def book(self) -> AccountBook:
        """Give the accounts as they are now."""
        # Invariant: what was read is replaced as one object, since the token service asks from its thread, too.
        read, seen = self._read, self._look()
        if read.seen != seen:
            read = self._read = self._read_again(seen)
        if read.failure is not None:
            failure = read.failure
            raise type(failure)(failure.message, where=failure.where, hint=failure.hint)
        return read.book

    async def change(self, edit: Callable[[AccountBook], AccountBook]) -> AccountBook:
        """Change the file, under its lock. The audit is left to whoever changes: they know for whom."""
        found: list[AccountBook] = []

        def edited(book: AccountBook) -> AccountBook:
            found[:] = [book, edit(book)]
            return found[1]

        async with self._one_at_a_time:
            await asyncio.to_thread(self._file.change, edited)
            before, after = found
            await self._tell(before)
            if self._told == before:
                self._told = after
        return self.book()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._look_for_changes()

    async def _look_for_changes(self) -> None:
        async with self._one_at_a_time:
            try:
                book = self.book()
            except HostError:
                return  # `check` tells of it, and what has changed is told when they can be read again
            await self._tell(book)

    async def _tell(self, book: AccountBook) -> None:
        """Tell the audit trail what is different from what it knows; what it does not take is told again later."""
        if self._told is None or self._trail is None or self._told is book:
            self._told = book
            return
        now = self._clock.now()
        changes = changes_between(self._told, book)
        try:
            await self._trail.record([_event(change, now) for change in changes])
        except HostError as error:
            logger.error("audit trail not written", reason=error.message)
        else:
            self._told = book

    def _look(self) -> tuple[int, ...]:
        try:
            return _identity(os.stat(self._file.path, follow_symlinks=False))
        except FileNotFoundError:
            return ()
        except OSError as error:
            return (-(error.errno or 1),)

    def _read_again(self, seen: tuple[int, ...]) -> _Read:
        try:
            state = self._file.read()
        except StoreUnavailableError as error:
            return _Read(seen=None, failure=error)  # it may pass without the file changing: too many open files
        except HostError as error:
            return _Read(seen=seen, failure=error)
        if state.stat is None:
            return _Read(seen=())
        return _Read(seen=_identity(state.stat), book=state.book, mode=state.stat.st_mode)


def _event(change: AccountChange, at: datetime) -> AuditEvent:
    return AuditEvent(
        at=at,
        by=None,
        face="accounts",
        action=change.action,
        target=change.target,
        outcome=AuditOutcome.SUCCESS,
        detail=change.detail,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    seen: tuple[int, ...] | None
    """What the file system said of the file then; empty for no file, None before the first look."""
    book: AccountBook = field(default_factory=AccountBook)
    failure: HostError | None = None
    mode: int = 0


def _identity(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size
