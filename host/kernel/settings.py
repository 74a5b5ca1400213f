"""Binding a section to a provider's ``Settings`` class, every finding with its place."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar, Union, cast, get_args, get_origin, get_type_hints

from host.contracts.contract import Settings
from host.errors import ConfigurationError, Problem
from host.kernel.conversions import ConversionError, absolute_path, convert, is_convertible
from host.kernel.elements import SectionElement
from host.kernel.hostconfig import HostConfig
from host.kernel.references import redact_problem
from host.model.suggest import did_you_mean

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsField:
    """One field of a settings class, as its section writes it."""

    name: str
    attribute: str | None
    """In camelCase; None for a field that only child elements give."""
    kind: type | None
    """What the attribute's text is read as."""
    default: object
    is_required: bool


def bind_settings(cls: type[S], config: HostConfig, *, name: str | None = None) -> S:
    """Give the settings that the configuration holds for a class.

    ``name`` chooses among several sections of the class's type by their ``name`` attribute. Without a section
    the defaults hold; a default Path is taken from the main file's folder. Raises ConfigurationError with
    every problem: unknown attributes, wrong values, missing ones, and what ``read_children`` and the class's
    own ``__post_init__`` (ValueError) refuse.
    """
    element = config.section(cls.section, name)
    main = config.path.parent
    if element is None:
        _require_optional(cls, config, name)
        return _build(cls, {}, main)
    binder = _Binder(cls, element, is_named=name is not None or "name" in element.attributes)
    values = binder.values()
    if not binder.problems:
        try:
            return _build(cls, values, main)
        except ValueError as error:
            binder.report(f"section {cls.section}: {error}", element.where)
    secrets = element.source.secrets
    raise ConfigurationError(
        f"section {cls.section} cannot be used",
        where=element.where,
        problems=[redact_problem(problem, secrets) for problem in binder.problems],
    )


def settings_fields(cls: type[Settings]) -> tuple[SettingsField, ...]:
    """Give the fields of a settings class, in order."""
    return _inspect(cast(Hashable, cls))


class _Binder:
    """Reads one section for one class; ``problems`` collects what is wrong."""

    def __init__(self, cls: type[Settings], element: SectionElement, *, is_named: bool) -> None:
        self.problems: list[Problem] = list(element.source.problems)
        self._cls = cls
        self._element = element
        self._is_named = is_named
        self._folder = element.source.path.parent

    def report(self, message: str, where: str, hint: str | None = None) -> None:
        self.problems.append(Problem(message=message, where=where, hint=hint))

    def values(self) -> dict[str, object]:
        values = {**self._from_attributes(), **self._from_children()}
        if not self.problems:
            for field in settings_fields(self._cls):
                if field.is_required and field.name not in values:
                    what = f"the attribute {field.attribute!r}" if field.attribute else f"elements for {field.name!r}"
                    self.report(f"section {self._cls.section} needs {what}", self._element.where)
        return values

    def _from_attributes(self) -> dict[str, object]:
        fields = {field.attribute: field for field in settings_fields(self._cls) if field.attribute}
        values: dict[str, object] = {}
        for attribute, text in self._element.attributes.items():
            field = fields.get(attribute)
            if field is not None:
                self._convert(field, attribute, text, values)
            elif not (attribute == "name" and self._is_named):
                known = ", ".join(map(repr, fields)) or "none"
                message = f"section {self._cls.section} has no attribute {attribute!r}; expected {known}"
                self.report(message, self._element.where, did_you_mean(attribute, map(str, fields)))
        return values

    def _convert(self, field: SettingsField, attribute: str, text: str, values: dict[str, object]) -> None:
        if self._element.source.problems and "${" in text:
            return  # told already: the reference has no value
        try:
            values[field.name] = convert(text, cast(type, field.kind), folder=self._folder)
        except ConversionError as error:
            message = f"attribute {attribute!r}: expected {error.expected}, not {text!r}"
            self.report(message, self._element.where, error.hint)

    def _from_children(self) -> dict[str, object]:
        if self._cls.read_children.__func__ is Settings.read_children.__func__:  # type: ignore[attr-defined]  # bound classmethods have it
            for child in self._element.children():
                message = f"<{child.name}> is not expected in section {self._cls.section}"
                self.report(message, child.where, "this section takes attributes only")
            return {}
        try:
            return self._cls.read_children(self._element)
        except ConfigurationError as error:
            self.problems += error.problems or [Problem(message=error.message, where=error.where, hint=error.hint)]
            return {}


@cache
def _inspect(cls: type[Settings]) -> tuple[SettingsField, ...]:
    hints = get_type_hints(cls)
    return tuple(_field(field, hints[field.name]) for field in dataclasses.fields(cls) if field.init)


def _build(cls: type[S], values: Mapping[str, object], main: Path) -> S:
    """Build the settings; default paths are made absolute like written ones."""
    paths = {
        field.name: absolute_path(field.default, main)
        for field in settings_fields(cls)
        if isinstance(field.default, Path) and field.name not in values
    }
    return cls(**{**paths, **values})


def _require_optional(cls: type[Settings], config: HostConfig, name: str | None) -> None:
    wanted = f'<section xsi:type="{cls.section}"' + (f' name="{name}">' if name is not None else ">")
    required = [field.attribute or field.name for field in settings_fields(cls) if field.is_required]
    if name is not None or required:
        needs = f"; it needs {', '.join(map(repr, required))}" if required else ""
        problem = Problem(message=f"there is no {wanted}{needs}", where=str(config.path), hint="add the section")
        raise ConfigurationError(f"section {cls.section} is missing", where=str(config.path), problems=[problem])


def _field(field: dataclasses.Field[object], hint: object) -> SettingsField:
    kinds = [kind for kind in _alternatives(hint) if kind is not type(None)]
    kind = kinds[0] if len(kinds) == 1 and is_convertible(kinds[0]) else None
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    first, *others = field.name.split("_")
    return SettingsField(
        name=field.name,
        attribute=first + "".join(word.capitalize() for word in others) if kind else None,
        kind=cast("type | None", kind),
        default=None if default is dataclasses.MISSING else default,
        is_required=default is dataclasses.MISSING,
    )


def _alternatives(hint: object) -> Iterator[object]:
    if get_origin(hint) in (Union, types.UnionType):
        yield from get_args(hint)
    else:
        yield hint
