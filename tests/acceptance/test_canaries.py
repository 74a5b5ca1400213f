"""No password, secret, token or key that a host is given appears anywhere but where it was given."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from plugins.rest.tests.server.certificates import make_certificate
from tests.acceptance.hostprocess import HostProcess

pytestmark = pytest.mark.slow

WRONG, PARAMETER, MAIL = "canary-wrong-J4xw", "canary-parameter-Q7sd", "canary-mail-Z2pk"
JOB = """
from uuid import UUID
from host import Job, JobContext, JobParameter
from host.hookspecs import hookimpl

class Telling(Job):
    '''Tells all it knows, in every way a job has, and fails.'''

    id = UUID("10000000-0000-4000-8000-0000000000ca")
    parameters = (JobParameter("token", str, secret=True), JobParameter("times", int, default=1, maximum=9))

    async def run(self, context: JobContext) -> None:
        token = context.parameters["token"]
        context.log.info(f"the token is {token}", token=token)
        context.progress(0.5, f"with {token}")
        raise ValueError(f"{token} was not accepted")

@hookimpl
def host_jobs():
    return [Telling]
"""
PROVIDERS = "".join(
    f'\n      <add type="{name}" />'
    for name in (
        "host_rest.server.server:HttpServer",
        "host_rest.oauth.mount:OAuthMount",
        "host_rest.ami.mount:AmiMount",
        "host_rest.api.mount:RestMount",
        "host_rest.events.mount:EventsMount",
        "host_rest.server.health:HealthMount",
        "host_rest.server.metrics:MetricsMount",
        "host.local.notifiers:LogNotifier",
        "host.local.notifiers:SmtpNotifier",
    )
)
SECTIONS = """
  <section xsi:type="HttpServerConfigurationSection" port="0" certificate="{certificate}" key="{key}" />
  <section xsi:type="TokenConfigurationSection" allowPasswordGrant="true" />
  <section xsi:type="NoticeConfigurationSection" failingAfter="1" />
  <section xsi:type="SmtpNotifierConfigurationSection" host="127.0.0.1" port="1" security="tls" user="jobs"
           password="${{file:mail.password}}" sender="jobs@example.org" recipients="ops@example.org" />"""


class Speaker:
    """Sends requests, and keeps all that is told: by the host's answers, and by its commands."""

    def __init__(self, host: HostProcess, certificate: Path) -> None:
        self.host, self._context = host, ssl.create_default_context(cafile=str(certificate))
        self.told: list[str] = []

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        parts = urlsplit((self.host.data / "http.url").read_text().strip())
        assert parts.hostname is not None
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=self._context)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            if answer.getheader("content-type", "").startswith("text/event-stream"):
                return answer.status, answer.fp.readline() + answer.fp.readline()
            return answer.status, answer.read() + str(answer.headers).encode()
        finally:
            connection.close()

    def ask(self, method: str, path: str, token: str = "", **values: Any) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = None
        if values:
            body, headers["Content-Type"] = json.dumps(values).encode(), "application/json"
        status, text = self.send(method, path, body, headers)
        self.told.append(text.decode())
        return status

    def form(self, path: str, headers: Mapping[str, str] | None = None, **fields: str) -> tuple[int, bytes]:
        kind = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.send("POST", path, urlencode(fields).encode(), kind)

    def refused(self, path: str, headers: Mapping[str, str] | None = None, **fields: str) -> None:
        status, text = self.form(path, headers, **fields)
        assert 400 <= status < 500, text
        self.told.append(text.decode())

    def run(self, *arguments: str) -> str:
        done = self.host.run(*arguments, ok=False)
        self.told.append(done.stdout + done.stderr)
        return done.stdout


