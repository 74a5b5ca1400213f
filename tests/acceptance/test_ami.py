"""SanteDB's clients at work against a served host: the admin page in JSON, the upstream job manager in XML."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.ami_client import AmiClient, AmiFaultError
from tests.acceptance.hostprocess import HostProcess

pytestmark = pytest.mark.slow

PROVIDERS = "".join(
    f'\n      <add type="host_rest.{name}" />'
    for name in ("server.server:HttpServer", "oauth.mount:OAuthMount", "ami.mount:AmiMount")
)
SECTIONS = '<section xsi:type="HttpServerConfigurationSection" port="0" />'
JOBS = """
      <add type="probe_jobs:Progressing" startType="never">
        <schedule><add type="interval" interval="8640000" start="0001-01-01T00:00:00" /></schedule>
      </add>
      <add type="probe_jobs:Bad" startType="never" />"""
PROGRESSING, BAD = "10000000-0000-4000-8000-000000000006", "10000000-0000-4000-8000-000000000007"
NO_START = "0001-01-01T00:00:00"


@pytest.fixture
def serving(make_host: Callable[..., HostProcess]) -> HostProcess:
    host = make_host(jobs=JOBS, providers=PROVIDERS, sections=SECTIONS)
    host.start()
    return host


def client_of(host: HostProcess, form: str, *, role: str = "administrator") -> AmiClient:
    added: Any = host.json("clients", "add", f"{role}-{form}", "--role", role)
    client = AmiClient((host.data / "http.url").read_text().strip(), form)
    issued = client.sign_in(added["name"], added["secret"])
    assert issued["token_type"].lower() == "bearer"
    return client


def wait_for(client: AmiClient, job_id: str, **members: Any) -> dict[str, Any]:
    """Give the job once it has these members."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        job = client.job(job_id)
        if members.items() <= job.items():
            return job
        time.sleep(0.05)
    raise AssertionError(f"{members} not seen in {job}")


@pytest.mark.parametrize("form", ["json", "xml"])
def test_the_admin_page_can_be_worked_with(serving: HostProcess, form: str) -> None:
    nobody = AmiClient((serving.data / "http.url").read_text().strip(), form)
    assert nobody.ping() == 204
    assert set(nobody.capabilities()) == {"create", "update", "delete", "get", "search"}
    client = client_of(serving, form)

    jobs, total = client.jobs()
    assert [job["name"] for job in jobs] == ["Bad", "Progressing"]
    assert total == 2
    found, total = client.jobs("PROGR", count=1)
    assert ([job["id"] for job in found], total) == ([PROGRESSING], 1)
    assert (found[0]["state"], found[0]["canCancel"]) == ("NotRun", True)
    assert [(each["key"], each["type"]) for each in found[0]["parameters"]] == [
        ("steps", "Int32"),
        ("seconds", "Double"),
    ]

    assert "probe_jobs:Free" in client.candidates()
    registered = client.register("probe_jobs:Free")
    assert "probe_jobs:Free" not in client.candidates()
    assert client.job(registered["id"])["name"] == "Free"

    client.start(PROGRESSING, steps=2, seconds=0.01)
    job = wait_for(client, PROGRESSING, state="Completed")
    assert (job["progress"], job["status"]) == (1.0, "all steps done")
    assert job["lastFinish"] >= job["lastStart"]

    client.start(BAD, how="raises")
    assert wait_for(client, BAD, state="Aborted")["status"] == "ValueError: the disk caught fire"

    client.start(PROGRESSING, steps=1000, seconds=0.05)
    assert "lastFinish" not in wait_for(client, PROGRESSING, state="Running")
    client.cancel(PROGRESSING)
    wait_for(client, PROGRESSING, state="Cancelled")


@pytest.mark.parametrize("form", ["json", "xml"])
def test_each_form_of_a_schedule_is_kept_over_a_restart(serving: HostProcess, form: str) -> None:
    client = client_of(serving, form)
    assert client.job(PROGRESSING)["schedule"] == [{"type": "Interval", "interval": "P100D", "start": NO_START}]
    days = ["Monday", "Friday"]
    forms = (
        ([{"type": "Interval", "interval": "PT12H"}], [{"type": "Interval", "interval": "PT12H", "start": NO_START}]),
        (
            [{"type": "Scheduled", "start": "2060-01-27T04:00:00.000Z", "repeat": days}],
            [{"type": "Scheduled", "start": "2060-01-27T04:00:00Z", "repeat": days}],
        ),
        ([{"type": "Scheduled", "start": "2060-01-27T04:00:00"}],) * 2,
    )
    for sent, shown in forms:
        assert client.schedule(PROGRESSING, sent)["schedule"] == shown
        assert client.job(PROGRESSING)["schedule"] == shown

    before = (serving.data / "xcron.xml").read_bytes()
    assert client.schedule(PROGRESSING, client.job(PROGRESSING)["schedule"])["schedule"] == forms[-1][1]
    assert (serving.data / "xcron.xml").read_bytes() == before

    assert serving.terminate() == 0
    serving.start()
    client = client_of(serving, form, role="operator")
    assert client.job(PROGRESSING)["schedule"] == forms[-1][1]
    client.schedule(PROGRESSING, None)
    assert client.job(PROGRESSING)["schedule"] == []


@pytest.mark.parametrize("form", ["json", "xml"])
def test_who_may_not_is_told_which_policy_it_takes(serving: HostProcess, form: str) -> None:
    nobody = AmiClient((serving.data / "http.url").read_text().strip(), form)
    with pytest.raises(AmiFaultError) as caught:
        nobody.job(PROGRESSING)
    assert (caught.value.status, caught.value.type) == (401, "PolicyViolationException")
    assert caught.value.headers["www-authenticate"].lower().startswith("bearer")

    reader = client_of(serving, form, role="reader")
    for attempt in (
        lambda: reader.start(PROGRESSING),
        lambda: reader.cancel(PROGRESSING),
        lambda: reader.register("probe_jobs:Free"),
        lambda: reader.schedule(PROGRESSING, []),
    ):
        with pytest.raises(AmiFaultError) as caught:
            attempt()
        assert (caught.value.status, caught.value.type) == (403, "PolicyViolationException")
    assert reader.job(PROGRESSING)["state"] == "NotRun"


def test_what_is_done_over_ami_is_seen_by_everybody_else(serving: HostProcess) -> None:
    client = client_of(serving, "json")
    client.start(PROGRESSING, steps=1, seconds=0.01)
    wait_for(client, PROGRESSING, state="Completed")
    runs: Any = serving.json("runs", "list")
    assert "administrator-json" in json.dumps(runs)
