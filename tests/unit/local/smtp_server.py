"""A small mail server on loopback: keeps what it is sent, with TLS and logins, and can be told to be difficult."""

from __future__ import annotations

import base64
import os
import shutil
import socketserver
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest


@dataclass
class Mail:
    """One mail as it arrived."""

    sender: str
    recipients: list[str]
    raw: bytes
    user: str | None
    is_protected: bool

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return str(self.message.get_content()).replace("\r\n", "\n")


class SmtpServer(socketserver.ThreadingTCPServer):
    """Serves between ``with`` and its end; ``mails`` are in the order of their arrival."""

    allow_reuse_address = True

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        is_tls_first: bool = False,
        logins: dict[str, str] | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.tls = tls
        self.is_tls_first = is_tls_first
        self.logins = logins or {}
        self.refused: set[str] = set()
        """Addresses that get no mail."""
        self.is_silent = False
        """Never answers."""
        self.closing = threading.Event()
        self.mails: list[Mail] = []
        self.sessions = 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what some tests are about."""


@dataclass
class _State:
    user: str | None = None
    sender: str = ""
    recipients: list[str] = field(default_factory=list)


class _Session(socketserver.StreamRequestHandler):
    server: SmtpServer
    timeout = 10

    def setup(self) -> None:
        self.is_protected = False
        if self.server.is_tls_first:
            self._protect()
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def _protect(self) -> None:
        assert self.server.tls is not None
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.is_protected = True

    def handle(self) -> None:
        self.server.sessions += 1
        if self.server.is_silent:
            self.server.closing.wait(60)
            return
        state = _State()
        self._say("220 test")
        while line := self.rfile.readline():
            words = line.decode().strip()
            verb = words.partition(" ")[0].upper()
            if verb == "QUIT":
                self._say("221 bye")
                return
            answer = getattr(self, f"_{verb.lower()}", None)
            self._say(answer(state, words) if answer else "500 what?")

    def _say(self, text: str) -> None:
        if text:
            self.wfile.write("".join(f"{line}\r\n" for line in text.splitlines()).encode())

    def _ehlo(self, state: _State, words: str) -> str:
        offers = ["test"]
        if self.server.tls and not self.is_protected:
            offers.append("STARTTLS")
        if self.server.logins and self.is_protected:
            offers.append("AUTH PLAIN")
        return "\n".join([f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"])

    def _starttls(self, state: _State, words: str) -> str:
        self._say("220 go on")
        self._protect()
        super().setup()
        return ""

    def _auth(self, state: _State, words: str) -> str:
        _, user, password = base64.b64decode(words.split()[2]).decode().split("\0")
        if self.server.logins.get(user) != password:
            return f"535 wrong password: {password}"
        state.user = user
        return "235 welcome"

    def _mail(self, state: _State, words: str) -> str:
        if self.server.logins and not state.user:
            return "530 log in first"
        state.sender, state.recipients = _address(words), []
        return "250 ok"

    def _rcpt(self, state: _State, words: str) -> str:
        if _address(words) in self.server.refused:
            return "550 nobody of that name"
        state.recipients.append(_address(words))
        return "250 ok"

    def _rset(self, state: _State, words: str) -> str:
        return "250 ok"

    def _data(self, state: _State, words: str) -> str:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        mail = Mail(state.sender, state.recipients, b"".join(lines), state.user, self.is_protected)
        self.server.mails.append(mail)
        return "250 taken"


def _address(words: str) -> str:
    return words.partition("<")[2].partition(">")[0]


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for 127.0.0.1: a server's context, and the file that clients must trust."""
    program = shutil.which("openssl")
    if program is None:
        assert not os.environ.get("CI"), "openssl is missing"
        pytest.skip("openssl is missing")
    key, chain = folder / "key.pem", folder / "certificate.pem"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
    made = (
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        str(key),
        "-out",
        str(chain),
    )
    subprocess.run([program, "req", "-x509", *made, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context, chain
