"""SQLite as the stores use it: grouped writes, faults, damage, upkeep."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from host.errors import RunNotFoundError, StoreCorruptError, StoreUnavailableError
from host.local import sqlite
from host.local.sqlite import SqliteDatabase
from host.local.sqlite_file import restore_file

ID = 0x1234
FIRST = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) STRICT"


def database(path: Path, *migrations: str, **options) -> SqliteDatabase:
    return SqliteDatabase(path, migrations=migrations or (FIRST,), application_id=ID, **options)


def use(path: Path, check: Callable[[SqliteDatabase], Awaitable[None]], *migrations: str, **options) -> None:
    async def main() -> None:
        db = database(path, *migrations, **options)
        await db.start()
        try:
            await check(db)
        finally:
            await db.stop()

    asyncio.run(main())


def add(text: str = "x") -> Callable[[sqlite3.Connection], int]:
    return lambda connection: connection.execute("INSERT INTO t (b) VALUES (?)", (text,)).lastrowid or 0


def texts(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT b FROM t ORDER BY a")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a b%c?.sqlite"


@pytest.fixture
def filled(path: Path) -> Path:
    async def check(db: SqliteDatabase) -> None:
        for _ in range(20):
            await db.write(add("y" * 3000))

    use(path, check)
    return path


def test_what_was_written_is_read_at_once_and_after_a_restart(path: Path) -> None:
    async def write(db: SqliteDatabase) -> None:
        for number in range(50):
            await db.write(add(str(number)))
            assert len(await db.read(texts)) == number + 1

    async def read(db: SqliteDatabase) -> None:
        assert await db.read(texts) == [str(number) for number in range(50)]

    use(path, write)
    use(path, read)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600


def test_concurrent_writes_share_commits_and_keep_their_order(path: Path) -> None:
    async def check(db: SqliteDatabase) -> None:
        commits = []
        db._writer.after_commit = lambda: commits.append(None)
        ids = await asyncio.gather(*(db.write(add(str(number))) for number in range(500)))
        assert ids == list(range(1, 501))
        assert len(commits) < 100

    use(path, check)


def test_a_failing_operation_fails_alone(path: Path) -> None:
    undone = []

    def fail(connection: sqlite3.Connection) -> None:
        add("bad")(connection)
        raise ValueError("no")

    async def check(db: SqliteDatabase) -> None:
        results = await asyncio.gather(
            *(db.write(fail if number % 5 == 2 else add(str(number))) for number in range(10)), return_exceptions=True
        )
        assert [type(result) for result in results].count(ValueError) == 2
        assert await db.read(texts) == [str(number) for number in range(10) if number % 5 != 2]
        assert undone

    use(path, check, on_rollback=lambda: undone.append(None))


def test_a_refusal_that_wrote_nothing_undoes_nothing(path: Path) -> None:
    undone = []

    def refuse(connection: sqlite3.Connection) -> None:
        raise RunNotFoundError("no run has this id")

    async def check(db: SqliteDatabase) -> None:
        results = await asyncio.gather(db.write(add("a")), db.write(refuse), db.write(add("b")), return_exceptions=True)
        assert [type(result) for result in results] == [int, RunNotFoundError, int]
        assert await db.read(texts) == ["a", "b"]
        assert undone == []

    use(path, check, on_rollback=lambda: undone.append(None))


def test_a_refusal_that_wrote_something_is_undone(path: Path) -> None:
    def refuse(connection: sqlite3.Connection) -> None:
        add("bad")(connection)
        raise RunNotFoundError("no run has this id")

    async def check(db: SqliteDatabase) -> None:
        results = await asyncio.gather(db.write(add("a")), db.write(refuse), db.write(add("b")), return_exceptions=True)
        assert [type(result) for result in results] == [int, RunNotFoundError, int]
        assert await db.read(texts) == ["a", "b"]

    use(path, check)


def test_a_full_disk_is_told_and_writing_goes_on_when_there_is_space(path: Path) -> None:
    async def check(db: SqliteDatabase) -> None:
        await db.write(add("before"))
        await db.write(lambda connection: connection.execute("PRAGMA max_page_count = 20").fetchone())
        results = await asyncio.gather(*(db.write(add("z" * 60_000)) for _ in range(5)), return_exceptions=True)
        failures = [result for result in results if isinstance(result, StoreUnavailableError)]
        assert len(failures) >= 4
        assert "free space" in str(failures[0])
        assert db.failure
        stored = await db.read(texts)
        assert len(stored) == 1 + len(results) - len(failures)
        await db.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
        await db.write(add("after"))
        assert db.failure is None
        assert await db.read(texts) == [*stored, "after"]
        assert await db.verify() == []

    use(path, check)


def test_a_cancelled_waiter_harms_nobody(path: Path) -> None:
    async def check(db: SqliteDatabase) -> None:
        tasks = [asyncio.ensure_future(db.write(add(str(number)))) for number in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await db.write(add("last")) == 11

    use(path, check)


def test_a_posted_failure_is_given_to_its_callback(path: Path) -> None:
    async def check(db: SqliteDatabase) -> None:
        failures: list[Exception] = []
        db.post(add("a"), on_error=failures.append)
        db.post(lambda connection: connection.execute("INSERT INTO missing VALUES (1)"), on_error=failures.append)
        await db.write(add("b"))
        assert [type(failure) for failure in failures] == [sqlite3.OperationalError]
        assert await db.read(texts) == ["a", "b"]

    use(path, check)


def test_what_was_posted_before_stop_is_written(path: Path) -> None:
    async def post(db: SqliteDatabase) -> None:
        for number in range(300):
            db.post(add(str(number)))

    async def read(db: SqliteDatabase) -> None:
        assert len(await db.read(texts)) == 300

    use(path, post)
    use(path, read)


def test_a_read_cannot_write_and_a_long_one_is_ended(path: Path) -> None:
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    async def check(db: SqliteDatabase) -> None:
        with pytest.raises(StoreUnavailableError):
            await db.read(add())
        with pytest.raises(StoreUnavailableError, match="too long"):
            await db.read(lambda connection: connection.execute(endless).fetchone(), seconds=0.05)
        assert await db.read(texts) == []

    use(path, check)


def test_a_closed_store_says_so(path: Path) -> None:
    async def check() -> None:
        db = database(path)
        await db.stop()
        for _ in range(2):
            for call in (db.write(add()), db.read(texts), db.backup(path), db.verify()):
                with pytest.raises(StoreUnavailableError):
                    await call
            await db.start()
            await db.start()
            await db.stop()
            await db.stop()

    asyncio.run(check())


def test_migrations_are_applied_once_and_in_order(path: Path) -> None:
    async def look(db: SqliteDatabase) -> None:
        assert await db.read(lambda connection: connection.execute("PRAGMA user_version").fetchone()) == (2,)
        assert await db.read(lambda connection: connection.execute("SELECT c FROM t").fetchall()) == [("d",)]

    use(path, lambda db: db.write(add()))
    second = "ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'd'"
    use(path, look, FIRST, second)
    use(path, look, FIRST, second)


def test_a_failed_migration_changes_nothing(filled: Path) -> None:
    broken = "CREATE TABLE u (a INTEGER) STRICT; INSERT INTO missing VALUES (1)"
    with pytest.raises(sqlite3.OperationalError):
        use(filled, lambda db: db.verify(), FIRST, broken)

    async def look(db: SqliteDatabase) -> None:
        tables = "SELECT name FROM sqlite_schema WHERE type = 'table'"
        assert await db.read(lambda connection: connection.execute(tables).fetchall()) == [("t",)]

    use(filled, look)


@pytest.mark.parametrize("damage", ["text", "short", "truncated", "newer", "foreign"])
def test_a_file_that_cannot_be_used_is_refused_and_left_untouched(filled: Path, damage: str) -> None:
    data = filled.read_bytes()
    if damage == "text":
        filled.write_bytes(b"<xml/>\n" * 1000)
    elif damage == "short":
        filled.write_bytes(data[:50])
    elif damage == "truncated":
        filled.write_bytes(data[: len(data) // 2])
    else:
        connection = sqlite3.connect(filled)
        connection.execute("PRAGMA user_version = 9" if damage == "newer" else "PRAGMA application_id = 99")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    before = filled.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreCorruptError) as caught:
            use(filled, lambda db: db.verify())
        assert caught.value.where == str(filled)
        assert caught.value.hint
    assert filled.read_bytes() == before


def test_damage_inside_is_found_by_reading_and_by_verify(filled: Path) -> None:
    async def check(db: SqliteDatabase) -> None:
        data = bytearray(filled.read_bytes())
        data[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
        filled.write_bytes(data)
        with pytest.raises(StoreCorruptError):
            await db.read(texts)
        assert await db.verify()

    use(filled, check)


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError):
        use(tmp_path / "missing" / "a.sqlite", lambda db: db.verify())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_told(filled: Path) -> None:
    filled.chmod(0o400)
    filled.parent.chmod(0o500)
    try:
        with pytest.raises(StoreUnavailableError, match="permissions"):
            use(filled, lambda db: db.verify())
    finally:
        filled.parent.chmod(0o700)


def test_a_backup_made_while_writing_is_whole_and_can_be_restored(filled: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"

    async def back_up(db: SqliteDatabase) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(db.backup(copy))
            for _ in range(50):
                group.create_task(db.write(add("later")))

    async def look(db: SqliteDatabase) -> None:
        assert (await db.read(texts))[:20] == ["y" * 3000] * 20
        assert await db.verify() == []

    use(filled, back_up)
    use(copy, look)
    use(filled, lambda db: db.write(add("newest")))
    assert restore_file(filled, copy, versions=1, application_id=ID) == [filled]
    use(filled, look)
    previous = filled.with_name(filled.name + ".before-restore")
    use(previous, look)
    assert len(sqlite3.connect(previous).execute("SELECT a FROM t").fetchall()) == 71


def test_a_copy_that_is_unsound_is_not_restored(filled: Path, tmp_path: Path) -> None:
    before = filled.read_bytes()
    for content in (None, b"", b"nonsense" * 100, before[:9000]):
        copy = tmp_path / "copy.sqlite"
        if content is not None:
            copy.write_bytes(content)
        with pytest.raises(StoreCorruptError):
            restore_file(filled, copy, versions=1, application_id=ID)
    assert filled.read_bytes() == before
    assert not filled.with_name(filled.name + ".before-restore").exists()


def test_optimise_returns_free_space(path: Path) -> None:
    async def check(db: SqliteDatabase) -> None:
        await asyncio.gather(*(db.write(add("y" * 3000)) for _ in range(300)))
        await db.write(lambda connection: connection.execute("DELETE FROM t WHERE a > 10"))
        assert "returned" in await db.optimise(timedelta(milliseconds=20))

    use(path, check)
    assert path.stat().st_size < 200_000


def test_the_log_stays_bounded_under_steady_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_BYTES", 100_000)
    monkeypatch.setattr(sqlite, "TRUNCATE_BYTES", 1_000_000)
    sizes = []

    async def check(db: SqliteDatabase) -> None:
        for _ in range(150):
            await asyncio.gather(*(db.write(add("y" * 3000)) for _ in range(40)))
            sizes.append(path.with_name(path.name + "-wal").stat().st_size)

    use(path, check, synchronous="NORMAL")
    assert max(sizes) < 9_000_000  # about half of what was written, however late the machine lets a checkpoint begin
    assert path.stat().st_size > 9_000_000


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill(path: Path) -> None:
    program = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from host.local.sqlite import SqliteDatabase
        async def main():
            db = SqliteDatabase(Path(sys.argv[1]), migrations=[sys.argv[2]], application_id=0x1234)
            await db.start()
            async def write(worker):
                for number in range(100000):
                    text = f"{worker}/{number}"
                    await db.write(lambda c: c.execute("INSERT INTO t (b) VALUES (?)", (text,)).rowcount)
                    print(text, flush=True)
            await asyncio.gather(*(write(worker) for worker in range(4)))
        asyncio.run(main())
    """)
    command = [sys.executable, "-c", program, str(path), FIRST]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        acknowledged = [process.stdout.readline().strip() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]

    async def check(db: SqliteDatabase) -> None:
        assert set(acknowledged) <= set(await db.read(texts))
        assert await db.verify() == []

    use(path, check)
