"""Calls of ``/rest/v1``: paths and bodies made, answers read as values, problem documents raised as errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

from host.errors import HostError, InvalidRequestError, UpstreamUnavailableError, WireError
from host.model.runs import JobRun
from host.wire import from_json, to_json
from host_upstream.jobhost.events import Event, events_of
from host_upstream.link import UpstreamAnswer, UpstreamLink, UpstreamRequest
from host_upstream.transport.problems import error_of

ROOT = "/rest/v1"
EVENT_STREAM = "text/event-stream"

T = TypeVar("T")

Query = tuple[tuple[str, str], ...]


class JobhostClient:
    """Asks an upstream jobhost; each method raises what the upstream raised, or UpstreamUnavailableError."""

    def __init__(self, link: UpstreamLink) -> None:
        self._link = link

    async def get(self, path: str, kind: type[T], query: Query = ()) -> T:
        """Read something."""
        return _read(await self._asked(UpstreamRequest(method="GET", path=ROOT + path, query=query)), kind, path)

    async def sized(self, path: str, kind: type[T], query: Query = ()) -> tuple[T, int]:
        """Read something, and say of how many bytes it was."""
        answer = await self._asked(UpstreamRequest(method="GET", path=ROOT + path, query=query))
        return _read(answer, kind, path), len(answer.body)

    async def find(self, path: str, kind: type[T], *, missing: str, query: Query = ()) -> T | None:
        """Read something; None where the upstream raises the error of this code instead."""
        try:
            return await self.get(path, kind, query)
        except HostError as error:
            if error.code == missing:
                return None
            raise

    async def send(
        self,
        method: str,
        path: str,
        kind: type[T],
        body: object = None,
        *,
        query: Query = (),
        may_repeat: bool = False,
        by: str | None = None,
        timeout_seconds: float | None = None,
    ) -> T:
        """Do something on behalf of ``by``, and read the answer; sent once at most unless it ``may_repeat``."""
        request = UpstreamRequest(
            method=method,
            path=ROOT + path,
            query=query,
            body=None if body is None else _written(body),
            may_repeat=may_repeat,
            caller=by,
            timeout_seconds=timeout_seconds,
        )
        return _read(await self._asked(request), kind, path)

    async def start(self, path: str, body: object, *, by: str | None) -> JobRun | None:
        """Start a job, asked once; None where the upstream accepts that (202) and tells no run."""
        request = UpstreamRequest(method="POST", path=ROOT + path, body=_written(body), caller=by)
        answer = await self._asked(request)
        return None if answer.status == HTTPStatus.ACCEPTED else _read(answer, JobRun, path)

    async def ask(self, path: str, kind: type[T], body: object) -> T:
        """Read something by a POST that changes nothing."""
        return await self.send("POST", path, kind, body, may_repeat=True)

    async def events(self, path: str, *, after: str | None = None) -> AsyncGenerator[Event, None]:
        """Read server-sent events as they come, those ``after`` the one of this id; ends as the upstream ends them."""
        headers = {} if after is None else {"Last-Event-ID": after}
        request = UpstreamRequest(method="GET", path=ROOT + path, media_type=EVENT_STREAM, headers=headers)
        stream = self._link.stream(request)
        async with aclosing(stream) as pieces, aclosing(events_of(pieces)) as events:  # type: ignore[type-var]  # a generator
            async for event in events:
                yield event

    async def _asked(self, request: UpstreamRequest) -> UpstreamAnswer:
        answer = await self._link.request(request)
        if answer.status >= 300:  # RFC 9110 §15
            raise error_of(answer)
        return answer


def segment(text: str) -> str:
    """Give a text as one segment of a path."""
    return quote(text, safe="")


def is_segment(text: str) -> bool:
    """Say whether a text can be a segment: servers refuse what two readers could read differently."""
    return text not in ("", ".", "..") and text.isprintable() and not {"/", "\\"} & set(text)


def _written(body: object) -> bytes:
    try:
        return to_json(body)
    except WireError as error:
        hint = "JSON has no half characters, and nothing that refers to itself"
        raise InvalidRequestError(f"what is asked for {error.message}", hint=hint) from error


def _read(answer: UpstreamAnswer, kind: type[T], path: str) -> T:
    try:
        return from_json(answer.body, kind)
    except WireError as error:
        raise UpstreamUnavailableError(
            f"the upstream's answer to {ROOT}{path} cannot be understood: {error.message}",
            hint="look whether it is of the same version as this host",
        ) from error
