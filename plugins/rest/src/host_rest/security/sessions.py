"""Sessions, and the refresh tokens that prolong them: in memory for every request, on the disk for the next start."""

from __future__ import annotations

import hmac
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from host.errors import AuthenticationError, StoreCorruptError, StoreUnavailableError
from host.model.ids import from_microseconds, to_microseconds
from host.model.security import PrincipalKind

FILE_NAME = "sessions.sqlite"
APPLICATION_ID = 0x6A685345
"""``jhSE``, in the file's header."""
VERSION = 1
MAX_OF_ACCOUNT = 1000
"""Sessions one account may have; the oldest ends when another one begins."""
PRUNED_EVERY_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What began with one sign-in."""

    id: str
    account: str
    kind: PrincipalKind
    stamp: str = field(repr=False)
    """The account's when the session began."""
    client: str | None
    scopes: tuple[str, ...]
    began_at: datetime
    ends_at: datetime
    """When the last of its tokens ends."""
    family: bytes | None = field(default=None, repr=False)
    """Hash of what all refresh tokens of the session have in common; None where there are none."""
    secret: bytes | None = field(default=None, repr=False)
    """Hash of what only the newest refresh token has."""


class SessionStore:
    """Sessions in an SQLite file. One thread opens, changes and closes it; ``get`` may be called from any.

    Every change is on the disk before it is in force, but the end of a session, which is in force at once. Raises
    StoreUnavailableError when the file cannot be written, StoreCorruptError for one that is damaged, foreign or newer,
    which is left untouched.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sql = _statements()
        self._connection: sqlite3.Connection | None = None
        self._sessions: dict[str, Session] = {}
        self._by_family: dict[bytes, str] = {}
        self._by_account: defaultdict[tuple[PrincipalKind, str], dict[str, None]] = defaultdict(dict)
        self._unwritten: set[str] = set()
        """Ids of sessions that have ended, and that the file still has."""
        self._pruned_at = 0.0

    def open(self, now: datetime) -> None:
        """Open the file, creating it if it is missing, and read the sessions that have not ended."""
        with self._told_errors():
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=5)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        self._prune(now)
        with self._told_errors(), closing(connection.execute(self._sql["all"])) as rows:
            for row in rows:
                self._remember(_session(row))

    def close(self) -> None:
        """Close the file and forget what was in it."""
        connection, self._connection = self._connection, None
        self._sessions, self._by_family = {}, {}
        self._by_account.clear()
        if connection is not None:
            connection.close()

    def get(self, id: str) -> Session | None:
        """Give a session that was not ended; its time may be over."""
        return self._sessions.get(id)

    def begin(self, session: Session, *, now: datetime) -> None:
        """Keep a session; it may end the oldest one of the same account."""
        self._prune(now)
        siblings = self._by_account[session.kind, session.account]
        surplus = list(siblings)[: max(0, len(siblings) + 1 - MAX_OF_ACCOUNT)]
        with self._writing() as connection:
            for id in surplus:
                connection.execute(self._sql["end"], (id,))
            connection.execute(self._sql["put"], _row(session))
        for id in surplus:
            self._forget(id)
        self._remember(session)

    def of_family(self, family: bytes) -> Session | None:
        """Give the session whose refresh tokens have this hash in common."""
        id = self._by_family.get(family)
        return None if id is None else self._sessions.get(id)

    def renew(self, session: Session, used: bytes, new: bytes, *, ends_at: datetime) -> Session:
        """Let a session last longer and have another refresh token.

        Raises AuthenticationError unless ``used`` is its newest one: an older one was stolen, or the newest was, and
        nobody can say which; the session has ended then.
        """
        if session.secret is None or not hmac.compare_digest(session.secret, used):
            self.end(session.id)
            raise AuthenticationError("the refresh token was used before; its session has ended", hint="sign in again")
        renewed = replace(session, secret=new, ends_at=ends_at)
        with self._writing() as connection:
            connection.execute(self._sql["put"], _row(renewed))
        self._remember(renewed)
        return renewed

    def end(self, id: str) -> None:
        """End a session; nothing of it is valid from now on, nor after any restart when the call returns.

        Where the file cannot be written, that is raised, and tried again with every later change.
        """
        if id in self._sessions:
            self._unwritten.add(id)
            self._forget(id)
        self.write_ends()

    def write_ends(self) -> None:
        """Let no session come back that has ended; nothing to do unless an earlier end could not be written."""
        if self._unwritten:
            with self._writing():
                pass

    def _prune(self, now: datetime) -> None:
        seconds = now.timestamp()
        if abs(seconds - self._pruned_at) < PRUNED_EVERY_SECONDS:
            return
        with self._writing() as connection:
            connection.execute(self._sql["prune"], (to_microseconds(now),))
        for id in [session.id for session in self._sessions.values() if session.ends_at <= now]:
            self._forget(id)
        self._pruned_at = seconds

    def _remember(self, session: Session) -> None:
        self._sessions[session.id] = session
        self._by_account[session.kind, session.account][session.id] = None
        if session.family is not None:
            self._by_family[session.family] = session.id

    def _forget(self, id: str) -> None:
        session = self._sessions.pop(id)
        siblings = self._by_account[session.kind, session.account]
        siblings.pop(id, None)
        if not siblings:
            del self._by_account[session.kind, session.account]
        if session.family is not None:
            self._by_family.pop(session.family, None)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        if connection is None:
            raise StoreUnavailableError("sessions cannot be kept: the token service is stopped", where=str(self._path))
        with self._told_errors():
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(self._sql["end"], [(id,) for id in self._unwritten])
                yield connection
                connection.execute("COMMIT")
                self._unwritten.clear()
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _prepare(self, connection: sqlite3.Connection) -> None:
        ((application_id,),) = connection.execute("PRAGMA application_id")
        ((version,),) = connection.execute("PRAGMA user_version")
        ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_schema")
        if tables and application_id != APPLICATION_ID:
            raise StoreCorruptError("is no file of sessions", where=str(self._path), hint="it was left untouched")
        if version > VERSION:
            message = f"has version {version}; this host reads up to {VERSION}"
            raise StoreCorruptError(message, where=str(self._path), hint="start the newer host that wrote it")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if not tables:
            connection.executescript(
                f"BEGIN IMMEDIATE; {self._sql['schema']};"
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
            )

    @contextmanager
    def _told_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            is_damaged = isinstance(error, sqlite3.DatabaseError) and type(error) is sqlite3.DatabaseError
            if is_damaged:
                hint = "move it away, and everybody must sign in again"
                raise StoreCorruptError(f"is damaged: {error}", where=str(self._path), hint=hint) from error
            raise StoreUnavailableError(f"cannot be used: {error}", where=str(self._path)) from error


def _statements() -> Mapping[str, str]:
    text = files("host_rest.security").joinpath("sql", "sessions.sql").read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in text.split("-- name: ")[1:])
    return {name.strip(): sql.strip().rstrip(";") for name, _, sql in parts}


def _row(session: Session) -> tuple[str | int | bytes | None, ...]:
    return (
        session.id,
        session.account,
        session.kind.value,
        session.stamp,
        session.client,
        " ".join(session.scopes),
        to_microseconds(session.began_at),
        to_microseconds(session.ends_at),
        session.family,
        session.secret,
    )


def _session(row: tuple[str, str, str, str, str | None, str, int, int, bytes | None, bytes | None]) -> Session:
    id, account, kind, stamp, client, scopes, began_at, ends_at, family, secret = row
    return Session(
        id=id,
        account=account,
        kind=PrincipalKind(kind),
        stamp=stamp,
        client=client,
        scopes=tuple(scopes.split()),
        began_at=from_microseconds(began_at),
        ends_at=from_microseconds(ends_at),
        family=family,
        secret=secret,
    )
