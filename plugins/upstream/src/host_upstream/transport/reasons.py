"""Errors of sockets, TLS and HTTP in words that an operator can act on."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

from host_upstream.transport.fault import Fault

LONGEST = 300
_UNSENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"})
"""What httpx2 raises before anything of a request has left."""


def fault_of(error: Exception, *, connect_seconds: float) -> Fault:
    """Give the fault that an error of httpx2 is; what it does not explain is told by the error beneath it."""
    name = type(error).__name__
    is_unsent = name in _UNSENT
    if name == "ConnectTimeout":
        hint = "check the realm's domain and port, and that no firewall stands between"
        return Fault(f"no connection within {connect_seconds:g} s", hint=hint, is_unsent=True)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError) and not _is_pending(cause):
            # A certificate that the upstream refuses is told after the handshake, on the first read (TLS 1.3).
            reason, hint = _of_tls(cause)
            return Fault(reason, hint=hint, is_unsent=is_unsent)
    for cause in _causes(error):
        if isinstance(cause, OSError) and (told := _of_system(cause)) is not None:
            return Fault(told[0], hint=told[1], is_unsent=is_unsent)
    # What cannot be sent says nothing of the upstream.
    return Fault(_of_protocol(name, str(error)), is_unsent=is_unsent, is_outage=name != "LocalProtocolError")


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


def _of_protocol(name: str, text: str) -> str:
    words = " ".join(text.split())[:LONGEST]
    if name == "ReadTimeout":
        return "nothing more came"
    if name == "DecodingError":
        return f"its answer is not compressed as it says: {words}"
    if "without sending complete" in words or "incomplete" in words:
        return f"it closed the connection inside its answer: {words}"
    if "without sending" in words:
        return "it closed the connection without an answer"
    return words or name


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
