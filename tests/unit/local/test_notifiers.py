"""Notifiers: what arrives at a real mail server, what is refused, and that nothing gets in where it should not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from host.errors import NoticeError
from host.local.notifiers import LogNotifier, SmtpNotifier, SmtpNotifierSettings, SmtpSecurity
from host.model.notices import Notice, NoticeKind
from tests.unit.local.smtp_server import SmtpServer, certificate

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def notice(**fields: Any) -> Notice:
    known = {
        "kind": NoticeKind.FAILING,
        "at": AT,
        "host": "web-1/abc/def",
        "subject": "job a:B is failing: 3 runs in a row",
        "text": "The latest 3 runs have failed.\n.\nLatest error: Grüße",
        "job_id": UUID(int=1),
        "job_type": "a:B",
        "run_id": UUID(int=2),
    }
    return Notice(**{**known, **fields})


def settings(server: SmtpServer, **fields: Any) -> SmtpNotifierSettings:
    known = {
        "host": "127.0.0.1",
        "port": server.port,
        "security": SmtpSecurity.NONE,
        "sender": "Jobs <jobs@example.org>",
        "recipients": "ops@example.org, Night Shift <night@example.org>",
        "timeout": timedelta(seconds=5),
    }
    return SmtpNotifierSettings(**{**known, **fields})


def send(server: SmtpServer, told: Notice | None = None, **fields: Any) -> None:
    asyncio.run(SmtpNotifier(settings(server, **fields)).notify(told or notice()))


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    context, chain = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    return context


def test_a_mail_arrives_at_every_recipient_with_all_that_was_told(server: SmtpServer) -> None:
    send(server)

    (mail,) = server.mails
    assert mail.sender == "jobs@example.org"
    assert mail.recipients == ["ops@example.org", "night@example.org"]
    assert mail.subject == "[jobhost web-1] job a:B is failing: 3 runs in a row"
    assert mail.text.startswith("The latest 3 runs have failed.\n.\nLatest error: Grüße\n")
    assert mail.raw.isascii()
    assert "Told by web-1/abc/def at 2026-01-02 03:04:05 UTC" in mail.text


def test_headers_say_when_and_that_no_person_wrote_it(server: SmtpServer) -> None:
    send(server)

    message = server.mails[0].message
    assert message["Date"].datetime == AT
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "Jobs <jobs@example.org>"
    assert str(message["Message-ID"]).endswith("@example.org>")


def test_the_same_notice_sent_again_has_the_same_message_id_and_another_has_another(server: SmtpServer) -> None:
    for told in (notice(), notice(), notice(run_id=UUID(int=3))):
        send(server, told)

    first, again, other = (mail.message["Message-ID"] for mail in server.mails)
    assert first == again != other


def test_the_configured_instance_is_named_in_the_subject(server: SmtpServer) -> None:
    send(server, instance="billing")

    assert server.mails[0].subject.startswith("[jobhost billing] ")


@pytest.mark.parametrize(
    "evil", ["a\r\nBcc: thief@example.org", "a\nBcc: thief@example.org\n\nbody", "a\x00\x85\u2028b\ud800"]
)
def test_a_name_cannot_add_headers(server: SmtpServer, evil: str) -> None:
    send(server, notice(subject=evil, host=evil, job_type=evil, text=f"{evil}\n.\r\nQUIT"), instance=evil)

    (mail,) = server.mails
    assert mail.message["Bcc"] is None
    assert mail.recipients == ["ops@example.org", "night@example.org"]
    assert mail.subject.startswith("[jobhost a")
    assert mail.subject.isprintable()


def test_starttls_protects_mail_and_login(tls: Any) -> None:
    with SmtpServer(tls=tls, logins={"jobs": "pass-word"}) as server:
        send(server, security=SmtpSecurity.STARTTLS, user="jobs", password="pass-word")

    (mail,) = server.mails
    assert mail.is_protected
    assert mail.user == "jobs"


def test_tls_from_the_first_byte(tls: Any) -> None:
    with SmtpServer(tls=tls, is_tls_first=True) as server:
        send(server, security=SmtpSecurity.TLS)

    assert server.mails[0].is_protected


def test_a_server_without_starttls_gets_no_mail(server: SmtpServer) -> None:
    with pytest.raises(NoticeError, match="STARTTLS") as caught:
        send(server, security=SmtpSecurity.STARTTLS)

    assert "check security" in str(caught.value.hint)
    assert not server.mails


@pytest.mark.parametrize(("security", "is_first"), [(SmtpSecurity.STARTTLS, False), (SmtpSecurity.TLS, True)])
def test_a_certificate_that_is_not_trusted_gets_no_mail(tmp_path: Path, security: SmtpSecurity, is_first: bool) -> None:
    context, _ = certificate(tmp_path)
    with (
        SmtpServer(tls=context, is_tls_first=is_first) as server,
        pytest.raises(NoticeError, match="CERTIFICATE") as caught,
    ):
        send(server, security=security)

    assert "certificate" in str(caught.value.hint)
    assert not server.mails


def test_a_refused_login_says_so_without_the_password(tls: Any) -> None:
    with SmtpServer(tls=tls, logins={"jobs": "right-one"}) as server, pytest.raises(NoticeError) as caught:
        send(server, security=SmtpSecurity.STARTTLS, user="jobs", password="wrong-one")

    told = f"{caught.value!s}{caught.value!r}{caught.value.__cause__!r}"
    assert "535" in told
    assert "wrong-one" not in told
    assert caught.value.hint == "check user and password"


def test_a_refused_recipient_does_not_keep_the_mail_from_the_others(server: SmtpServer) -> None:
    server.refused = {"night@example.org"}
    with capture_logs() as logs:
        send(server)

    assert server.mails[0].recipients == ["ops@example.org"]
    (line,) = logs
    assert line["recipients"] == ["night@example.org"]
    assert line["log_level"] == "warning"


def test_a_mail_that_nobody_may_have_is_not_delivered(server: SmtpServer) -> None:
    server.refused = {"night@example.org", "ops@example.org"}
    with pytest.raises(NoticeError) as caught:
        send(server)

    assert caught.value.hint == "check sender and recipients"


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with SmtpServer() as server, pytest.raises(NoticeError) as caught:
            send(server, port=port)

    assert caught.value.where == f"127.0.0.1:{port}"
    assert "Connection refused" in caught.value.message


def test_a_server_that_never_answers_is_given_up() -> None:
    with SmtpServer() as server:
        server.is_silent = True
        with pytest.raises(NoticeError, match="timed out"):
            send(server, timeout=timedelta(milliseconds=50))


def test_the_loop_goes_on_while_a_server_is_silent() -> None:
    async def body(server: SmtpServer) -> None:
        sending = asyncio.create_task(SmtpNotifier(settings(server)).notify(notice()))
        async with asyncio.timeout(60):
            while not server.sessions:
                await asyncio.sleep(0.001)
        assert not sending.done()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    with SmtpServer() as server:
        server.is_silent = True
        asyncio.run(body(server))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"host": " "}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"timeout": timedelta(0)}, "timeout"),
        ({"sender": "nobody"}, "sender"),
        ({"sender": "a@b.example, c@d.example"}, "sender"),
        ({"sender": "a@b.example\nBcc: c@d.example"}, "sender"),
        ({"recipients": ""}, "recipients"),
        ({"recipients": "a@b.example, nobody"}, "recipients"),
        ({"user": "jobs"}, "both or neither"),
        ({"user": "jobs", "password": "secret-1"}, "unprotected"),
        ({"user": "jobs", "password": "géheim", "security": SmtpSecurity.TLS}, "ASCII"),
    ],
)
def test_settings_that_could_never_work_are_refused_without_the_password(
    server: SmtpServer, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        settings(server, **fields)

    assert str(fields.get("password", "\0")) not in str(caught.value)


def test_a_name_with_a_comma_is_one_recipient(server: SmtpServer) -> None:
    send(server, recipients='"Doe, Jane" <jane@example.org>')

    assert server.mails[0].recipients == ["jane@example.org"]


def test_settings_do_not_show_the_password(server: SmtpServer) -> None:
    shown = repr(settings(server, user="jobs", password="secret-1", security=SmtpSecurity.TLS))

    assert "jobs" in shown
    assert "secret-1" not in shown


@pytest.mark.parametrize("kind", NoticeKind)
def test_the_log_gets_one_line_whose_level_says_whether_to_look(kind: NoticeKind) -> None:
    with capture_logs() as logs:
        asyncio.run(LogNotifier().notify(notice(kind=kind)))

    (line,) = logs
    assert line["log_level"] == ("info" if kind is NoticeKind.RECOVERED else "warning")
    assert line["kind"] == kind.value
    assert line["job_type"] == "a:B"
    assert line["text"] == "The latest 3 runs have failed. . Latest error: Grüße"


def test_a_notice_of_no_run_names_none_in_the_log() -> None:
    with capture_logs() as logs:
        asyncio.run(LogNotifier().notify(notice(job_id=None, job_type=None, run_id=None)))

    assert not {"job_id", "job_type", "run_id"} & set(logs[0])
