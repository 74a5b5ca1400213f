"""One request to AMI and its answer, between ASGI and what is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from host.contracts.http import HttpCall, Receive, Scope, Send, call_of
from host.errors import InvalidRequestError
from host.santedb.ami.values import AmiJob, ParameterCollection, TypeReference
from host.santedb.ami.xml_reading import MAX_BYTES
from host_rest.ami.codings import unpacked, utf8_json
from host_rest.ami.media import XML, Form, answer_form, request_form

Headers = Mapping[bytes, bytes]


class AmiRequest:
    """A request that was let in."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        """Raises AmiError (406) if it accepts no form there is."""
        self.headers: Headers = joined(scope["headers"])
        self.form = answer_form(self.headers)
        """To answer in."""
        self.query: bytes = scope.get("query_string", b"")
        self.root: str = scope.get("root_path", "")
        self._scope = scope
        self._receive = receive

    @property
    def call(self) -> HttpCall:
        """Give what the server knows of it."""
        return call_of(self._scope)

    @property
    def by(self) -> str | None:
        """Give who asks, or for whom a program does."""
        return self.call.caller

    @property
    def is_silent(self) -> bool:
        """Say whether it wants no body when something was done (SanteDB: ``X-SanteDB-NoEcho``)."""
        return self.headers.get(b"x-santedb-noecho", b"").strip().lower() == b"true"

    async def resource(self) -> AmiJob | TypeReference:
        """Read its body as something to register or change; raises InvalidRequestError, AmiError (415)."""
        body = await self._body()
        return request_form(self.headers).read_resource(self._readable(body))

    async def parameters(self) -> ParameterCollection:
        """Read its body as values for an operation; without any body there are none."""
        body = await self._body()
        if not body:
            return ParameterCollection()
        return request_form(self.headers).read_parameters(self._readable(body))

    def _readable(self, body: bytes) -> bytes:
        body = unpacked(body, self.headers.get(b"content-encoding", b"").decode("latin-1"), at_most=MAX_BYTES)
        is_xml = request_form(self.headers) is XML
        return body if is_xml else utf8_json(body, self.headers.get(b"content-type", b"").decode("latin-1"))

    async def _body(self) -> bytes:
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise InvalidRequestError("the request ended before its body")
            body += message.get("body", b"")
            if len(body) > MAX_BYTES:
                raise InvalidRequestError(f"the body is larger than {MAX_BYTES:,} bytes")
            if not message.get("more_body", False):
                return bytes(body)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiAnswer:
    """What is sent back."""

    status: int
    body: bytes = b""
    form: Form | None = None
    """The form of the body; None without one."""
    headers: Mapping[str, str] = field(default_factory=dict)

    async def send(self, send: Send, *, generated_on: str, is_head: bool = False) -> None:
        """Send it; to HEAD without the body, whose length it tells."""
        lines = [(b"x-generatedon", generated_on.encode("ascii"))]
        if self.form is not None:
            lines.append((b"content-type", self.form.media_type.encode("ascii")))
        if self.status not in (204, 304):
            lines.append((b"content-length", b"%d" % len(self.body)))
        lines += [(name.lower().encode("ascii"), text.encode("latin-1")) for name, text in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": lines})
        await send({"type": "http.response.body", "body": b"" if is_head else self.body})


def joined(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Give headers by name, the lines of a repeated one as one list (RFC 9110 §5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = b"%b, %b" % (found[name], value) if name in found else value
    return found


def is_known(header: bytes, tag: str) -> bool:
    """Say whether ``If-None-Match`` names the entity tag, or any (RFC 9110 §13.1.2)."""
    if not header:
        return False
    given = [each.strip().removeprefix("W/") for each in header.decode("latin-1").split(",")]
    return tag in given or given == ["*"]
