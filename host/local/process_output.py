"""What a child writes to its standard output or errors, as lines."""

from __future__ import annotations

import fcntl
import os
import sys
import termios

MAX_LINE = 8192
"""Bytes; a longer line is cut into several."""
READ_BYTES = 16 * 1024
"""Taken at a time: as empty lines they are handled within a few milliseconds."""


class Output:
    """A pipe whose writing end goes to a child."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.pipe()
        os.set_blocking(self.ours, False)
        self._begun = b""

    def close_theirs(self) -> None:
        """Close the end that the child has now."""
        os.close(self.theirs)

    def close(self) -> None:
        """Close the reading end."""
        os.close(self.ours)

    def read(self, size: int = READ_BYTES) -> list[str] | None:
        """Give the lines that are whole now; None at the end of it."""
        try:
            data = os.read(self.ours, size)
        except BlockingIOError:
            return []
        if not data:
            return None
        *lines, self._begun = (self._begun + data).split(b"\n")
        while len(self._begun) > MAX_LINE:
            lines.append(self._begun[:MAX_LINE])
            self._begun = self._begun[MAX_LINE:]
        return [_text(line[at : at + MAX_LINE]) for line in lines for at in range(0, len(line) or 1, MAX_LINE)]

    def drain(self) -> list[str]:
        """Give all that is there, the last line also if it is not whole.

        What is written meanwhile stays: whatever the job left running may write without end.
        """
        waiting = int.from_bytes(fcntl.ioctl(self.ours, termios.FIONREAD, bytes(4)), sys.byteorder)
        found = (self.read(waiting) if waiting else None) or []
        if self._begun:
            found.append(_text(self._begun))
            self._begun = b""
        return found


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")
