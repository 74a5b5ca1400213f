"""The reference pages say what the code says."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import host_rest
from host.errors import HostError
from host.hookspecs import HostHooks
from host.model.runs import RunReason, RunState
from tests.docs.generated import MODULES, PARTS, UNNAMED, contracts_in, renewed
from tests.docs.pages import ROOT


@pytest.mark.parametrize("place", sorted(PARTS))
def test_generated_parts_are_those_of_the_code(place: str) -> None:
    text = (ROOT / place).read_text(encoding="utf-8")

    assert text == renewed(ROOT / place, text), "python -m tests.docs.generated writes it anew"


@pytest.mark.parametrize("module", sorted(set(MODULES) - UNNAMED))
def test_every_contract_method_is_on_the_page(module: str) -> None:
    text = (ROOT / "docs/reference/contracts.md").read_text(encoding="utf-8")
    contracts = list(contracts_in(importlib.import_module(f"host.contracts.{module}")))

    assert contracts
    for contract in contracts:
        section = text.partition(f"### {contract.__name__}\n")[2].partition("\n### ")[0]
        missing = [name for name in getattr(contract, "__abstractmethods__", ()) if name not in section]
        assert not missing, f"{contract.__name__}: {missing}"


def test_every_hook_is_on_the_page() -> None:
    text = (ROOT / "docs/reference/hooks.md").read_text(encoding="utf-8")

    assert not [name for name in vars(HostHooks) if name.startswith("host_") and f"`{name}(" not in text]


def test_every_error_of_the_http_plugin_is_on_a_page() -> None:
    for module in pkgutil.walk_packages(host_rest.__path__, "host_rest."):
        importlib.import_module(module.name)
    text = "".join((ROOT / f"docs/reference/{page}.md").read_text(encoding="utf-8") for page in ("errors", "rest"))
    codes = {code for code, kind in HostError.by_code.items() if kind.__module__.startswith("host_rest.")}

    assert codes
    assert not [code for code in sorted(codes) if f"| `{code}` | " not in text]


@pytest.mark.parametrize("member", [*RunState, *RunReason])
def test_every_state_and_reason_is_explained(member: RunState | RunReason) -> None:
    text = (ROOT / "docs/reference/run-states.md").read_text(encoding="utf-8")

    assert f"| `{member.value}` | " in text
