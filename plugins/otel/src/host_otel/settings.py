"""Where traces go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import ClassVar
from urllib.parse import urlsplit

from host.contracts.contract import Settings, SettingsElement
from host.errors import ConfigurationError, Problem

DEFAULT_PATH = "/v1/traces"
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpSettings(Settings):
    """Where spans are sent, under what name, and how many of them.

    ``<header name="…" value="…"/>`` below it is sent with each batch; a value ``secret:NAME`` is looked up at start.
    """

    section: ClassVar[str] = "OtlpConfigurationSection"
    endpoint: str = "http://127.0.0.1:4318/v1/traces"
    """The collector's URL for traces by OTLP over HTTP; without a path, ``/v1/traces`` is taken."""
    service_name: str = "jobhost"
    """``service.name`` of this host's spans."""
    sampling_ratio: float = 1.0
    """Share of the traces that begin here which is recorded, 0 to 1; a caller's is recorded if the caller does it."""
    timeout: timedelta = timedelta(seconds=10)
    """How long sending a batch may take, further tries included."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read_children(cls, element: SettingsElement) -> dict[str, object]:
        """Read the headers."""
        headers: dict[str, str] = {}
        problems: list[Problem] = []
        for child in element.children():
            name, value = child.attributes.get("name", ""), child.attributes.get("value")
            if child.name != "header":
                problems.append(Problem(message=f"<{child.name}> is not expected here", where=child.where))
            elif not _HEADER.fullmatch(name) or value is None or set(child.attributes) != {"name", "value"}:
                expected = 'expected <header name="…" value="…"/>'
                problems.append(Problem(message=f"no header: {expected}", where=child.where))
            elif name.lower() in map(str.lower, headers):
                problems.append(Problem(message=f"header {name!r} is given twice", where=child.where))
            else:
                headers[name] = value
        if problems:
            raise ConfigurationError("headers cannot be used", problems=problems)
        return {"headers": headers}

    def __post_init__(self) -> None:
        """Refuse what cannot work, or would send a secret unprotected."""
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("endpoint: expected a URL like 'https://collector.example.org:4318/v1/traces'")
        if parts.username is not None:
            raise ValueError("endpoint: no name or password belongs there; give a header")
        if self.headers and parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("endpoint: headers would be sent unprotected; expected https")
        if not self.service_name.strip():
            raise ValueError("serviceName: expected a name")
        if not 0 <= self.sampling_ratio <= 1:
            raise ValueError(f"samplingRatio: expected 0 to 1, not {self.sampling_ratio:g}")
        if not timedelta(0) < self.timeout <= timedelta(minutes=5):
            raise ValueError("timeout: expected more than nothing and at most 5 minutes")

    @property
    def url(self) -> str:
        """Give the endpoint with its path."""
        return self.endpoint if urlsplit(self.endpoint).path.strip("/") else self.endpoint.rstrip("/") + DEFAULT_PATH


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
