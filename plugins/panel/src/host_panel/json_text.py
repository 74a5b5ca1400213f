"""JSON values for people."""

from __future__ import annotations

import json

from host.model.json import JsonValue

LONGEST = 20_000
"""Characters of a value that a page shows."""


def pretty(value: JsonValue) -> str:
    """Give a value as indented text; of a long one its beginning, and how much was left out."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n… {len(text) - LONGEST} characters more"
