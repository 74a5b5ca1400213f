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
    *,
    causes: Sequence[Problem] = (),
) -> Plan:
    """Decide the whole graph, filling gaps by defaults; raises WiringError with every problem found.

    ``wishes``, and needs that are optional, are filled where a default disturbs nothing that is there. ``causes`` are
    what may explain that no default is there; where one is missing they come first.
    """
    return _Planner(list(rows), defaults, causes).plan(roots, wishes)


class _Planner:
    def __init__(
        self,
        rows: list[Row],
        defaults: Mapping[type[Contract], Sequence[type[Contract]]],
        causes: Sequence[Problem],
    ) -> None:
        self.rows = rows
        self.defaults = defaults
        self.causes = causes
        self.problems: list[Problem] = []
        self.missing: dict[type[Contract], list[str]] = {}
        self.needs: dict[Row, list[Need]] = {}
        self.options: list[type[Contract]] = []
        """What optional parameters ask for."""
        self.plan_ = Plan()

    def plan(self, roots: Sequence[type[Contract]], wishes: Sequence[type[Contract]]) -> Plan:
        self._check_companions()
        for contract in roots:
            self._ensure(contract, f"every host needs {contract.__name__}")
        self._read_all_needs()
        for contract in self.options:  # which grow with what is granted
            self._grant(contract)
        for contract in wishes:
            self._grant(contract)
        for row in self.rows:
            self._fill(row)
        self._choose_outermost()
        problems = [*self._tell_missing(), *self.problems]
        if not problems:
            self._order()
            problems = self.problems
        if problems:
            raise WiringError("the configured providers cannot be put together", problems=problems)
        return self.plan_

    def _check_companions(self) -> None:
        """Raise at once where a default would stand for what a configured provider wants beside it."""
        alone: dict[tuple[type[Contract], ...], Row] = {}
        for row in self.rows:
            missing = tuple(contract for contract in row.cls.companions if not self._offering(contract))
            if missing:
                alone.setdefault(missing, row)
        problems = [_lonely(row, missing) for missing, row in alone.items()]
        if problems:
            raise WiringError("the configured providers cannot be put together", problems=problems)

    def _tell_missing(self) -> list[Problem]:
        told = list(self.causes) if self.missing else []
        for first, *others in self.missing.values():
            message = f"{first}, and no configured provider offers it"
            if others:
                message += f"; {len(others)} more {'needs' if len(others) == 1 else 'need'} it"
            told.append(Problem(message=message, hint="add one to <serviceProviders>"))
        return told

    def _grant(self, contract: type[Contract]) -> None:
        candidates = self.defaults.get(contract, ())
        if len(candidates) == 1 and not contract.many and not self._disturbs(candidates[0]):
            self.rows.append(Row(candidates[0], "default"))
            self._read_all_needs()

    def _disturbs(self, default: type[Contract]) -> bool:
        """Say whether a default, or one that it cannot do without, offers what somebody else offers already.

        So an engine's part comes with the engine alone: its store would be a second one beside an upstream's.
        """
        offered = {contract for row in self.rows for contract in contracts_of(row.cls)}
        coming = [default]
        for cls in coming:
            if any(contract in offered and not contract.many for contract in contracts_of(cls)):
                return True
            offered.update(contracts_of(cls))
            for contract in self._demands_of(cls):
                candidates = self.defaults.get(contract, ())
                if contract not in offered and len(candidates) == 1 and candidates[0] not in coming:
                    coming.append(candidates[0])
        return False

    def _demands_of(self, cls: type[Contract]) -> list[type[Contract]]:
        """Give the contracts a class cannot do without; what is wrong with it is told once it is a row."""
        try:
            needs = needs_of(cls)
        except WiringError:
            return []
        return [need.contract for need in needs if need.contract and not need.is_optional and not need.contract.many]

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
            if need.contract is not None and need.is_optional and not need.is_many:
                self.options.append(need.contract)
            elif need.contract is not None:
                self._ensure(need.contract, f"{row} needs {need.contract.__name__}")

    def _ensure(self, contract: type[Contract], why: str) -> None:
        offering = self._offering(contract)
        candidates = self.defaults.get(contract, ())
        if contract.many:
            # One more executor takes nothing away; but a store that is one of many here is the only one elsewhere.
            known = {row.cls for row in self.rows}
            for cls in candidates:
                is_one_of_many = all(each.many for each in contracts_of(cls))
                if cls not in known and (is_one_of_many or not (offering or self._disturbs(cls))):
                    self.rows.append(Row(cls, "default"))
            return
        if offering:
            return
        if len(candidates) == 1:
            self.rows.append(Row(candidates[0], "default"))
        elif not candidates:
            self.missing.setdefault(contract, []).append(why)
        else:
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


def _lonely(row: Row, missing: Sequence[type[Contract]]) -> Problem:
    names = ", ".join(contract.__name__ for contract in missing)
    hint = "name those that belong to it, too"
    if row.cls.aliases:
        hint += f"; {row.cls.aliases[0]!r} stands for all of them"
    message = f"{row}: expected a provider of {names} beside it, for none of this host's own fits"
    return Problem(message=message, where=row.where, hint=hint)


def _rows_in(arguments: Iterable[Row | list[Row] | None]) -> list[Row]:
    found: list[Row] = []
    for argument in arguments:
        if isinstance(argument, Row):
            found.append(argument)
        elif isinstance(argument, list):
            found.extend(argument)
    return found
