"""Roles and what they may, as a configuration says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from host.contracts.contract import Settings, SettingsElement
from host.errors import ConfigurationError, InvalidRequestError, Problem
from host.model.security import Decision, Policy
from host.model.suggest import suggest
from host_rest.security.accounts import check_roles
from host_rest.security.scopes import covers, is_oid

_DECISIONS = {decision.value: decision for decision in Decision}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a role says about a policy and those below it."""

    oid: str
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What those who have a role may do."""

    name: str
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings(Settings):
    """Roles beside ``reader``, ``operator`` and ``administrator``; one of these names takes the place of the built-in.

    ``<role name="clinical"><grant policy="ReadSystemJobs"/><deny policy="1.3.6…22.1"/></role>``
    """

    section: ClassVar[str] = "PolicyConfigurationSection"

    roles: tuple[Role, ...] = ()

    @classmethod
    def read_children(cls, element: SettingsElement) -> dict[str, object]:
        """Give ``roles``; raises ConfigurationError with every problem of every role."""
        problems: list[Problem] = []
        roles: dict[str, Role] = {}
        for child in element.children():
            if child.name != "role":
                problems.append(_unexpected(child, ["role"]))
                continue
            role = _role(child, problems)
            if role is not None and roles.setdefault(role.name.casefold(), role) is not role:
                problems.append(Problem(message=f"role {role.name!r} is declared twice", where=child.where))
        if problems:
            raise ConfigurationError("the roles cannot be used", where=element.where, problems=problems)
        return {"roles": tuple(roles.values())}


def _role(element: SettingsElement, problems: list[Problem]) -> Role | None:
    before = len(problems)
    name = _only_attribute(element, "name", problems)
    if name is not None:
        try:
            check_roles([name])
        except InvalidRequestError as error:
            problems.append(Problem(message=error.message, where=element.where, hint=error.hint))
    grants: dict[str, Grant] = {}
    for child in element.children():
        grant = _grant(child, problems)
        if grant is not None and grants.setdefault(grant.oid, grant) is not grant:
            message = f"role {name!r} says two things about policy {grant.oid}"
            problems.append(Problem(message=message, where=child.where, hint="remove one"))
    if len(problems) > before or name is None:
        return None
    return Role(name=name, grants=tuple(grants.values()))


def _grant(element: SettingsElement, problems: list[Problem]) -> Grant | None:
    decision = _DECISIONS.get(element.name)
    if decision is None:
        problems.append(_unexpected(element, _DECISIONS))
        return None
    text = _only_attribute(element, "policy", problems)
    if text is None:
        return None
    oid = _oid(text)
    if oid is None:
        names = {_plain(policy.name): policy for policy in Policy}
        meant = suggest(_plain(text), names)
        hint = f"did you mean {names[meant].name}?" if meant else f"known are {', '.join(p.name for p in Policy)}"
        problems.append(Problem(message=f"unknown policy {text!r}", where=element.where, hint=hint))
        return None
    return Grant(oid=oid, decision=decision)


def _oid(text: str) -> str | None:
    """Give the OID that a name or an OID stands for, if it covers any policy; names as SanteDB or we write them."""
    for policy in Policy:
        if _plain(policy.name) == _plain(text) or (is_oid(text) and covers(text, policy.value)):
            return text if is_oid(text) else policy.value
    return None


def _only_attribute(element: SettingsElement, name: str, problems: list[Problem]) -> str | None:
    for other in element.attributes:
        if other != name:
            message = f"<{element.name}> has no attribute {other!r}; expected {name!r}"
            problems.append(Problem(message=message, where=element.where))
    text = element.attributes.get(name, "").strip()
    if not text:
        problems.append(Problem(message=f"<{element.name}> needs the attribute {name!r}", where=element.where))
    return text or None


def _unexpected(element: SettingsElement, known: Iterable[str]) -> Problem:
    expected = ", ".join(f"<{name}>" for name in known)
    meant = suggest(element.name, known)
    hint = f"did you mean <{meant}>?" if meant else None
    return Problem(message=f"<{element.name}> is not expected; expected {expected}", where=element.where, hint=hint)


def _plain(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isalnum())
