"""The settings of providers as tables of Markdown, for the reference page."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path

from host.contracts.contract import Settings
from host.kernel.settings import SettingsField, settings_fields
from host.santedb.durations import format_duration

_KINDS: Mapping[type, str] = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}


def settings_reference(classes: Iterable[type[Settings]]) -> str:
    """Give one table for all sections, by section and attribute, with the text below each field as its meaning."""
    rows = ["| section | attribute | value | default | meaning |", "|---|---|---|---|---|"]
    known = {f"{cls.section} {cls.__module__}:{cls.__qualname__}": cls for cls in classes}
    for _, cls in sorted(known.items()):
        meanings = _meanings(cls)
        rows += [
            f"| `{cls.section}` | `{field.attribute}` | {_kind(field)} | {_default(field)} "
            f"| {meanings.get(field.name, '')} |"
            for field in settings_fields(cls)
            if field.attribute
        ]
    return "\n".join(rows) + "\n"


def _kind(field: SettingsField) -> str:
    assert field.kind is not None
    if issubclass(field.kind, Path):
        return "path"
    if issubclass(field.kind, timedelta):
        return "duration"
    if issubclass(field.kind, Enum):
        return ", ".join(f"`{member.value}`" for member in field.kind)
    return _KINDS[field.kind]


def _default(field: SettingsField) -> str:
    match field.default:
        case None:
            return "required" if field.is_required else "none"
        case "":
            return "empty"
        case bool():
            return f"`{str(field.default).lower()}`"
        case timedelta():
            return f"`{format_duration(field.default)}`"
        case Enum():
            return f"`{field.default.value}`"
        case _:
            return f"`{field.default}`"


def _meanings(cls: type[Settings]) -> dict[str, str]:
    """Read the strings that stand below the fields, own and inherited: ``{field: text}``."""
    meanings: dict[str, str] = {}
    for base in reversed(cls.__mro__[: cls.__mro__.index(Settings)]):
        definition = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(definition, ast.ClassDef)
        for field, text in zip(definition.body, definition.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                meanings[ast.unparse(field.target)] = _cell(str(text.value.value))
    return meanings


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")
