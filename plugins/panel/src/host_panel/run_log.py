"""The log of a run: its last lines for a page, all of them as a text, and new ones as they come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from host.contracts.http import HttpCall
from host.contracts.logs import RunLog
from host.model.logs import RunLogLine
from host.wire import to_json
from host_panel.words import absolute

SHOWN_LINES = 500
LONGEST = 4000
"""Characters of a line that a page shows."""
PAGE = 1000
INDENT = "\n    "
"""Before each further line of what is written at once, so that none of them is taken for a line of the log."""
HEARTBEAT_SECONDS = 15.0
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Give a text without terminal escapes; other control characters become a visible mark."""
    return _CONTROLS.sub("\ufffd", _ESCAPES.sub("", text))


def line_text(line: RunLogLine) -> str:
    """Give event and fields of a line as one text; what has several lines comes last, each of them indented."""
    long = {name: value for name, value in line.fields.items() if isinstance(value, str) and "\n" in value}
    fields = " ".join(f"{name}={_value(value)}" for name, value in line.fields.items() if name not in long)
    text = f"{line.event}  {fields}" if fields else line.event
    for name, value in long.items():
        text = f"{text}\n{name}:\n{value.rstrip()}"
    return plain(text.replace("\n", INDENT))


async def last_lines(log: RunLog, run_id: UUID, *, before: int | None = None) -> Sequence[RunLogLine]:
    """Give the last lines of a run, or those before a number, oldest first; at most ``SHOWN_LINES``."""
    end = await _newest(log, run_id) if before is None else before - 1
    lines = await log.read(run_id, after=max(0, end - SHOWN_LINES), limit=SHOWN_LINES)
    return [line for line in lines if before is None or line.number < before]


async def as_text(log: RunLog, run_id: UUID) -> AsyncIterator[bytes]:
    """Give all lines as plain text, oldest first."""
    after = 0
    while lines := await log.read(run_id, after=after, limit=PAGE):
        text = "".join(
            f"{line.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {line.level:<7} {line_text(line)}\n" for line in lines
        )
        yield text.encode("utf-8", "replace")
        after = lines[-1].number


async def as_events(log: RunLog, run_id: UUID, call: HttpCall, *, after: int, zone: str) -> AsyncIterator[bytes]:
    """Give each line above a number as a server-sent event, until the host stops or the caller may not look."""
    yield b"retry: 2000\n\n"
    closing = asyncio.ensure_future(_closing(call))
    async with aclosing(log.follow(run_id, after=after)) as lines:  # type: ignore[type-var]  # a generator, as it says
        coming: asyncio.Future[RunLogLine] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(_next(lines))
                waited: set[asyncio.Future[Any]] = {coming, closing}
                await asyncio.wait(waited, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if closing.done():
                    return
                if not coming.done():
                    yield b": still here\n\n"
                    continue
                line, coming = coming.result(), None
                yield b"id: %d\nevent: line\ndata: %s\n\n" % (line.number, to_json(shown(line, zone)))
        finally:
            closing.cancel()
            if coming is not None:
                coming.cancel()
            await asyncio.gather(closing, *([coming] if coming else []), return_exceptions=True)


def shown(line: RunLogLine, zone: str) -> dict[str, object]:
    """Give a line as a page shows it: of a long one its beginning."""
    text = line_text(line)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… {len(text) - LONGEST} characters more, in the download"
    return {
        "number": line.number,
        "time": f"{line.at.astimezone(ZoneInfo(zone)):%H:%M:%S.%f}"[:-3],
        "at": absolute(line.at, zone),
        "level": str(line.level),
        "text": text,
    }


async def _newest(log: RunLog, run_id: UUID) -> int:
    """Give the number of the last line: lines are numbered from 1 without gaps, so that it can be searched for."""
    low, step = 0, SHOWN_LINES
    while await log.read(run_id, after=low + step, limit=1):
        low, step = low + step, step * 2
    high = low + step
    while low < high:  # Invariant: there is a line above low or low is the last; there is none above high
        middle = (low + high) // 2
        if await log.read(run_id, after=middle, limit=1):
            low = middle + 1
        else:
            high = middle
    return low


async def _next(lines: AsyncIterator[RunLogLine]) -> RunLogLine:
    return await anext(lines)


async def _closing(call: HttpCall) -> None:
    await call.closing.wait()


def _value(value: object) -> str:
    return value if isinstance(value, str) and value and " " not in value else to_json(value).decode("utf-8", "replace")
