"""Errors of sockets, TLS and HTTP in words that an operator can act on."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

from host_upstream.transport.fault import Fault


def fault_of(error: Exception, *, is_unsent: bool = False) -> Fault:
    """Give the fault that an error of the connection is; what it does not explain is told by the error beneath it."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError) and not _is_pending(cause):
            # A certificate that the upstream refuses is told after the handshake, on the first read (TLS 1.3).
            reason, hint = _of_tls(cause)
            return Fault(reason, hint=hint, is_unsent=is_unsent)
    for cause in _causes(error):
        if isinstance(cause, OSError) and (told := _of_system(cause)) is not None:
            return Fault(told[0], hint=told[1], is_unsent=is_unsent)
    return Fault(" ".join(str(error).split()) or type(error).__name__, is_unsent=is_unsent)


def _is_pending(error: ssl.SSLError) -> bool:
    """Say whether it only tells that there is nothing to read yet, as it stands before most real errors."""
    return isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError)


def _of_tls(error: ssl.SSLError) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "renew it there, or name its authority by caCertificates; the realm's domain must be in it"
        return f"its certificate is refused: {error.verify_message or error.reason}", hint
    words = (getattr(error, "reason", None) or str(error)).lower().replace("_", " ")
    if "alert" in words and ("certificate" in words or "unknown ca" in words):
        return f"it refuses this host's certificate: {words}", "check the <certificate> of the credentials"
    if "unexpected eof" in words:
        hint = "check the realm's port and tls, and whether the upstream wants a certificate of this host"
        return "it broke off while TLS was agreed on", hint
    return f"no TLS: {words}", "check the realm's port and tls"


def _of_system(error: OSError) -> tuple[str, str | None] | None:
    if isinstance(error, socket.gaierror):
        return f"its name cannot be resolved: {error.strerror}", "check the realm's domain"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused", "check that it runs, and the realm's domain and port"
    if error.errno:
        return os.strerror(error.errno).lower(), None
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [other for other in (each.__context__, each.__cause__) if other is not None]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
