"""The border rules that hold the design together."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import host
from host.contracts.clock import Clock
from host.contracts.contract import Contract
from host.contracts.host import DataDirectory, HostBackup, HostControl
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.contracts.security import AuditTrail
from host.kernel.catalogue import load_catalogue
from host.kernel.wiring import contracts_of, needs_of
from host.local.socket import ControlSocket

ROOT = Path(__file__).parents[2]
FACE_CONTRACTS = {JobManagerService, RunControl, JobScheduleManager, JobRunReader, RunLog}
OPERATIONS = {AuditTrail, Clock, DataDirectory, HostBackup, HostControl}
HOMES = {
    "lxml": {"host/xmlfile.py", "host/kernel/schema.py"},
    "dependency_injector": {"host/kernel/injector.py"},
    "croniter": {"host/triggers/cron.py", "host/triggers/cron_fields.py"},
    "opentelemetry": {"host/engine/tracing.py"},
    "prometheus_client": {"host/engine/exposition.py"},
    "click": "host/cli/",
    "rich": "host/cli/",
}


@pytest.mark.slow
def test_the_import_floors_hold() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(lint)], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_third_party_library_has_one_home(library: str) -> None:
    allowed = HOMES[library]
    words = (f"import {library}", f"from {library}")
    files = (ROOT / "host").rglob("*.py")
    users = {
        str(path.relative_to(ROOT))
        for path in files
        if any(line.lstrip().startswith(words) for line in path.read_text().splitlines())
    }

    is_home = allowed.__contains__ if isinstance(allowed, set) else lambda user: user.startswith(allowed)
    strangers = {user for user in users if not is_home(user)}
    assert not strangers


def test_importing_host_imports_no_third_party_library() -> None:
    code = "import sys, host; print(sorted(m for m in sys.modules if '.' not in m))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "'host'" in modules
    for library in ("lxml", "click", "msgspec", "structlog", "pluggy", "croniter", "dependency_injector", "rich"):
        assert f"'{library}'" not in modules


def test_booting_imports_nothing_that_a_library_only_looks_for() -> None:
    code = "import sys, host.kernel.host; print(sorted(m for m in sys.modules if '.' not in m))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "'dependency_injector'" in modules
    for library in ("fastapi", "starlette", "pydantic", "werkzeug", "rich"):
        assert f"'{library}'" not in modules


def test_public_names_are_importable() -> None:
    for name in host.__all__:
        assert getattr(host, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Hots'"):
        _ = host.Hots


def test_faces_ask_only_for_what_an_upstream_can_proxy() -> None:
    asked = {need.contract for need in needs_of(ControlSocket)}

    assert asked <= FACE_CONTRACTS | OPERATIONS


def test_every_contract_has_at_most_eight_methods() -> None:
    for contract in _contracts():
        methods = [name for name in vars(contract) if getattr(vars(contract)[name], "__isabstractmethod__", False)]
        assert contract is JobManagerService or len(methods) <= 8, contract


def test_every_offered_provider_offers_a_contract_and_can_be_wired() -> None:
    catalogue = load_catalogue()

    assert not [plugin for plugin in catalogue.plugins if plugin.error]
    for provider in {cls for classes in catalogue.providers.values() for cls in classes}:
        assert contracts_of(provider), provider
        needs_of(provider)


def _contracts() -> set[type[Contract]]:
    import host.contracts as package

    found: set[type[Contract]] = set()
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"host.contracts.{module.name}")
        found |= {
            cls
            for _, cls in inspect.getmembers(loaded, inspect.isclass)
            if Contract in cls.__bases__ and inspect.isabstract(cls)
        }
    return found
