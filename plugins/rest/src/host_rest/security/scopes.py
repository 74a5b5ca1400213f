"""Which policies a scope, or a grant, is for: those whose OID is its own or continues it at a dot."""

from __future__ import annotations

import re
from collections.abc import Iterable

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,18})){1,63}")


def is_oid(text: str) -> bool:
    """Say whether a text is an object identifier in dots."""
    return _OID.fullmatch(text) is not None


def covers(wider: str, oid: str) -> bool:
    """Say whether an OID is another one or stands above it."""
    return oid == wider or oid.startswith(f"{wider}.")


def is_covered(oid: str, by: Iterable[str]) -> bool:
    """Say whether any of several OIDs covers one."""
    return any(covers(wider, oid) for wider in by)
