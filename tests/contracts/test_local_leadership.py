"""The leadership of the only node meets the suite."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.leadership import LocalLeadership
from host.testing.contracts.leadership import LeadershipSuite, NewLeadership


class TestLocalLeadership(LeadershipSuite):
    @pytest.fixture
    def new_leadership(self) -> NewLeadership:
        return LocalLeadership

    def test_the_node_is_active_in_term_1_and_names_itself(self, tmp_path: Path) -> None:
        directory = LocalDataDirectory(DataDirectorySettings(path=tmp_path))
        leadership = LocalLeadership(directory)
        assert leadership.is_active()
        assert leadership.term() == 1
        assert leadership.holder() == directory.node()
        asyncio.run(leadership.resign())
        assert leadership.holder() is None