@pytest.fixture
def speaker(make_host: Callable[..., HostProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Speaker:
    plugin = tmp_path / "plugin"
    (plugin / "canary-1.0.dist-info").mkdir(parents=True)
    (plugin / "canary_jobs.py").write_text(JOB)
    (plugin / "canary-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: canary\nVersion: 1.0\n")
    (plugin / "canary-1.0.dist-info" / "entry_points.txt").write_text("[host.plugins]\ncanary = canary_jobs\n")
    monkeypatch.setenv("PYTHONPATH", str(plugin))
    certificate, key = make_certificate(tmp_path)
    sections = SECTIONS.format(certificate=certificate, key=key)
    job = '<add type="canary_jobs:Telling" startType="never" />'
    host = make_host(providers=PROVIDERS, sections=sections, jobs=job)
    (host.folder / "mail.password").write_text(MAIL)
    (host.folder / "mail.password").chmod(0o600)
    return Speaker(host, certificate)


def sign_in(web: Speaker) -> dict[str, str]:
    """Sign in rightly, in every way; gives what must not be told, by name."""
    role = ("--role", "administrator", "--json")
    password = json.loads(web.host.run("users", "add", "alice", "--generate", *role).stdout)
    added = json.loads(web.host.run("clients", "add", "app", *role).stdout)
    app = {"client_id": "app", "client_secret": added["secret"]}
    alice = {"grant_type": "password", "username": "alice", "password": password["password"], **app}
    first = json.loads(web.form("/auth/oauth2_token", **alice)[1].partition(b"}")[0] + b"}")
    renewal = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], **app}
    second = json.loads(web.form("/auth/oauth2_token", **renewal)[1].partition(b"}")[0] + b"}")
    return {
        "password": password["password"],
        "client secret": added["secret"],
        "access token": first["access_token"],
        "id token": first["id_token"],
        "used refresh token": first["refresh_token"],
        "newer access token": second["access_token"],
        "refresh token": second["refresh_token"],
    }


def sign_in_wrongly(web: Speaker, known: Mapping[str, str]) -> None:
    app = {"client_id": "app", "client_secret": known["client secret"]}
    alice = {"grant_type": "password", "username": "alice", "password": known["password"], **app}
    token = "/auth/oauth2_token"
    for change in (
        {"password": WRONG},
        {"username": known["password"], "password": "x"},
        {"username": WRONG},
        {"client_id": known["client secret"]},
        {"client_secret": WRONG},
        {"client_secret": known["password"]},
        {"grant_type": known["password"]},
        {"grant_type": "refresh_token", "refresh_token": WRONG},
        {"scope": known["password"]},
    ):
        web.refused(token, None, **{**alice, **change})
    pair = base64.b64encode(f"app:{known['password']}".encode()).decode()
    web.refused(token, {"Authorization": f"Basic {pair}"}, grant_type="client_credentials")
    web.refused(token, {"Authorization": f"Basic {known['client secret']}"}, grant_type="client_credentials")
    web.refused(token, {"Content-Type": f"x/{WRONG}"}, **alice)
    web.refused("/auth/first", token=WRONG, name=WRONG, password=known["password"], repeated=known["password"])
    web.refused("/auth/revoke", token=known["access token"], client_id="app", client_secret=WRONG)


def call_wrongly(web: Speaker, known: Mapping[str, str]) -> None:
    token = known["newer access token"]
    for path in ("/rest/v1/runs", "/ami/JobInfo", "/auth/session", "/rest/v1/events", "/metrics", "/nowhere"):
        for presented in (WRONG, known["id token"], known["refresh token"], f"{token}x", token[:-6]):
            assert web.ask("GET", path, presented) in (401, 404)
        web.ask("GET", f"{path}?access_token={quote(token)}&password={quote(known['password'])}", token)
        web.ask("POST", path, token, password=known["password"], parameters={"token": [PARAMETER]})
    web.ask("GET", "/x", token + "y" * 20_000)
    start = "/rest/v1/jobs/canary_jobs:Telling/start"
    web.ask("POST", start, token, parameters={"token": PARAMETER, "times": "many"})
    web.ask("POST", start, token, parameters={"token": {"a": PARAMETER}})
    web.ask("POST", start, token, parameters={"token": PARAMETER}, priority=PARAMETER)
    web.ask("POST", "/ami/JobInfo/10000000-0000-4000-8000-0000000000ca/$start", token, parameter=[{"value": PARAMETER}])


