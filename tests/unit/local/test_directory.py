"""The data directory is owned by one process at a time."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from host.contracts.contract import Service
from host.errors import DataDirectoryLockedError, StoreUnavailableError
from host.local.directory import LOCK_NAME, DataDirectorySettings, LocalDataDirectory
from host.testing.contracts.services import ServiceSuite

HOLDER = """
import asyncio, sys
from pathlib import Path
from host.local.directory import DataDirectorySettings, LocalDataDirectory
asyncio.run(LocalDataDirectory(DataDirectorySettings(path=Path(sys.argv[1]))).start())
print("held", flush=True)
sys.stdin.read()
"""


def directory_at(path: Path) -> LocalDataDirectory:
    return LocalDataDirectory(DataDirectorySettings(path=path))


class TestLocalDataDirectory(ServiceSuite):
    @pytest.fixture
    def new_service(self, tmp_path: Path) -> Callable[[], Service]:
        return lambda: directory_at(tmp_path / "data")

    def test_start_creates_the_folder_for_its_owner_alone(self, tmp_path: Path) -> None:
        directory = directory_at(tmp_path / "a" / "b")
        asyncio.run(directory.start())
        assert stat.S_IMODE(directory.path().stat().st_mode) == 0o700
        assert stat.S_IMODE((directory.path() / LOCK_NAME).stat().st_mode) == 0o600
        asyncio.run(directory.stop())

    def test_an_existing_folder_keeps_its_mode_and_files(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o750)
        (tmp_path / "kept").write_text("x")
        directory = directory_at(tmp_path)
        asyncio.run(directory.start())
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750
        assert (tmp_path / "kept").read_text() == "x"
        asyncio.run(directory.stop())

    def test_the_lock_file_names_process_and_node(self, tmp_path: Path) -> None:
        directory = directory_at(tmp_path)
        (tmp_path / LOCK_NAME).write_text("longer than what will be written there\n" * 10)
        asyncio.run(directory.start())
        assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n{directory.node()}\n"
        asyncio.run(directory.stop())

    def test_a_relative_path_is_made_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert directory_at(Path("data")).path() == tmp_path / "data"

    def test_a_second_owner_is_refused_and_told_who_holds_it(self, tmp_path: Path) -> None:
        first, second = directory_at(tmp_path), directory_at(tmp_path)
        asyncio.run(first.start())
        with pytest.raises(DataDirectoryLockedError, match=f"process {os.getpid()} .*{first.node()}") as refused:
            asyncio.run(second.start())
        assert refused.value.where == str(tmp_path / LOCK_NAME)
        assert refused.value.hint
        assert second.lock_descriptor is None
        asyncio.run(second.stop())
        with pytest.raises(DataDirectoryLockedError):
            asyncio.run(second.start())
        asyncio.run(first.stop())
        asyncio.run(second.start())
        asyncio.run(second.stop())

    def test_a_refused_owner_changes_nothing(self, tmp_path: Path) -> None:
        first = directory_at(tmp_path)
        asyncio.run(first.start())
        before = (tmp_path / LOCK_NAME).read_bytes()
        with pytest.raises(DataDirectoryLockedError):
            asyncio.run(directory_at(tmp_path).start())
        assert (tmp_path / LOCK_NAME).read_bytes() == before
        asyncio.run(first.stop())

    def test_refused_starts_leave_no_descriptor_open(self, tmp_path: Path) -> None:
        first = directory_at(tmp_path)
        asyncio.run(first.start())
        with pytest.raises(DataDirectoryLockedError):
            asyncio.run(directory_at(tmp_path).start())
        open_before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pytest.raises(DataDirectoryLockedError):
                asyncio.run(directory_at(tmp_path).start())
        assert len(os.listdir("/proc/self/fd")) == open_before
        asyncio.run(first.stop())

    def test_a_file_in_its_place_is_a_clear_error(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("")
        with pytest.raises(StoreUnavailableError, match=r"data.*cannot be used.*\(let user"):
            asyncio.run(directory_at(tmp_path / "data").start())

    def test_a_link_in_place_of_the_lock_file_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "victim").write_text("precious")
        (tmp_path / LOCK_NAME).symlink_to(tmp_path / "victim")
        with pytest.raises(StoreUnavailableError):
            asyncio.run(directory_at(tmp_path).start())
        assert (tmp_path / "victim").read_text() == "precious"

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
    def test_a_folder_that_may_not_be_written_is_a_clear_error(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(StoreUnavailableError, match="Permission denied"):
            asyncio.run(directory_at(tmp_path).start())

    def test_each_incarnation_has_another_node(self, tmp_path: Path) -> None:
        directory = directory_at(tmp_path)
        nodes = []
        for _ in range(3):
            asyncio.run(directory.start())
            assert directory.node() == directory.node()
            nodes.append(directory.node())
            asyncio.run(directory.stop())
        assert len(set(nodes)) == 3
        assert all(len(node.split("/")) == 3 for node in nodes)

    @pytest.mark.slow
    def test_a_killed_owner_leaves_the_folder_free(self, tmp_path: Path) -> None:
        with _holder(tmp_path) as owner:
            with pytest.raises(DataDirectoryLockedError, match=f"process {owner.pid} "):
                asyncio.run(directory_at(tmp_path).start())
            owner.kill()
        directory = directory_at(tmp_path)
        asyncio.run(directory.start())
        asyncio.run(directory.stop())

    def test_a_child_that_inherited_the_lock_keeps_it_after_stop(self, tmp_path: Path) -> None:
        directory = directory_at(tmp_path)
        asyncio.run(directory.start())
        assert directory.lock_descriptor is not None
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=[directory.lock_descriptor])
        asyncio.run(directory.stop())
        with pytest.raises(DataDirectoryLockedError):
            asyncio.run(directory.start())
        child.communicate()
        asyncio.run(directory.start())
        asyncio.run(directory.stop())

    def test_a_child_without_the_lock_does_not_keep_it(self, tmp_path: Path) -> None:
        directory = directory_at(tmp_path)
        asyncio.run(directory.start())
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
        asyncio.run(directory.stop())
        asyncio.run(directory.start())
        asyncio.run(directory.stop())
        child.communicate()

    def test_children_of_a_killed_owner_are_waited_for(self, tmp_path: Path) -> None:
        directory = directory_at(tmp_path)
        asyncio.run(directory.start())
        assert directory.lock_descriptor is not None
        child = subprocess.Popen(["/bin/sleep", "0.3"], pass_fds=[directory.lock_descriptor])
        asyncio.run(directory.stop())
        ended = subprocess.Popen(["/bin/true"])
        ended.wait()
        (tmp_path / LOCK_NAME).write_text(f"{ended.pid}\nnode\n")
        other = directory_at(tmp_path)
        asyncio.run(other.start())
        assert child.wait(60) == 0
        asyncio.run(other.stop())

    def test_a_child_that_outlives_the_owner_is_told_apart(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("host.local.directory.CHILDREN_SECONDS", 0.1)
        directory = directory_at(tmp_path)
        asyncio.run(directory.start())
        ended = subprocess.Popen(["/bin/true"])
        ended.wait()
        (tmp_path / LOCK_NAME).write_text(f"{ended.pid}\nnode\n")
        with pytest.raises(DataDirectoryLockedError, match=f"child of process {ended.pid}, which has ended"):
            asyncio.run(directory_at(tmp_path).start())
        asyncio.run(directory.stop())


def _holder(path: Path) -> subprocess.Popen[str]:
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    assert owner.stdout.readline() == "held\n"
    return owner
