"""Numbers of things as words."""

from __future__ import annotations


def counted(number: int, noun: str, after: tuple[str, str] = ("", "")) -> str:
    """Give how many of something there are: ``1 run``, ``2 runs``; then what follows for one, or for several."""
    words, rest = (noun, after[0]) if number == 1 else (f"{noun}s", after[1])
    return f"{number} {words} {rest}".rstrip()
