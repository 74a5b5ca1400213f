"""What may travel as JSON: parameters, results and log fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

JsonValue: TypeAlias = object
"""None, bool, int, float (finite), str, a sequence of these, or a mapping from str to these."""

JsonObject: TypeAlias = Mapping[str, object]
"""A mapping from str to JsonValue."""
