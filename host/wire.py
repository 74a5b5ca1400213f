"""Values, errors and calls as JSON frames: what both ends of a wire share, whatever the contracts are.

A frame is a 4-byte big-endian length and that many bytes of JSON, always an object. A call is
``{"id", "contract", "method", "arguments"}``; its answer is ``{"id", "result"}`` or ``{"id", "error"}``, and for a
stream any number of ``{"id", "item"}`` and then ``{"id", "end"}`` or ``{"id", "error"}``. ``{"id", "cancel": true}``
ends a call early.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import struct
import typing
from abc import ABCMeta
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from host.errors import ErrorKind, HostError, HostUnavailableError, Problem, UnsupportedOperationError, WireError

C = TypeVar("C")
T = TypeVar("T")

MAX_FRAME_BYTES = 16 * 1024 * 1024
MAX_CALLS = 100
"""Calls one connection may have unfinished at a time."""
MAX_ERROR_TEXT = 4_000
"""Characters of each text of an error that are sent."""
MAX_PROBLEMS = 1_000

_LENGTH = struct.Struct(">I")
_log = logging.getLogger(__name__)


def to_json(value: object) -> bytes:
    """Give a value as JSON: dataclasses as objects, instants as RFC 3339 (``Z`` for UTC), durations as ISO 8601.

    A float that is not finite becomes null. Raises WireError for what JSON cannot hold.
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise WireError(f"cannot be written as JSON: {error}") from error


def from_json(data: bytes | str, kind: type[T]) -> T:
    """Read JSON as a value of ``kind``, strictly; unknown fields are ignored. Raises WireError."""
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=_decode_other)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise WireError(f"unreadable JSON: {error}") from error


def to_wire(value: object) -> object:
    """Give a value as what its JSON reads back to: dicts, lists, text, numbers, booleans and None."""
    return from_json(to_json(value), object)


def from_wire(value: object, kind: type[T]) -> T:
    """Turn JSON values into a value of ``kind``, strictly; unknown fields are ignored. Raises WireError."""
    try:
        return msgspec.convert(value, type=kind, str_keys=True, dec_hook=_decode_other)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise WireError(str(error)) from error


def error_to_wire(error: HostError) -> dict[str, object]:
    """Give an error as JSON values; its cause and traceback stay here."""
    return {
        "code": error.code,
        "kind": error.kind.value,
        "message": _text(error.message),
        "where": _text(error.where),
        "hint": _text(error.hint),
        "problems": [
            {"message": _text(problem.message), "where": _text(problem.where), "hint": _text(problem.hint)}
            for problem in error.problems[:MAX_PROBLEMS]
        ],
    }


def error_from_wire(value: Mapping[str, object]) -> HostError:
    """Build the error that ``error_to_wire`` described, of the class that has its code.

    An unknown code gives a HostError that keeps the code and the kind. Raises WireError if it is no error.
    """
    fields = from_wire(value, _WireError)
    found = HostError.by_code.get(fields.code, HostError)
    error = found(fields.message, where=fields.where, hint=fields.hint, problems=fields.problems)
    if found is HostError:
        vars(error).update(code=fields.code, kind=fields.kind)  # over the class's, for this one error
    return error


