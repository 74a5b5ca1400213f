"""The one thread that writes to an SQLite file: it takes what is queued and commits it together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeAlias

from host.errors import HostError, StoreUnavailableError
from host.local.sqlite_file import store_error

MAX_GROUP = 128
"""How many operations one commit takes at most."""
PROBE_SECONDS = 2.0
"""After a failure an idle writer tries this often whether the file can be written again."""

Operation: TypeAlias = Callable[[sqlite3.Connection], object]
Callback: TypeAlias = Callable[[Exception], None]


@dataclass(slots=True)
class _Task:
    operation: Operation
    future: asyncio.Future[object] | None = None
    loop: asyncio.AbstractEventLoop | None = None
    on_error: Callback | None = None
    result: object = None
    error: Exception | None = None


class SqliteWriter:
    """Runs operations in the order they were given, each once and whole or not at all.

    An operation that raises a HostError must have written nothing; whatever else goes wrong undoes the group,
    which is then tried again one operation at a time, so that a failure is its own operation's alone.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, on_rollback: Callable[[], None]) -> None:
        self._connection = connection
        self._path = path
        self._on_rollback = on_rollback
        self._queue: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=f"{path.name}-writer", daemon=True)
        self._is_closed = False
        self.after_commit: Callable[[], None] = lambda: None
        """Called on the writer's thread after each group."""
        self.failure: str | None = None
        """Why the file cannot be written, by the last attempt; None while all is well."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Refuse new operations, perform the queued ones, and wait for the thread to end."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
        self._thread.join()

    def submit(self, operation: Operation) -> asyncio.Future[object]:
        """Queue an operation; the future belongs to the running event loop and is done once it is durable."""
        self._refuse_closed()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        self._queue.put(_Task(operation, future, loop))
        return future

    def post(self, operation: Operation, on_error: Callback | None) -> None:
        """Queue an operation nobody waits for; ``on_error`` is called on the writer's thread."""
        self._refuse_closed()
        self._queue.put(_Task(operation, on_error=on_error))

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise StoreUnavailableError("the store is closed", where=str(self._path))

    def _work(self) -> None:
        while True:
            group, is_last = self._take()
            if group:
                self._perform(group)
                _tell(group)
                self.after_commit()
            if is_last:
                return

    def _take(self) -> tuple[list[_Task], bool]:
        group: list[_Task] = []
        task = self._first()
        while task is not None:
            group.append(task)
            if len(group) >= MAX_GROUP:
                return group, False
            try:
                task = self._queue.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _first(self) -> _Task | None:
        """Wait for an operation; meanwhile find out whether a failure is over, so that nobody reads of an old one."""
        while self.failure is not None:
            try:
                return self._queue.get(timeout=PROBE_SECONDS)
            except Empty:
                self._perform([_Task(_write_nothing_new)])
        return self._queue.get()

    def _perform(self, group: list[_Task]) -> None:
        try:
            self._commit(group)
            self.failure = None
        except Exception as error:  # whatever happened, it is told to those who asked
            self._undo()
            if len(group) > 1:
                for task in group:
                    self._perform([task])
                return
            group[0].error = self._translate(error)

    def _commit(self, group: list[_Task]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        for task in group:
            task.error = None
            before = connection.total_changes
            try:
                task.result = task.operation(connection)
            except HostError as error:
                if connection.total_changes != before:
                    raise
                task.error = error
        connection.execute("COMMIT")

    def _undo(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self.failure = str(error)
        self._on_rollback()

    def _translate(self, error: Exception) -> Exception:
        told = store_error(error, self._path) if isinstance(error, sqlite3.Error) else None
        if told is not None:
            self.failure = told.message
            told.__cause__ = error
        return told or error


def _write_nothing_new(connection: sqlite3.Connection) -> None:
    """Write a page as it is, which needs all that any write needs."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version={version}")


def _tell(group: list[_Task]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Task]] = {}
    for task in group:
        if task.loop is not None:
            by_loop.setdefault(task.loop, []).append(task)
        elif task.error is not None and task.on_error is not None:
            task.on_error(task.error)
    for loop, tasks in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, tasks)
        except RuntimeError:
            continue  # that loop is closed: nobody waits there any more


def _resolve(tasks: list[_Task]) -> None:
    for task in tasks:
        if task.future is None or task.future.done():
            continue
        if task.error is not None:
            task.future.set_exception(task.error)
        else:
            task.future.set_result(task.result)
