"""The one connection to the upstream, as the providers of this plugin use it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from host.contracts.contract import Contract


class UpstreamApi(StrEnum):
    """What an upstream speaks."""

    AUTO = "auto"
    """Find out: a jobhost where it says it is one, else SanteDB's AMI."""
    JOBHOST = "jobhost"
    """``/rest/v1``: everything."""
    SANTEDB = "santedb"
    """``/ami`` in XML: what SanteDB's AMI can tell and do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRequest:
    """One request; its path is below the realm's address."""

    method: str
    path: str
    """Percent-encoded, beginning with ``/``: ``/rest/v1/jobs``."""
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    media_type: str = "application/json"
    """Of the body and of the answer that is wanted."""
    headers: Mapping[str, str] = field(default_factory=dict)
    may_repeat: bool = False
    """Whether doing it twice is the same as once, so that it is tried again after a fault: reading, or a write that
    carries an idempotency key. GET always may."""
    caller: str | None = None
    """For whom it is made, for the upstream's audit; None: whoever ``host.contracts.security.CALLER`` names."""
    timeout_seconds: float | None = None
    """Of the whole exchange; None: as the settings say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamAnswer:
    """An answer: of any status below 500 but 3xx and 429, or a document in JSON or XML that says what went wrong there.

    401 is one only where it says ``insufficient_scope``: the account lacks a policy; 304 where the request had asked.
    502, 503 and 504 are none, unless a jobhost tells by its problem document of something else than that it cannot
    answer now (``store-unavailable``).
    """

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes


class UpstreamLink(Contract):
    """Reaches the upstream: address, credentials, tokens, time-outs, retries, circuit breaker."""

    @abstractmethod
    async def api(self) -> UpstreamApi:
        """Give what the upstream speaks, JOBHOST or SANTEDB; asked of it once if the settings leave it open."""

    @abstractmethod
    async def request(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Make a request.

        Raises UpstreamUnavailableError, which says since when, if there is no whole answer, one that is none (a
        redirection, a proxy's page, 429, 502, 503, 504), or none is asked for while the circuit is open;
        UpstreamRefusedError if the upstream refuses this host's credentials.
        A request that may not be repeated is sent once, or twice where the upstream refused the first for its token
        alone; after a fault nobody knows whether it was heard.
        """

    @abstractmethod
    def stream(self, request: UpstreamRequest) -> AsyncIterator[bytes]:
        """Make a GET whose answer does not end, and give its body as it comes.

        Raises as ``request`` does, the error that the upstream tells with an answer that is none of success, and
        UpstreamUnavailableError when nothing has come for a minute, or the connection breaks. Ends when the upstream
        ends it; closing the iterator closes the connection.
        """

    @abstractmethod
    def unavailable_since(self) -> datetime | None:
        """Give since when the upstream has not answered; None while it does, and before it was asked."""