async def read_frame(reader: asyncio.StreamReader) -> dict[str, object] | None:
    """Read one frame; None when the other end closed between two. Raises WireError for anything but a frame."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_FRAME_BYTES:
            raise WireError(f"a frame of {length:,} bytes; at most {MAX_FRAME_BYTES:,} are read")
        return from_json(await reader.readexactly(length), dict[str, object])
    except asyncio.IncompleteReadError as error:
        if not error.partial and error.expected == _LENGTH.size:
            return None
        raise WireError("the connection ended inside a frame") from error


async def write_frame(writer: asyncio.StreamWriter, value: object) -> None:
    """Write one frame, whole even when several tasks write, and wait until the other end keeps up.

    Raises WireError for a value that is too large or not JSON; then nothing was written.
    """
    writer.write(_frame(value))
    await writer.drain()


class Caller(Protocol):
    """Carries calls to the other end."""

    async def call(self, contract: str, method: str, arguments: Mapping[str, object]) -> object:
        """Call a method and give its result as JSON values; raises the HostError that it raised there."""

    def stream(self, contract: str, method: str, arguments: Mapping[str, object]) -> AsyncGenerator[object, None]:
        """Call a method that gives a stream and give each item as JSON values."""


class CallServer:
    """Performs the calls of one connection after another on ``{contract name: (contract, provider)}``.

    Offers the abstract ``async`` methods and streams of each contract, nothing else.
    """

    def __init__(self, services: Mapping[str, tuple[type, object]]) -> None:
        self._services = services

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the client closes or breaks the agreement; what is unfinished then ends.

        Cancelling it tells the client about each unfinished call that the host is unavailable.
        """
        calls: dict[int, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    while (frame := await read_frame(reader)) is not None:
                        self._take(from_wire(frame, _Request), calls, group, writer)
                except WireError as error:
                    writer.write(_frame({"id": None, "error": error_to_wire(error)}))
                except ConnectionError:
                    pass
                for task in calls.values():
                    task.cancel()
        finally:
            writer.close()

    def _take(
        self,
        request: _Request,
        calls: dict[int, asyncio.Task[None]],
        group: asyncio.TaskGroup,
        writer: asyncio.StreamWriter,
    ) -> None:
        running = calls.get(request.id)
        if request.cancel:
            if running:
                running.cancel()
            return
        if running:
            raise WireError(f"call id {request.id} is in use")
        if len(calls) >= MAX_CALLS:
            raise WireError(f"more than {MAX_CALLS} unfinished calls on one connection")
        calls[request.id] = task = group.create_task(self._perform(request, writer))
        task.add_done_callback(lambda _: calls.pop(request.id))

    async def _perform(self, request: _Request, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(request, writer)
        except asyncio.CancelledError:
            ended = HostUnavailableError("the host ended the call", hint="it is stopping; see `jobhost status`")
            writer.write(_frame({"id": request.id, "error": error_to_wire(ended)}))
            raise
        except HostError as error:
            await _send(writer, {"id": request.id, "error": error_to_wire(error)})
        except Exception as error:  # whatever a provider does, the connection goes on and the client is told
            _log.exception("call failed: %s.%s", request.contract, request.method)
            hidden = HostError(f"internal error: {type(error).__name__}", hint="the host's log has the details")
            await _send(writer, {"id": request.id, "error": error_to_wire(hidden)})

    async def _answer(self, request: _Request, writer: asyncio.StreamWriter) -> None:
        contract, provider = self._services.get(request.contract, (None, None))
        method = _method(contract, request.method) if contract else None
        if method is None:
            raise WireError(f"there is no {request.contract}.{request.method} to call")
        answer = getattr(provider, method.name)(**method.arguments_from(request.arguments))
        if not method.is_stream:
            await _send(writer, {"id": request.id, "result": await answer})
            return
        try:
            async for item in answer:
                await _send(writer, {"id": request.id, "item": item})
        finally:
            if close := getattr(answer, "aclose", None):
                await close()
        await _send(writer, {"id": request.id, "end": True})


def proxy(contract: Callable[..., C], caller: Caller) -> C:
    """Build a ``contract`` whose ``async`` methods and streams are performed at the other end.

    What cannot cross the wire raises UnsupportedOperationError.
    """
    built: C = _proxy_class(contract)(caller)
    return built


class _Request(msgspec.Struct, frozen=True):
    id: int
    contract: str = ""
    method: str = ""
    arguments: dict[str, object] = {}
    cancel: bool = False


class _WireError(msgspec.Struct, frozen=True):
    code: str
    message: str
    kind: ErrorKind = ErrorKind.INTERNAL
    where: str | None = None
    hint: str | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Method:
    """One method of a contract, as its signature tells it."""

    name: str
    contract: str
    signature: inspect.Signature
    hints: Mapping[str, Any]
    """Type of each argument, and of the result or item as ``return``."""
    is_stream: bool

    def arguments_from(self, values: Mapping[str, object]) -> dict[str, object]:
        try:
            self.signature.bind(None, **values)
            return {name: from_wire(value, self.hints[name]) for name, value in values.items()}
        except (TypeError, WireError) as error:
            raise WireError(f"arguments of {self.contract}.{self.name}: {error}") from error


@cache
def _method(contract: type, name: str) -> _Method | None:
    """Describe what may be called over a wire; None for everything else."""
    if not isinstance(contract, ABCMeta) or name not in contract.__abstractmethods__:
        return None
    function = getattr(contract, name)
    if not inspect.isfunction(function):
        return None
    hints = typing.get_type_hints(function)
    is_stream = typing.get_origin(hints.get("return")) is AsyncIterator
    if not is_stream and not inspect.iscoroutinefunction(function):
        return None
    if is_stream:
        (hints["return"],) = typing.get_args(hints["return"])
    signature = inspect.signature(function)
    return _Method(name=name, contract=contract.__name__, signature=signature, hints=hints, is_stream=is_stream)


@cache
def _proxy_class(contract: Any) -> Any:
    def take(self: Any, caller: Caller) -> None:
        self._caller = caller

    members = {name: _member(contract, name) for name in contract.__abstractmethods__}
    return type(f"{contract.__name__}Proxy", (contract,), {"__init__": take, **members})


def _member(contract: type, name: str) -> object:
    method = _method(contract, name)
    if method is None:
        return _refusal(contract, name)
    return _remote_stream(method) if method.is_stream else _remote_call(method)


def _remote_call(method: _Method) -> object:
    async def remote(self: Any, *args: object, **kwargs: object) -> object:
        arguments = method.signature.bind(self, *args, **kwargs).arguments
        arguments.pop("self")
        return from_wire(await self._caller.call(method.contract, method.name, arguments), method.hints["return"])

    return remote


def _remote_stream(method: _Method) -> object:
    async def remote(self: Any, *args: object, **kwargs: object) -> AsyncIterator[object]:
        arguments = method.signature.bind(self, *args, **kwargs).arguments
        arguments.pop("self")
        items = self._caller.stream(method.contract, method.name, arguments)
        try:
            async for item in items:
                yield from_wire(item, method.hints["return"])
        finally:
            await items.aclose()

    return remote


def _refusal(contract: type, name: str) -> object:
    def refuse(*_: object, **__: object) -> object:
        raise UnsupportedOperationError(f"{contract.__name__}.{name} does not cross the wire")

    return property(refuse) if isinstance(getattr(contract, name), property) else refuse


async def _send(writer: asyncio.StreamWriter, value: object) -> None:
    with suppress(ConnectionError):  # the client has left; whoever reads from it ends the calls
        await write_frame(writer, value)


def _frame(value: object) -> bytes:
    data = to_json(value)
    if len(data) > MAX_FRAME_BYTES:
        hint = "ask for less at a time"
        raise WireError(f"a message of {len(data):,} bytes; at most {MAX_FRAME_BYTES:,} are sent", hint=hint)
    return _LENGTH.pack(len(data)) + data


def _text(text: str | None) -> str | None:
    """Give text that UTF-8 and a frame can hold: an error must always reach the other end."""
    return None if text is None else text[:MAX_ERROR_TEXT].encode(errors="replace").decode()


def _encode_other(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _decode_other(kind: type, value: object) -> object:
    if kind is object:
        return value
    if issubclass(kind, Path) and isinstance(value, str):
        return kind(value)
    raise TypeError(f"{kind.__name__} is not carried")


_ENCODER = msgspec.json.Encoder(enc_hook=_encode_other)
