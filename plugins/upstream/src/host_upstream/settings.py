"""What an operator says about the upstream, as SanteDB writes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from host.contracts.contract import Settings, SettingsElement
from host.errors import InvalidScheduleError
from host.triggers.zones import zone_of
from host_upstream.link import UpstreamApi

LONGEST_TIMEOUT = timedelta(minutes=10)


class CredentialKind(StrEnum):
    """Whose credentials they are (SanteDB: UpstreamCredentialType)."""

    APPLICATION = "app"
    DEVICE = "dev"


class Conveyance(StrEnum):
    """How credentials are presented (SanteDB: UpstreamCredentialConveyance)."""

    SECRET = "secret"  # noqa: S105  # SanteDB's word, no secret
    """An application's in the form of the token request, a device's by HTTP Basic."""
    HEADER = "header"
    """By HTTP Basic."""
    CERTIFICATE = "cert"
    """By a client certificate of the TLS connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRealm:
    """The ``<realm>``: where the upstream is."""

    domain: str
    """Name or IP address; with TLS its certificate must be valid for it."""
    port: int
    tls: bool = True
    where: str = ""
    """``file:line``."""

    @property
    def origin(self) -> str:
        """Give scheme, name and port as a URL has them."""
        name = f"[{self.domain}]" if ":" in self.domain else self.domain
        return f"{'https' if self.tls else 'http'}://{name}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Say whether it is this machine."""
        try:
            return ip_address(self.domain).is_loopback
        except ValueError:
            return self.domain.lower() == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamCredential:
    """One ``<credentials>``."""

    kind: CredentialKind
    convey: Conveyance
    name: str
    secret: str | None = field(default=None, repr=False)
    """Itself, or a reference ``secret:NAME``."""
    certificate: Path | None = None
    """PEM file of the certificate, those between it and its root, and its key unless ``key`` is given."""
    key: Path | None = None
    where: str = ""
    """``file:line``."""

    @property
    def is_basic(self) -> bool:
        """Say whether it is presented by HTTP Basic."""
        return self.convey is Conveyance.HEADER or (
            self.convey is Conveyance.SECRET and self.kind is CredentialKind.DEVICE
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings(Settings):
    """Where the upstream is, who this host is there, and how patient it is (SanteDB: UpstreamConfigurationSection).

    ``<realm domain port tls/>`` and one or two ``<credentials convey type name>`` with ``<secret>`` or
    ``<certificate file key/>``; the attributes are ours.
    """

    section: ClassVar[str] = "UpstreamConfigurationSection"
    realm: UpstreamRealm
    credentials: tuple[UpstreamCredential, ...] = ()
    """At most one of each kind."""
    api: UpstreamApi = UpstreamApi.AUTO
    """What the upstream speaks; a jobhost must say that it is one."""
    path_prefix: str = ""
    """What a proxy in front of the upstream puts before every path: ``/jobs``."""
    ca_certificates: Path | None = None
    """PEM file of the authorities to be trusted instead of the system's."""
    timeout: timedelta = timedelta(seconds=10)
    """Of one exchange with all its repetitions, the following of logs and events aside."""
    connect_timeout: timedelta = timedelta(seconds=3)
    """Of reaching the upstream, and with TLS of agreeing on it once more."""
    cache: timedelta = timedelta(seconds=1)
    """How long lists of jobs may be shown again without asking; 0: never."""
    max_clock_drift: timedelta = timedelta(seconds=30)
    """Beyond it, a finding says so."""
    timezone: str | None = None
    """Zone of a SanteDB server's machine, IANA name, which AMI does not tell; None: UTC. A jobhost tells its own."""

    @classmethod
    def read_children(cls, element: SettingsElement) -> dict[str, object]:
        """Read ``<realm>`` and ``<credentials>``; raises ConfigurationError with every problem found."""
        from host_upstream.settings_reading import read_upstream

        realm, credentials = read_upstream(element)
        return {"realm": realm, "credentials": credentials}

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        prefix = self.path_prefix
        if prefix and (not prefix.startswith("/") or quote(prefix, safe="/%:@!$&'()*+,;=~") != prefix):
            raise ValueError(f"pathPrefix: expected a percent-encoded path like '/jobs', not {prefix!r}")
        if self.ca_certificates is not None and not self.realm.tls:
            raise ValueError("caCertificates: there is nothing to be trusted without TLS; expected tls='true'")
        for name, value in (("timeout", self.timeout), ("connectTimeout", self.connect_timeout)):
            if not timedelta(0) < value <= LONGEST_TIMEOUT:
                raise ValueError(f"{name}: expected more than nothing and at most {LONGEST_TIMEOUT}")
        if self.cache < timedelta(0):
            raise ValueError("cache: expected nothing or more")
        if self.max_clock_drift <= timedelta(0):
            raise ValueError("maxClockDrift: expected more than nothing")
        self._check_timezone()

    def _check_timezone(self) -> None:
        if self.timezone is None:
            return
        if self.api is UpstreamApi.JOBHOST:
            raise ValueError("timezone: a jobhost tells its own; expected only before a SanteDB server")
        try:
            zone_of(self.timezone)
        except InvalidScheduleError as error:
            raise ValueError(f"timezone: {error}") from error

    @property
    def base_url(self) -> str:
        """Give the realm's address with ``path_prefix``, without a slash at the end."""
        return self.realm.origin + self.path_prefix.rstrip("/")


def credential(settings: UpstreamSettings, kind: CredentialKind) -> UpstreamCredential | None:
    """Give the credentials of a kind."""
    return next((each for each in settings.credentials if each.kind is kind), None)
