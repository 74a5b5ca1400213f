"""An upstream that speaks nothing but SanteDB's AMI: what its providers lack is refused, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from host.contracts.contract import Contract
from host.testing.contracts.lacks import LacksSuite, NewProvider
from host.testing.contracts.services import running
from host_upstream.faces import UpstreamFaces
from plugins.upstream.tests.conformance.proxies import Proxies
from plugins.upstream.tests.conformance.upstream import UpstreamProcess


class Ami(LacksSuite):
    @pytest.fixture
    def new_provider(self, ami_process: UpstreamProcess, tmp_path: Path) -> NewProvider:
        @asynccontextmanager
        async def new_provider() -> AsyncIterator[Contract]:
            ami_process.begin()
            async with running(Proxies(tmp_path, ami_process)) as proxies:
                yield self.of(await proxies.upstream.faces())

        return new_provider

    def of(self, faces: UpstreamFaces) -> Contract:
        """Choose the provider."""
        raise NotImplementedError


class TestAmiJobManager(Ami):
    def of(self, faces: UpstreamFaces) -> Contract:
        return faces.jobs


class TestAmiRunControl(Ami):
    def of(self, faces: UpstreamFaces) -> Contract:
        return faces.control


class TestAmiScheduleManager(Ami):
    def of(self, faces: UpstreamFaces) -> Contract:
        return faces.schedules


class TestAmiRunReader(Ami):
    def of(self, faces: UpstreamFaces) -> Contract:
        return faces.runs


class TestAmiRunLog(Ami):
    def of(self, faces: UpstreamFaces) -> Contract:
        return faces.log