def call(web: Speaker, known: Mapping[str, str]) -> str:
    """Let the job tell all it knows, and read it everywhere; gives the run's id."""
    token = known["newer access token"]
    assert web.ask("POST", "/rest/v1/jobs/canary_jobs:Telling/start", token, parameters={"token": PARAMETER}) < 300
    web.host.wait_for("was not accepted")
    run: str = json.loads(web.run("runs", "list", "--json"))["runs"][0]["id"]
    for path in ("/ami/JobInfo", "/rest/v1/runs", f"/rest/v1/runs/{run}", f"/rest/v1/runs/{run}/log", "/rest/v1/audit"):
        assert web.ask("GET", path, token) == 200, path
    for path in ("/metrics", "/rest/v1/events", f"/rest/v1/events/runs/{run}", "/auth/session", "/auth/userinfo"):
        assert web.ask("GET", path, token) == 200, path
    for path in ("/auth/jwks", "/auth/.well-known/openid-configuration", "/health/ready"):
        assert web.ask("GET", path) == 200, path
    return run


def command(web: Speaker, run: str) -> None:
    """Say everything on the command line that shows something."""
    web.run("jobs", "start", "canary_jobs:Telling", "--param", f"token={PARAMETER}", "--wait")
    web.run("jobs", "start", "canary_jobs:Telling", "--param", f"token={PARAMETER}", "--param", "times=99")
    for line in ("audit --json", "status", "status --json", "check", "doctor", "reload"):
        web.run(*line.split())
    for line in (f"runs show {run}", f"runs log {run}", "stats", "users list", "clients list"):
        web.run(*line.split())
    web.run("backup", "--to", str(web.host.folder / "backups"), "--json")


def everything(web: Speaker) -> dict[str, bytes]:
    """Give all that was told and all that is on the disk, by where it is; archives unpacked."""
    folder = web.host.folder
    found = {f"told {number}": text.encode() for number, text in enumerate(web.told)}
    for path in (each for each in folder.rglob("*") if each.is_file()):
        data = path.read_bytes()
        found[str(path.relative_to(folder))] = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return found


def test_no_canary_leaves_its_cage(speaker: Speaker) -> None:
    host, web = speaker.host, speaker
    host.start("--log-format", "console")
    known = sign_in(web)
    sign_in_wrongly(web, known)
    command(web, call(web, known))
    call_wrongly(web, known)
    assert host.terminate() == 0
    host.start("--log-format", "json")
    call(web, known)
    call_wrongly(web, known)
    signing = json.loads((host.data / "signing-keys.json").read_text())["keys"][0]["key"]["d"]
    tls = (host.folder.parent / "server.key").read_text().splitlines()[1]
    assert host.terminate() == 0

    backup = {str(path.relative_to(host.folder)) for path in (host.folder / "backups").iterdir()}
    stores = {str(path.relative_to(host.folder)) for path in host.data.rglob("runs.sqlite*")}
    cages = {
        **{canary: set[str]() for canary in (*known.values(), WRONG, tls)},
        PARAMETER: {*stores, *backup},
        MAIL: {"mail.password"},
        signing: {"data/signing-keys.json", *backup},
    }
    places = everything(web)
    assert any("http request" in text.decode(errors="replace") for text in places.values())
    for canary, cage in cages.items():
        forms = {canary.encode(), canary.split(".")[-1].encode(), quote(canary).encode()}
        free = {place for place, data in places.items() if place not in cage and any(form in data for form in forms)}
        assert not free, canary[:12]
        assert not cage or any(canary.encode() in places[place] for place in cage), canary[:12]
    for place in {place for cage in cages.values() for place in cage}:
        assert (host.folder / place).stat().st_mode & 0o077 == 0, place
