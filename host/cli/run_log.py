"""Lines of a run's log, for people."""

from __future__ import annotations

import json
from textwrap import indent

from host.cli.output import Cell, failure, warning
from host.cli.text import clean
from host.model.logs import LogLevel, RunLogLine
from host.wire import to_wire


def log_line(line: RunLogLine) -> Cell:
    """Give a line with its local time, its level and its fields; what asks for a look is coloured.

    Values that are texts of several lines, such as stacks, stand below it.
    """
    below = {name: value for name, value in line.fields.items() if isinstance(value, str) and "\n" in value.strip()}
    beside = {name: value for name, value in line.fields.items() if name not in below}
    fields = " ".join(f"{name}={json.dumps(to_wire(value), ensure_ascii=False)}" for name, value in beside.items())
    head = f"{line.at.astimezone():%Y-%m-%d %H:%M:%S} {line.level.value:<7} {line.event} {fields}".rstrip()
    text = clean("\n".join([head, *(f"  {name}:\n{indent(value.rstrip(), ' ' * 4)}" for name, value in below.items())]))
    if line.level is LogLevel.ERROR:
        return failure(text)
    return warning(text) if line.level is LogLevel.WARNING else text
