"""Ways to tell people that need nothing but this machine and a mail server: the host's log, and mail."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.utils import getaddresses
from enum import StrEnum
from hashlib import sha256
from typing import ClassVar

import structlog

from host.contracts.contract import Settings
from host.contracts.notices import Notifier
from host.errors import NoticeError
from host.local.threads import DaemonThreads
from host.model.notices import Notice, NoticeKind

logger = structlog.get_logger(__name__)

MAX_SUBJECT = 250
MAX_REPLY = 300


class LogNotifier(Notifier):
    """Writes one line to the host's log: a warning, or information where a job has recovered."""

    is_default = True

    async def notify(self, notice: Notice) -> None:
        """Write the line."""
        say = logger.info if notice.kind is NoticeKind.RECOVERED else logger.warning
        names = {"job_id": notice.job_id, "job_type": notice.job_type, "run_id": notice.run_id}
        say(
            "notice",
            kind=notice.kind.value,
            subject=notice.subject,
            **{name: str(value) for name, value in names.items() if value is not None},
            text=" ".join(notice.text.split()),
        )


class SmtpSecurity(StrEnum):
    """How a connection to a mail server is protected."""

    NONE = "none"
    """Not at all; for a server on this machine."""
    STARTTLS = "starttls"
    """By TLS, begun after the greeting; refused if the server does not offer it."""
    TLS = "tls"
    """By TLS from the first byte."""


PORTS = {SmtpSecurity.NONE: 25, SmtpSecurity.STARTTLS: 587, SmtpSecurity.TLS: 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpNotifierSettings(Settings):
    """Where mail goes."""

    section: ClassVar[str] = "SmtpNotifierConfigurationSection"
    host: str
    """Name of the mail server; with TLS its certificate must be valid for it."""
    port: int | None = None
    """None: 25, 587 or 465, as ``security`` says."""
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    user: str | None = None
    """None: no login."""
    password: str | None = field(default=None, repr=False)
    """Give it by a reference, as in ``${file:smtp.password}``."""
    sender: str
    """Address, or name with address as in ``Jobs <jobs@example.org>``."""
    recipients: str
    """The same, one or more, separated by commas."""
    timeout: timedelta = timedelta(seconds=10)
    """How long each answer of the server may take."""
    instance: str | None = None
    """What subjects name this host by; None: the name of its machine."""

    def __post_init__(self) -> None:
        """Refuse what could never deliver a mail."""
        if not self.host.strip():
            raise ValueError("host: expected the name of a mail server")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise ValueError(f"port: expected 1 to 65535, not {self.port}")
        if not timedelta(0) < self.timeout <= timedelta(minutes=5):
            raise ValueError("timeout: expected more than nothing and at most 5 minutes")
        for name, text, most in (("sender", self.sender, 1), ("recipients", self.recipients, 100)):
            if not 1 <= len(_addresses(text)) <= most:
                raise ValueError(f"{name}: expected {'one address' if most == 1 else f'1 to {most} addresses'}")
        self._check_login()

    def _check_login(self) -> None:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password: expected both or neither")
        if self.user is not None and self.security is SmtpSecurity.NONE:
            raise ValueError("user: a password is not sent unprotected; expected security 'starttls' or 'tls'")
        if not f"{self.user}{self.password}".isascii():
            raise ValueError("user and password: expected ASCII characters only")


class SmtpNotifier(Notifier):
    """Sends mail through one server, over a new connection each time.

    A mail that is sent again after a failure has the same Message-ID. One that some recipients are refused counts as
    delivered, which the log tells.
    """

    def __init__(self, settings: SmtpNotifierSettings) -> None:
        self._settings = settings
        # Not kept: there is seldom a second mail. Daemons: a server that hangs does not hold up the host's end.
        self._threads = DaemonThreads("smtp", keep=0)

    async def notify(self, notice: Notice) -> None:
        """Send the mail; raises NoticeError if the server cannot be reached or does not take it."""
        message = self._message(notice)
        refused = await self._threads.call(lambda: self._send(message))
        if refused:
            logger.warning("mail refused for some recipients", recipients=sorted(refused))

    def _message(self, notice: Notice) -> EmailMessage:
        settings = self._settings
        instance = settings.instance or notice.host.partition("/")[0]
        message = EmailMessage()
        message["Subject"] = _header(f"[jobhost {instance}] {notice.subject}")
        message["From"] = settings.sender.strip()
        message["To"] = ", ".join(_addresses(settings.recipients))
        message["Date"] = notice.at
        message["Message-ID"] = _message_id(notice, settings.sender)
        message["Auto-Submitted"] = "auto-generated"
        body = f"{notice.text}\n\n-- \nTold by {notice.host} at {notice.at:%Y-%m-%d %H:%M:%S} UTC\n"
        message.set_content(body.encode("utf-8", "replace").decode("utf-8"), cte="quoted-printable")
        return message

    def _send(self, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
        with self._told_errors(), self._connected() as server:
            if self._settings.user is not None and self._settings.password is not None:
                server.login(self._settings.user, self._settings.password)
            return server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        port = settings.port or PORTS[settings.security]
        seconds = settings.timeout.total_seconds()
        if settings.security is SmtpSecurity.TLS:
            return smtplib.SMTP_SSL(settings.host, port, timeout=seconds, context=ssl.create_default_context())
        server = smtplib.SMTP(settings.host, port, timeout=seconds)
        if settings.security is SmtpSecurity.STARTTLS:
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server

    @contextmanager
    def _told_errors(self) -> Iterator[None]:
        try:
            yield
        except (smtplib.SMTPException, OSError) as error:
            settings = self._settings
            where = f"{settings.host}:{settings.port or PORTS[settings.security]}"
            raise NoticeError(f"mail not sent: {self._reason(error)}", where=where, hint=_hint(error)) from None

    def _reason(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}"
        if self._settings.password:
            text = text.replace(self._settings.password, "(hidden)")
        return _header(text)[:MAX_REPLY]


def _addresses(text: str) -> list[str]:
    """Give the addresses; empty if any of it is none."""
    found = [address for _, address in getaddresses([text])]
    return found if text.strip().isprintable() and all(map(_is_address, found)) else []


def _is_address(address: str) -> bool:
    local, at, domain = address.rpartition("@")
    return bool(local and at and domain) and address.isprintable() and " " not in address and address.isascii()


def _header(text: str) -> str:
    """Give a text as one printable line: a job's name must not begin another header."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:MAX_SUBJECT]


def _message_id(notice: Notice, sender: str) -> str:
    what = f"{notice.kind} {notice.at.isoformat()} {notice.host} {notice.job_id} {notice.run_id} {notice.subject}"
    domain = _addresses(sender)[0].rpartition("@")[2]
    return f"<{sha256(what.encode('utf-8', 'replace')).hexdigest()[:40]}@{domain}>"


def _hint(error: Exception) -> str:
    match error:
        case smtplib.SMTPAuthenticationError():
            return "check user and password"
        case smtplib.SMTPNotSupportedError():
            return "the server does not offer what is asked for: check security and port, and whether it has logins"
        case smtplib.SMTPSenderRefused() | smtplib.SMTPRecipientsRefused():
            return "check sender and recipients"
        case ssl.SSLError():
            return "check security and port, and that the certificate is known here and names this host"
        case socket.gaierror():
            return "check the server's name"
        case _:
            return "check that the server runs, and host, port and security"
