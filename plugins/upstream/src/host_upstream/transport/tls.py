"""TLS towards the upstream: who is trusted, what this host presents, and when that ends."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from host.contracts.contract import Finding
from host.errors import ConfigurationError
from host_upstream.settings import UpstreamCredential, UpstreamSettings

SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCertificate:
    """The certificate that this host presents."""

    path: Path
    ends_at: datetime

    def check(self, now: datetime) -> Sequence[Finding]:
        """Say whether it has ended, or ends within 14 days."""
        left = self.ends_at - now
        if left <= timedelta(0):
            message = f"the certificate {self.path} has ended on {self.ends_at:%Y-%m-%d}"
        elif left <= SOON:
            message = f"the certificate {self.path} ends on {self.ends_at:%Y-%m-%d}, in {left.days} days"
        else:
            return ()
        hint = "replace the file and reload the host"
        return (Finding(message=f"{message}; the upstream will not know this host without it: {hint}"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What a connection is made with."""

    context: ssl.SSLContext
    own: OwnCertificate | None = None


def load_tls(settings: UpstreamSettings) -> Tls | None:
    """Read the files; None if the realm has no TLS. Takes a while.

    Raises ConfigurationError for files that cannot be read, or do not fit.
    """
    if not settings.realm.tls:
        return None
    context = _context(settings.ca_certificates)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for credential in settings.credentials:
        if credential.certificate is not None:
            return Tls(context=context, own=_present(context, credential, credential.certificate))
    return Tls(context=context)


def _context(authorities: Path | None) -> ssl.SSLContext:
    if authorities is None:
        return ssl.create_default_context()  # the system's authorities, as OpenSSL knows them
    _require_readable(authorities)
    try:
        return ssl.create_default_context(cafile=str(authorities))
    except (ssl.SSLError, ValueError) as error:
        hint = "expected a PEM file of certificates"
        raise ConfigurationError("caCertificates cannot be used", where=str(authorities), hint=hint) from error


def _present(context: ssl.SSLContext, credential: UpstreamCredential, certificate: Path) -> OwnCertificate:
    for path in (certificate, credential.key):
        if path is not None:
            _require_readable(path)
    try:
        context.load_cert_chain(certificate, credential.key, password=_no_password)
        return OwnCertificate(path=certificate, ends_at=_end_of(certificate))
    except (ssl.SSLError, ValueError) as error:
        hint = "expected PEM files, with a key that has no password and belongs to the certificate"
        message = f"the certificate {certificate} cannot be used"
        raise ConfigurationError(message, where=credential.where, hint=hint) from error


def _require_readable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise ConfigurationError(message, where=str(path), hint="check path and permissions") from error


def _no_password() -> str:
    raise ValueError("the key has a password")


def _end_of(certificate: Path) -> datetime:
    from cryptography.x509 import load_pem_x509_certificate  # takes long to import, and few hosts need it

    return load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.astimezone(UTC)
