"""The server's TLS certificate: loaded before anything starts, and watched for its end."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from host.contracts.contract import Finding
from host.errors import ConfigurationError

SOON = timedelta(days=30)


class Certificate:
    """A certificate with its key; raises ConfigurationError for files that are unreadable or do not fit."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._path = certificate
        self.context = _context(certificate, key)
        self.ends_at = _end_of(certificate)

    def check(self, now: datetime) -> Sequence[Finding]:
        """Say whether the certificate has ended, or ends within 30 days."""
        left = self.ends_at - now
        if left <= timedelta(0):
            text = f"the TLS certificate {self._path} has ended on {self.ends_at:%Y-%m-%d}"
        elif left <= SOON:
            text = f"the TLS certificate {self._path} ends on {self.ends_at:%Y-%m-%d}, in {left.days} days"
        else:
            return ()
        return (Finding(message=f"{text}; replace the files and reload the host"),)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as error:
            message = f"the TLS file cannot be read: {error.strerror}"
            raise ConfigurationError(message, where=str(path), hint="check path and permissions") from error
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        hint = f"expected PEM files, the key {key} without a password and belonging to the certificate"
        raise ConfigurationError("the TLS certificate cannot be used", where=str(certificate), hint=hint) from error
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")


def _end_of(certificate: Path) -> datetime:
    from cryptography.x509 import load_pem_x509_certificate  # takes long to import, and few hosts need it

    return load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.astimezone(UTC)
