"""The SQL of this package's stores, kept named in its ``sql`` folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

_NAME = "-- name: "


def statements(file: str) -> Mapping[str, str]:
    """Give the statements of a file: ``{name: text}``, each headed by a line ``-- name: …``."""
    found: dict[str, str] = {}
    for part in _read(file).split(_NAME)[1:]:
        name, _, text = part.partition("\n")
        found[name.strip()] = text.strip().rstrip(";")
    return found


def migrations(store: str) -> Sequence[str]:
    """Give the migrations ``<store>_0001.sql``, ``<store>_0002.sql``, … in order."""
    names = (f"{store}_{number:04}.sql" for number in range(1, 10_000))
    folder = files("host.local").joinpath("sql")
    texts = []
    for name in names:
        if not folder.joinpath(name).is_file():
            break
        texts.append(_read(name))
    return texts


def _read(file: str) -> str:
    return files("host.local").joinpath("sql", file).read_text(encoding="utf-8")
