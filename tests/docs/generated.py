"""The parts of reference pages that follow from the code; ``python -m tests.docs.generated`` writes them anew."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from abc import ABC
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import ModuleType

import host.contracts
from host.contracts.contract import Contract, Service
from host.contracts.jobs import Job, JobContext, RunLogger
from host.engine import plugin as engine
from host.hookspecs import HostHooks
from host.kernel.host import HostSettings
from host.kernel.settings_reference import settings_reference
from host.kernel.wiring import needs_of
from host.local import plugin as local
from host.model.runs import TRANSITIONS, RunReason, RunState
from host.santedb.jobs import JobConfiguration
from host_otel import plugin as otel
from host_rest import plugin as rest
from host_upstream import plugin as upstream
from tests.docs.pages import ROOT

BEGIN = "<!-- begin: {} (generated) -->"
END = "<!-- end: {} -->"
MODULES = sorted(module.name for module in pkgutil.iter_modules(host.contracts.__path__))
UNNAMED = {"contract", "functions"}
"""Modules of ``host.contracts`` that declare no contract."""
AUTHORS: tuple[type, ...] = (Job, JobContext, RunLogger, Service)


def state_chart() -> str:
    """Give the transitions as a chart."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for state, followers in TRANSITIONS.items():
        source = "[*]" if state is None else state.name
        lines += [f"    {source} --> {follower.name}" for follower in RunState if follower in followers]
    lines += [f"    {state.name} --> [*]" for state in RunState if state.is_final]
    return "\n".join([*lines, "```"])


def state_table() -> str:
    """Give the transitions as a table."""
    rows = ["| from | to |", "|---|---|"]
    for state, followers in TRANSITIONS.items():
        names = " ".join(f"`{follower.value}`" for follower in RunState if follower in followers)
        rows.append(f"| {'*new*' if state is None else f'`{state.value}`'} | {names or '*final*'} |")
    return "\n".join(rows)


def reason_table() -> str:
    """Give the reasons with the meaning written below each."""
    meanings = member_texts(RunReason)
    rows = ["| reason | state | meaning |", "|---|---|---|"]
    for reason in RunReason:
        state, _, meaning = meanings[reason.name].partition(": ")
        first, *rest = state.split(" ")
        again = f" {' '.join(rest)}" if rest else ""
        rows.append(f"| `{reason.value}` | `{RunState[first].value}`{again} | {meaning} |")
    return "\n".join(rows)


def hook_list() -> str:
    """Give every hook with its signature and its promise."""
    return "\n\n".join(_entry(name, hook) for name, hook in _members(HostHooks))


def contract_list() -> str:
    """Give every contract with its methods and promises, module by module."""
    parts = []
    for name in sorted(set(MODULES) - UNNAMED):
        module = importlib.import_module(f"host.contracts.{name}")
        parts.append(f"## host.contracts.{name}\n\n{_paragraphs(inspect.getdoc(module))}")
        parts += [_contract(contract) for contract in contracts_in(module)]
    return "\n\n".join(parts)


def author_list() -> str:
    """Give the classes that job and provider authors meet besides contracts."""
    return "\n\n".join(_contract(cls) for cls in AUTHORS)


def settings_list() -> str:
    """Give the settings of the host and of the providers it comes with, those of its plugins too."""
    plugins = engine, local, otel, rest, upstream
    providers = [provider for plugin in plugins for provider in plugin.host_service_providers()]
    needed = [need.settings for provider in providers for need in needs_of(provider) if need.settings is not None]
    return settings_reference([HostSettings, *(cls for cls in needed if cls is not JobConfiguration)]).rstrip()


def contracts_in(module: ModuleType) -> Iterator[type]:
    """Give the contracts that a module declares, and what they hand out, in the order they stand there."""
    for cls in vars(module).values():
        is_its_own = isinstance(cls, type) and cls.__module__ == module.__name__ and cls not in AUTHORS
        if is_its_own and (Contract in cls.__bases__ or ABC in cls.__bases__):
            yield cls


def member_texts(enum: type[Enum]) -> Mapping[str, str]:
    """Read the strings that stand below the members: ``{member: text}``."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(enum))).body[0]
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for member, below in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            texts[ast.unparse(member.targets[0])] = _text(str(below.value.value))
    return texts


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "docs/reference/run-states.md": {"chart": state_chart, "transitions": state_table, "reasons": reason_table},
    "docs/reference/hooks.md": {"hooks": hook_list},
    "docs/reference/configuration.md": {"settings": settings_list},
    "docs/reference/contracts.md": {"authors": author_list, "contracts": contract_list},
}


def renewed(page: Path, text: str) -> str:
    """Give the text of a page with its generated parts made anew."""
    for name, make in PARTS[str(page.relative_to(ROOT))].items():
        begin, end = BEGIN.format(name), END.format(name)
        assert begin in text, f"{page}: {begin} is missing"
        assert end in text, f"{page}: {end} is missing"
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n\n{make()}\n\n{end}{rest.partition(end)[2]}"
    return text


def _contract(cls: type) -> str:
    many = "\n\n*A host may have several at once.*" if getattr(cls, "many", False) else ""
    head = f"### {cls.__name__}\n\n{_paragraphs(inspect.getdoc(cls))}"
    entries = [_entry(name, member) for name, member in _members(cls)]
    return "\n\n".join([head + many, *entries])


def _members(cls: type) -> Iterator[tuple[str, object]]:
    for name, member in vars(cls).items():
        if not name.startswith("_") and (callable(member) or isinstance(member, property)):
            yield name, member


def _entry(name: str, member: object) -> str:
    function = member.fget if isinstance(member, property) else member
    assert callable(function)
    signature = inspect.signature(function)
    arguments = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    given = f" -> {signature.return_annotation}"
    if isinstance(member, property):
        shown = f"{name}{given}"
    else:
        shown = f"{name}{signature.replace(parameters=arguments, return_annotation=signature.empty)}{given}"
    colour = "async " if inspect.iscoroutinefunction(function) else ""
    return f"- `{colour}{_plain(shown)}`\n\n{textwrap.indent(_paragraphs(inspect.getdoc(function)), '  ')}"


def _plain(signature: str) -> str:
    return signature.replace("'", "")


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(_text(part) for part in (text or "").split("\n\n"))


def _text(text: str | None) -> str:
    return re.sub(r"``([^`]*)``", r"`\1`", " ".join((text or "").split()))


if __name__ == "__main__":
    for place in PARTS:
        path = ROOT / place
        path.write_text(renewed(path, path.read_text(encoding="utf-8")), encoding="utf-8")
