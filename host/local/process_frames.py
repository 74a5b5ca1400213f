"""What an executor and its child processes say to each other, as length-prefixed JSON; never pickle."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from host.errors import WireError
from host.model.json import JsonValue
from host.model.logs import LogLevel
from host.wire import MAX_FRAME_BYTES, from_json, to_json

LENGTH = struct.Struct(">I")
READ_BYTES = 256 * 1024
MAX_MESSAGE_BYTES = 64 * 1024
"""Of a message on a control socket, which carries one a packet."""


class Ending(StrEnum):
    """How a call ended, as its child tells it."""

    RETURNED = "returned"
    RETRY = "retry"
    SNOOZE = "snooze"
    DISCARD = "discard"
    CANCELLED = "cancelled"
    EXIT = "exit"
    RAISED = "raised"
    UNFIT = "unfit"
    """It returned what is no result, or what cannot be carried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What a child may use; None: no limit."""

    memory_mib: int | None = None
    cpu_seconds: float | None = None
    open_files: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrder:
    """One call for a child to perform."""

    number: int
    """Counts the calls of one child; control messages name a call by it."""
    is_last: bool
    """Whether the child is to end after it."""
    job_type: str
    run_id: UUID
    job_id: UUID
    attempt: int
    tenant: str
    fire_time: datetime | None
    trace_id: str
    parameters: Mapping[str, JsonValue]
    workspace: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnd:
    """How a call ended; what is not of its ``ending`` is empty."""

    ending: Ending
    has_result: bool = False
    value: JsonValue = None
    status_text: str | None = None
    reason: str = ""
    after_seconds: float | None = None
    code: int | str | None = None
    """Of SystemExit."""
    traceback: str = ""
    names: tuple[str, ...] = ()
    is_fit: bool = True
    """Whether the child may perform another call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a run's log."""

    level: LogLevel
    event: str
    fields: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildWord:
    """What a child says: a line, its progress, and at last how the call ended."""

    line: Line | None = None
    progress: tuple[float, str | None] | None = None
    end: CallEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Steer:
    """What a host says to a child while it works, and the answer to ``stack``."""

    cancel: int | None = None
    """Number of the call."""
    stack: int | None = None
    """Number of the question."""
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkOrder:
    """What a host says to the process its children are forked from."""

    fork: int | None = None
    """Number of the new child; its descriptors come with the message: calls, steering, output, errors."""
    kill: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkWord:
    """What the process that children are forked from says."""

    is_ready: bool = False
    threads: tuple[str, ...] = ()
    """Threads that run in it although it forks."""
    failed: str | None = None
    """Why it could not boot, its last word then; or why a child could not be forked."""
    ended: int | None = None
    """Number of a child that has ended."""
    code: int | None = None
    """Its exit status; below 0 the signal that killed it; None if it could not be forked."""


def rehearse() -> None:
    """Use every codec of a child once: what that makes is then there in each fork (saves 0.4 ms of CPU a child)."""
    for word, kind in ((b'{"end": {"ending": "raised"}}', ChildWord), (b"{}", Steer)):
        pack(from_json(word, kind))
    with suppress(WireError):
        from_json(b"{}", CallOrder)


def pack(value: object) -> bytes:
    """Give a frame; raises WireError for what is too large or no JSON."""
    data = to_json(value)
    if len(data) > MAX_FRAME_BYTES:
        raise WireError(f"{len(data):,} bytes of JSON; at most {MAX_FRAME_BYTES:,} are carried")
    return LENGTH.pack(len(data)) + data


class FrameCutter:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._missing = LENGTH.size
        """How many bytes are needed before the next frame can be whole."""

    def feed(self, data: bytes) -> list[bytes]:
        """Give the bodies of the frames that are whole now; raises WireError for one that is too large."""
        self._missing -= len(data)
        self._parts.append(data)
        if self._missing > 0:
            return []
        data = b"".join(self._parts)
        frames, at = [], 0
        while True:
            needed = LENGTH.size
            if len(data) - at >= LENGTH.size:
                (length,) = LENGTH.unpack_from(data, at)
                if length > MAX_FRAME_BYTES:
                    raise WireError(f"a frame of {length:,} bytes; at most {MAX_FRAME_BYTES:,} are read")
                needed += length
            if len(data) - at < needed:
                break
            frames.append(data[at + LENGTH.size : at + needed])
            at += needed
        self._parts, self._missing = [data[at:]], needed - (len(data) - at)
        return frames
