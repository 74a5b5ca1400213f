"""The header by which this host tells a jobhost for whom it asks."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from urllib.parse import quote

HEADER = "x-jobhost-caller"
MAX_CHARACTERS = 200
_UNPRINTED = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of what the upstream does not take in a name."""


@lru_cache(maxsize=256)
def encoded(name: str) -> str | None:
    """Give a name as the header has it: percent-encoded UTF-8, without what breaks lines, cut to 200 characters.

    None if nothing is left.
    """
    kept = "".join(each for each in name if unicodedata.category(each) not in _UNPRINTED)
    return quote(kept[:MAX_CHARACTERS], safe="") or None
