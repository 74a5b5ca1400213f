"""A request's body, read whole before anybody sees it: not more than a limit, and within a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any

from host.contracts.http import Receive
from host_rest.server.errors import LAST_OF_CONNECTION, Refused, RequestTooLargeError, RequestTooSlowError, malformed


class Disconnected(Exception):  # noqa: N818  # no error: the caller has left
    """The caller left before the request was complete."""


def has_body(headers: Mapping[bytes, bytes]) -> bool:
    """Say whether a request brings a body."""
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def check_declared(headers: Mapping[bytes, bytes], limit: int) -> None:
    """Raise Refused (413) for a body that says to be larger than the limit."""
    declared = headers.get(b"content-length")
    if declared is None:
        return
    if not declared.isdigit():
        raise malformed("the request's Content-Length is no number")
    if int(declared) > limit:
        raise _too_large(limit)


async def read_body(receive: Receive, *, limit: int, seconds: float) -> bytes:
    """Read a whole body. Raises Refused: 413 once it exceeds the limit, 408 if it takes longer than ``seconds``.

    Raises Disconnected if the caller leaves.
    """
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(seconds):
            size, is_more = 0, True
            while is_more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                chunk: bytes = message.get("body", b"")
                size, is_more = size + len(chunk), message.get("more_body", False)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
    except TimeoutError:
        error = RequestTooSlowError(f"the request's body did not arrive within {seconds:g} s")
        raise Refused(408, error, headers=LAST_OF_CONNECTION) from None
    return b"".join(chunks)


def replay(body: bytes, receive: Receive) -> Receive:
    """Give what delivers a body that was read already, and then whatever else the server says."""
    waiting: list[bytes] = [body]

    async def again() -> MutableMapping[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


def _too_large(limit: int) -> Refused:
    error = RequestTooLargeError(f"the request's body is larger than {limit:,} bytes")
    return Refused(413, error)
