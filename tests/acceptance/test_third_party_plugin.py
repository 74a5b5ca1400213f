"""A distribution outside the repository, built from the page that teaches it, installed and run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.hostprocess import HostProcess
from tests.docs.pages import ROOT, write_files

PAGE = ROOT / "docs/howto/write-a-plugin.md"
OURS = '<add type="host.local.bus:LocalMessageBus" />'
THEIRS = '<add type="acme_jobs.bus:WatchedMessageBus" />'
SECTION = '<section xsi:type="WatchedBusConfigurationSection" warnAbove="{}" />'

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("third-party")]


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, literally."""
    folder = tmp_path_factory.mktemp("acme-jobs")
    write_files(PAGE, folder)
    return folder


@pytest.fixture(scope="module")
def installed(distribution: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the distribution's wheel is installed in."""
    target = tmp_path_factory.mktemp("site")
    command = [_uv(), "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(distribution)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def host(distribution: Path, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostProcess]:
    """A host on the page's configuration, not yet started."""
    monkeypatch.setenv("PYTHONPATH", str(installed))
    process = HostProcess(tmp_path)
    shutil.copyfile(distribution / "host.config.xml", process.config)
    yield process
    process.kill()


def test_it_is_listed_and_its_configuration_is_in_order(host: HostProcess) -> None:
    (acme,) = [plugin for plugin in host.json("plugins") if plugin["name"] == "acme"]

    assert acme["distribution"] == "acme-jobs"
    assert acme["version"] == "1.0.0"
    assert acme["providers"] == ["acme_jobs.bus:WatchedMessageBus"]
    assert acme["jobs"] == ["acme_jobs.jobs:MeasureFolder", "acme_jobs.jobs:greet"]
    assert acme.get("error") is None
    assert host.run("check").stdout.rstrip().endswith("is in order")


def test_its_jobs_run_to_completion(host: HostProcess) -> None:
    host.start()

    measured = host.json("jobs", "start", "Measure folder", "--wait")
    greeted = host.json("jobs", "start", "acme_jobs.jobs:greet", "--param", "name=Ada", "--param", "times=3", "--wait")

    assert measured["state"] == greeted["state"] == "completed"
    assert measured["result"]["files"] > 0
    assert greeted["result"] == 3
    assert host.run("runs", "log", greeted["id"]).stdout.count("hello Ada") == 3
    assert host.terminate() == 0


def test_one_line_of_xml_puts_its_provider_in_force(host: HostProcess) -> None:
    host.start()
    assert _bus(host)["type"] == "host.local.bus:LocalMessageBus"
    assert host.terminate() == 0

    text = host.config.read_text()
    assert text.count(OURS) == 1
    host.config.write_text(text.replace(OURS, THEIRS))
    assert host.run("check").stdout.rstrip().endswith("is in order")

    host.start()
    assert _bus(host)["type"] == "acme_jobs.bus:WatchedMessageBus"
    assert _bus(host).get("findings", []) == []
    assert host.json("jobs", "start", "Greet", "--param", "name=Ada", "--wait")["state"] == "completed"
    assert host.terminate() == 0


def test_its_section_is_bound_and_checked(host: HostProcess) -> None:
    text = host.config.read_text().replace(OURS, THEIRS)
    end = "</SanteDBConfiguration>"

    host.config.write_text(text.replace(end, SECTION.format(200) + end))
    assert host.run("check").stdout.rstrip().endswith("is in order")

    host.config.write_text(text.replace(end, SECTION.format("many") + end))
    refused = host.run("check", ok=False)
    assert refused.returncode == 2
    assert "'warnAbove': expected a whole number, not 'many'" in " ".join(refused.stdout.split())


def test_its_own_tests_pass(distribution: Path, installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=distribution,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def _bus(host: HostProcess) -> dict[str, object]:
    (bus,) = [provider for provider in host.json("status")["providers"] if "MessageBus" in provider["contracts"]]
    return bus


def _uv() -> str:
    beside = Path(sys.executable).parent / "uv"
    found = os.environ.get("UV") or (str(beside) if beside.exists() else shutil.which("uv"))
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("uv is needed to build the distribution")
        pytest.skip("uv is not installed")
    return found
