"""Tracebacks as pages show them: frames that can be folded, one's own code told from libraries'."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from host_panel.run_log import plain

_FRAME = re.compile(r'  File "(?P<file>[^"\n]+)", line \d+')
_FOREIGN = (
    "/site-packages/",
    "/dist-packages/",
    "/lib/python",
    "<frozen",
    "/host/engine/",
    "/host/local/",
    "/asyncio/",
)
MOST_CHARACTERS = 60_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of a traceback that belong together."""

    text: str
    is_foreign: bool
    """Of a library, or of the host itself."""
    frames: int
    """How many frames are in it."""


def frames_of(traceback: str | None) -> Sequence[Piece]:
    """Give the pieces of a traceback in its order, neighbouring foreign frames as one."""
    pieces: list[Piece] = []
    lines: list[str] = []
    is_foreign = False

    def close() -> None:
        if not lines:
            return
        text, frames = "\n".join(lines), sum(_FRAME.match(line) is not None for line in lines)
        last = pieces[-1] if pieces else None
        if last and frames and last.frames and last.is_foreign == is_foreign:
            pieces[-1] = Piece(f"{last.text}\n{text}", is_foreign, last.frames + frames)
        else:
            pieces.append(Piece(text, is_foreign, frames))
        lines.clear()

    for line in plain(traceback or "").replace("\ufffd\n", "\n")[:MOST_CHARACTERS].splitlines():
        frame = _FRAME.match(line)
        if frame or (lines and not line.startswith("    ")):
            close()
            is_foreign = bool(frame) and any(mark in frame["file"] for mark in _FOREIGN)  # type: ignore[index]  # is one
        lines.append(line)
    close()
    return pieces
