"""Who gets whom: which row provides each contract, and in what order rows can be built."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Sequence as AbstractSequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Union, get_args, get_origin, get_type_hints

from host.contracts.contract import Contract, Settings
from host.errors import Problem, WiringError


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One provider to build; ``instance`` where it exists already."""

    cls: type[Contract]
    where: str
    """``file:line``, ``default`` or ``built-in``."""
    name: str | None = None
    instance: Contract | None = None

    def __str__(self) -> str:
        """Give class and place."""
        return f"{self.cls.__module__}:{self.cls.__qualname__} ({self.where})"


@dataclass(frozen=True, slots=True)
class Need:
    """One constructor parameter: what it must be given."""

    parameter: str
    contract: type[Contract] | None = None
    settings: type[Settings] | None = None
    is_many: bool = False
    is_optional: bool = False


@dataclass(slots=True)
class Plan:
    """Everything decided: rows in the order they are built, and what each parameter gets."""

    rows: list[Row] = field(default_factory=list)
    arguments: dict[Row, dict[str, Row | list[Row] | None]] = field(default_factory=dict)
    settings: dict[Row, dict[str, type[Settings]]] = field(default_factory=dict)
    providers: dict[type[Contract], Row] = field(default_factory=dict)
    """``{contract: outermost provider}``."""

    def below(self, rows: Iterable[Row]) -> list[Row]:
        """Give these rows and all that they need, in build order."""
        wanted: set[Row] = set()
        waiting = list(rows)
        while waiting:
            row = waiting.pop()
            if row not in wanted:
                wanted.add(row)
                waiting.extend(_rows_in(self.arguments[row].values()))
        return [row for row in self.rows if row in wanted]


def contracts_of(cls: type) -> list[type[Contract]]:
    """Give the contracts a class offers: classes of which Contract is a direct base."""
    return [base for base in cls.__mro__ if Contract in base.__bases__]


def needs_of(cls: type) -> list[Need]:
    """Read a constructor's annotations; raises WiringError for a parameter that cannot be wired."""
    constructor = inspect.getattr_static(cls, "__init__")
    if constructor is object.__init__:
        return []
    try:
        hints = get_type_hints(constructor)
    except NameError as error:
        raise WiringError(f"{cls.__qualname__}: {error}", hint="import annotations at run time, too") from error
    parameters = list(inspect.signature(constructor).parameters.values())[1:]
    return [need for parameter in parameters if (need := _need(cls, parameter, hints)) is not None]


def _need(cls: type, parameter: inspect.Parameter, hints: Mapping[str, object]) -> Need | None:
    if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        return None
    hint = hints.get(parameter.name)
    optional = get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)
    if optional:
        hint = next(argument for argument in get_args(hint) if argument is not type(None))
    many = get_origin(hint) is AbstractSequence
    if many:
        hint = get_args(hint)[0]
    if isinstance(hint, type) and issubclass(hint, Settings):
        return Need(parameter.name, settings=hint)
    if isinstance(hint, type) and issubclass(hint, Contract):
        _check_many(cls, parameter, hint, many=many)
        return Need(parameter.name, contract=hint, is_many=many, is_optional=optional)
    if parameter.default is not inspect.Parameter.empty:
        return None
    raise WiringError(
        f"{cls.__module__}:{cls.__qualname__} needs {parameter.name!r}, which is neither a contract nor settings",
        hint="annotate it with a contract, a Settings dataclass, or give it a default",
    )


def _check_many(cls: type, parameter: inspect.Parameter, contract: type[Contract], *, many: bool) -> None:
    if many != contract.many:
        expected = f"Sequence[{contract.__name__}]" if contract.many else contract.__name__
        raise WiringError(f"{cls.__qualname__}: parameter {parameter.name!r} must be annotated {expected}")


def plan_wiring(
    rows: Sequence[Row],
    defaults: Mapping[type[Contract], Sequence[type[Contract]]],
    roots: Sequence[type[Contract]],
    wishes: Sequence[type[Contract]] = (),
) -> Plan:
    """Decide the whole graph, filling gaps by defaults; raises WiringError with every problem found.

    ``wishes`` are filled, too, where a default disturbs nothing that is there.
    """
    return _Planner(list(rows), defaults).plan(roots, wishes)


