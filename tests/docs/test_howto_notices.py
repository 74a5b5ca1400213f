"""The page on notices: with its configuration the mail it shows arrives, and what the mail advises can be done."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.conftest import CONFIGURATION, HERE, serving
from tests.docs.follow import Terminal, check_example
from tests.docs.pages import ROOT, blocks_of
from tests.unit.local.smtp_server import Mail, SmtpServer, certificate

PAGE = ROOT / "docs/howto/be-told-of-failures.md"
JOB = """
from host import JobContext, job
from host.hookspecs import hookimpl


@job(name="Import")
async def Import(context: JobContext, is_open: bool = False):
    if not is_open:
        raise ConnectionError("no route to the archive")


@hookimpl
def host_jobs():
    return [Import]
"""
JOBS = '<add type="acme:Import" startType="never" />'
START = "jobhost jobs start acme:Import --wait --param is_open={} || true"

pytestmark = pytest.mark.slow
Offer = Callable[[str, str], Path]


def block(*words: str) -> str:
    (found,) = [block.text for block in blocks_of(PAGE) if all(word in block.text for word in words)]
    return found.replace("acme_jobs.jobs:", "acme:")


def rows() -> str:
    """Give the page's providers besides the manager, which every configuration here has."""
    return "\n".join(row for row in re.findall(r"<add .*?/>", block("<serviceProviders>")) if "JobManager" not in row)


def first_mail(server: SmtpServer, seconds: float = 60) -> Mail:
    end = time.monotonic() + seconds
    while not server.mails:
        assert time.monotonic() < end, "no mail has arrived"
        time.sleep(0.02)
    return server.mails[0]


def test_the_mail_of_the_page_arrives_and_its_advice_can_be_followed(offer: Offer, tmp_path: Path) -> None:
    folder = offer("acme", JOB)
    (folder / "smtp.password").write_text("open sesame\n")
    context, trusted = certificate(tmp_path)

    with SmtpServer(tls=context, logins={"jobs": "open sesame"}) as server, Terminal(folder) as terminal:
        section = block("<section", "mail.example.org").replace(
            'host="mail.example.org"', f'host="127.0.0.1" port="{server.port}"'
        )
        text = CONFIGURATION.format(providers=rows(), sections=section, jobs=JOBS)
        (folder / "host.config.xml").write_text(text)
        terminal.run(f"export SSL_CERT_FILE={trusted}")
        serving(*map(START.format, ("true", "false", "false", "false")))(terminal)
        mail = first_mail(server)

        subject, _, shown = block("Subject: ").replace("web-1", socket.gethostname()).partition("\n")
        check_example(str(PAGE), subject, f"Subject: {mail.subject}")
        check_example(str(PAGE), shown, mail.text)
        assert (mail.user, mail.is_protected) == ("jobs", True)
        assert mail.recipients == ["ops@example.org", "night-shift@example.org"]

        advice = mail.text.partition("What to do:")[2].split("\n")
        listed, log = (terminal.run(line) for line in map(str.strip, advice) if line.startswith("jobhost "))
        assert listed.count("no route to the archive") == 3
        assert "no route to the archive" in log


def test_the_settings_of_the_page_are_accepted(offer: Offer) -> None:
    folder = offer("acme", JOB)
    section = block("NoticeConfigurationSection")
    (folder / "host.config.xml").write_text(CONFIGURATION.format(providers="", sections=section, jobs=JOBS))

    with Terminal(folder) as terminal:
        terminal.run(HERE)
        assert "is in order" in terminal.run("jobhost check")
