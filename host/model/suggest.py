"""What somebody may have meant, for hints in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_LAST_WORD = re.compile(r"[\w+`]+$")


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that was probably meant, or None.

    A type name matches one with the same class name in another module or namespace (SanteDB: "type has been
    moved"), else the closest spelling; case does not matter.
    """
    names = list(known)
    wanted = _class_name(name)
    if wanted != name.casefold():
        moved = [candidate for candidate in names if _class_name(candidate) == wanted]
        if len(moved) == 1:
            return moved[0]
    folded = {candidate.casefold(): candidate for candidate in reversed(names)}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Give ``did you mean 'x'?`` as a hint, or None."""
    meant = suggest(name, known)
    return f"did you mean {meant!r}?" if meant else None


def _class_name(name: str) -> str:
    match = _LAST_WORD.search(name.partition(",")[0].strip())
    return match.group().casefold() if match else name.casefold()
