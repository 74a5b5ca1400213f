"""Where in a trace something happens: the ids of W3C Trace Context."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
)
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_TRACE_ID_DIGITS = 32
_SAMPLED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceParent:
    """A span that somebody else began; ``str`` gives it as the header ``traceparent``."""

    trace_id: str
    """32 hexadecimal digits, not all 0."""
    span_id: str
    """16 hexadecimal digits, not all 0."""
    is_sampled: bool = True
    """Whether whoever began it records it."""

    def __str__(self) -> str:
        """Give the header's value, in version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"


def parse_traceparent(text: str) -> TraceParent | None:
    """Read the header ``traceparent``; None for one that is to be ignored (W3C Trace Context §3.2, §4.3)."""
    match = _TRACEPARENT.match(text)
    if match is None:
        return None
    version, rest = match["version"], text[match.end() :]
    if version == "ff" or (rest and (version == "00" or not rest.startswith("-"))):
        return None
    if not int(match["trace"], 16) or not int(match["span"], 16):
        return None
    return TraceParent(
        trace_id=match["trace"], span_id=match["span"], is_sampled=bool(int(match["flags"], 16) & _SAMPLED)
    )


def is_trace(text: str) -> bool:
    """Say whether a text is what a submission may give: a trace id, or a whole ``traceparent`` of version 00."""
    parent = parse_traceparent(text)
    return str(parent) == text if parent else _TRACE_ID.fullmatch(text) is not None and int(text, 16) != 0


def trace_id_of(trace: str) -> str:
    """Give the trace id of a trace id or a ``traceparent``."""
    return trace if len(trace) <= _TRACE_ID_DIGITS else trace[3:35]