class _Planner:
    def __init__(self, rows: list[Row], defaults: Mapping[type[Contract], Sequence[type[Contract]]]) -> None:
        self.rows = rows
        self.defaults = defaults
        self.problems: list[Problem] = []
        self.needs: dict[Row, list[Need]] = {}
        self.plan_ = Plan()

    def plan(self, roots: Sequence[type[Contract]], wishes: Sequence[type[Contract]]) -> Plan:
        for contract in roots:
            self._ensure(contract, f"every host needs {contract.__name__}", optional=False)
        self._read_all_needs()
        for contract in wishes:
            self._grant(contract)
        for row in self.rows:
            self._fill(row)
        self._choose_outermost()
        if not self.problems:
            self._order()
        if self.problems:
            raise WiringError("the configured providers cannot be put together", problems=self.problems)
        return self.plan_

    def _grant(self, contract: type[Contract]) -> None:
        candidates = self.defaults.get(contract, ())
        if len(candidates) == 1 and not contract.many and not any(map(self._offering, contracts_of(candidates[0]))):
            self.rows.append(Row(candidates[0], "default"))
            self._read_all_needs()

    def _read_all_needs(self) -> None:
        while len(self.needs) < len(self.rows):
            self._read_needs(self.rows[len(self.needs)])

    def _read_needs(self, row: Row) -> None:
        self.needs[row] = []
        if row.instance is not None:
            return
        try:
            self.needs[row] = needs_of(row.cls)
        except WiringError as error:
            self.problems.append(Problem(message=error.message, where=row.where, hint=error.hint))
            return
        for need in self.needs[row]:
            if need.contract is not None:
                self._ensure(need.contract, f"{row} needs {need.contract.__name__}", optional=need.is_optional)

    def _ensure(self, contract: type[Contract], why: str, *, optional: bool) -> None:
        if self._offering(contract):
            return
        candidates = self.defaults.get(contract, ())
        if contract.many:
            self.rows.extend(Row(cls, "default") for cls in candidates)
            return
        if len(candidates) == 1:
            self.rows.append(Row(candidates[0], "default"))
        elif not optional and not candidates:
            self.problems.append(
                Problem(message=f"{why}, and no configured provider offers it", hint="add one to <serviceProviders>")
            )
        elif not optional:
            names = ", ".join(f"{cls.__module__}:{cls.__qualname__}" for cls in candidates)
            self.problems.append(
                Problem(message=f"{why}, and several defaults offer it: {names}", hint="name one in <serviceProviders>")
            )

    def _offering(self, contract: type[Contract]) -> list[Row]:
        return [row for row in self.rows if contract in contracts_of(row.cls)]

    def _fill(self, row: Row) -> None:
        arguments: dict[str, Row | list[Row] | None] = {}
        for need in self.needs[row]:
            if need.settings is not None:
                self.plan_.settings.setdefault(row, {})[need.parameter] = need.settings
            elif need.contract is not None:
                arguments[need.parameter] = self._argument(row, need, need.contract)
        self.plan_.arguments[row] = arguments

    def _argument(self, row: Row, need: Need, contract: type[Contract]) -> Row | list[Row] | None:
        offering = self._offering(contract)
        if need.is_many:
            return [other for other in offering if other is not row]
        if contract in contracts_of(row.cls):
            before = offering[: offering.index(row)]
            if not before and not need.is_optional:
                self.problems.append(
                    Problem(
                        message=f"{row} wraps {contract.__name__}, and no provider before it offers one",
                        where=row.where,
                        hint="list the provider it wraps above it",
                    )
                )
            return before[-1] if before else None
        return offering[-1] if offering else None

    def _choose_outermost(self) -> None:
        contracts = {contract for row in self.rows for contract in contracts_of(row.cls) if not contract.many}
        for contract in sorted(contracts, key=lambda contract: contract.__name__):
            offering = self._offering(contract)
            for inner, outer in pairwise(offering):
                if not any(need.contract is contract for need in self.needs[outer]):
                    self.problems.append(
                        Problem(
                            message=f"{contract.__name__} has two providers, neither wraps the other: {inner}, {outer}",
                            where=outer.where,
                            hint="remove one",
                        )
                    )
            self.plan_.providers[contract] = offering[-1]

    def _order(self) -> None:
        sorter: TopologicalSorter[Row] = TopologicalSorter()
        for row in self.rows:
            sorter.add(row, *_rows_in(self.plan_.arguments[row].values()))
        try:
            self.plan_.rows = list(sorter.static_order())
        except CycleError as error:
            cycle = " -> ".join(str(row) for row in error.args[1])
            self.problems.append(Problem(message=f"circular: {cycle}", hint="one of them must not need the other"))


def _rows_in(arguments: Iterable[Row | list[Row] | None]) -> list[Row]:
    found: list[Row] = []
    for argument in arguments:
        if isinstance(argument, Row):
            found.append(argument)
        elif isinstance(argument, list):
            found.extend(argument)
    return found
