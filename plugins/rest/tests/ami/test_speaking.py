"""Media types, faults and demands: how AMI speaks, and to whom."""

from __future__ import annotations

import asyncio
from pathlib import Path
from xml.etree import ElementTree

import pytest

from host.contracts.http import HttpRefusal
from host.contracts.jobs import JobManagerService
from host.errors import (
    ErrorKind,
    HostError,
    StoreCorruptError,
    StoreUnavailableError,
    TooManyAttemptsError,
    UnsupportedOperationError,
)
from host.model.security import Access, Policy
from host.santedb.ami import xml_reading
from host_rest.ami.capabilities import RULES
from host_rest.ami.faults import fault_of, fault_of_refusal
from host_rest.ami.media import answer_form
from plugins.rest.tests.ami.amihost import Refresh, ami_host

JSON, XML, VIEW = "application/json", "application/xml", "application/x.santedb.rim.viewModel+json"
JOB = f"/JobInfo/{Refresh.id}"
EVERY = [
    ("GET", "/JobInfo", Policy.READ_SYSTEM_JOBS),
    ("GET", "/JobInfo?_unconfigured=true", Policy.READ_SYSTEM_JOBS),
    ("GET", JOB, Policy.READ_SYSTEM_JOBS),
    ("HEAD", JOB, Policy.READ_SYSTEM_JOBS),
    ("POST", "/JobInfo", Policy.REGISTER_SYSTEM_JOB),
    ("POST", JOB, Policy.REGISTER_SYSTEM_JOB),
    ("POST", "/JobInfo/$start", Policy.REGISTER_SYSTEM_JOB),
    ("PUT", JOB, Policy.ALTER_SYSTEM_JOB_SCHEDULE),
    ("DELETE", JOB, Policy.UNRESTRICTED_JOB_MANAGEMENT),
    ("POST", f"{JOB}/$start", Policy.START_SYSTEM_JOB),
    ("POST", f"{JOB}/$cancel", Policy.START_SYSTEM_JOB),
    ("POST", f"{JOB}/$other", Policy.START_SYSTEM_JOB),
]


# Media types


@pytest.mark.parametrize(
    ("accept", "sent", "answered"),
    [
        (None, None, JSON),
        (JSON, XML, JSON),
        (XML, JSON, XML),
        (f"{XML}, {JSON}", None, XML),
        (f"{JSON};q=0.1, {XML}", None, XML),
        (f"{XML};q=0, */*", None, JSON),
        (f"{XML}; q=0.5, {JSON}; Q=0.5", None, XML),
        (f"{XML};q=nonsense, {JSON}", None, XML),
        (VIEW, None, VIEW),
        ("*/*", XML, XML),
        ("*/*", "text/plain", JSON),
        (None, XML, XML),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", None, XML),
        ("APPLICATION/XML; charset=utf-8", None, XML),
    ],
)
def test_the_answer_is_in_the_form_asked_for(accept: str | None, sent: str | None, answered: str) -> None:
    given = {b"accept": accept, b"content-type": sent}
    form = answer_form({name: text.encode() for name, text in given.items() if text})
    assert form.media_type == answered


def test_a_form_that_cannot_be_had_is_refused_in_json(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            fault = await ami.fault(406, "GET", JOB, headers={"Accept": "text/csv, image/png"})
            view = await ami.send("GET", JOB, headers={"Accept": VIEW})
        assert "application/xml" in fault["message"]
        assert view.headers["content-type"] == VIEW

    asyncio.run(go())


def test_a_body_in_another_form_is_refused(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            for sent in ("text/plain", "application/octet-stream", "multipart/form-data", ""):
                headers = {"Content-Type": sent} if sent else {}
                for method, path in (("PUT", JOB), ("POST", "/JobInfo"), ("POST", f"{JOB}/$start")):
                    await ami.fault(415, method, path, content=b"{}", headers=headers)

    asyncio.run(go())


ATTACKS = (
    (b'<!DOCTYPE a [<!ENTITY x "y">]><JobInfo/>', XML, 400),
    (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x"><JobInfo/>', XML, 400),
    (b"<a>" * 1000, XML, 400),
    (b"<JobInfo>", XML, 400),
    (b"[" * 100_000, JSON, 400),
    (b'{"$type":"JobInfo","schedule":' + b"[" * 5000 + b"]" * 5000 + b"}", JSON, 400),
    (b"\x00\xff", JSON, 400),
    (b" " * (1024 * 1024 + 1), JSON, 413),
)


def test_bodies_that_attack_are_refused_and_the_host_answers_on(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            for body, form, status in ATTACKS:
                for method, path in (("PUT", JOB), ("POST", f"{JOB}/$start")):
                    answer = await ami.send(method, path, content=body, headers={"Content-Type": form, "Accept": JSON})
                    assert answer.status_code == status, body[:40]
                    assert answer.json()["data"] == []
            assert (await ami.json(JOB))["state"] == "NotRun"

    asyncio.run(go())


# Faults


def test_a_fault_is_told_in_xml_to_who_speaks_xml(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            path = "/JobInfo/00000000-0000-0000-0000-000000000001"
            answer = await ami.send("GET", path, headers={"Accept": XML})
        assert (answer.status_code, answer.headers["content-type"]) == (404, XML)
        fault = xml_reading.read_fault(answer.content)
        assert (fault.type, fault.policy_outcome) == ("KeyNotFoundException", "Deny")
        assert ElementTree.fromstring(answer.content).tag == "{http://santedb.org/fault}RestServiceFault"

    asyncio.run(go())


@pytest.mark.parametrize("error", [RuntimeError("at /secret/place"), StoreCorruptError("at /secret/place")])
def test_what_went_wrong_inside_is_a_fault_without_details(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fail() -> None:
        raise error

    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            monkeypatch.setattr(ami.kit.get(JobManagerService), "jobs", fail)
            fault = await ami.fault(500, "GET", "/JobInfo")
        assert fault["$type"] == "Exception"
        assert "secret" not in fault["message"]

    asyncio.run(go())


@pytest.mark.parametrize("operation", ["$start", "$cancel"])
def test_what_may_work_later_says_when_and_did_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the disk is full")

    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            manager = ami.kit.get(JobManagerService)
            with monkeypatch.context() as patched:
                patched.setattr(manager, "start_job", full)
                patched.setattr(manager, "cancel_job", full)
                answer = await ami.send("POST", f"{JOB}/{operation}")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.json()["$type"] == "DomainStateException"
            assert (await ami.json(JOB))["state"] == "NotRun"

    asyncio.run(go())


@pytest.mark.parametrize(
    ("error", "status", "exception"),
    [
        (TooManyAttemptsError("x"), 429, "LimitExceededException"),
        (StoreUnavailableError("x"), 503, "DomainStateException"),
        (UnsupportedOperationError("x"), 501, "NotImplementedException"),
        (HostError("x"), 500, "Exception"),
    ],
)
def test_errors_have_santedbs_status_and_exception(error: HostError, status: int, exception: str) -> None:
    told, fault = fault_of(error)
    assert (told, fault.type) == (status, exception)


def test_every_error_of_the_host_has_a_status() -> None:
    for known in set(HostError.by_code.values()):
        if known.__init__ is HostError.__init__:
            status, fault = fault_of(known("said"))
            assert (status == 500) == (known.kind is ErrorKind.INTERNAL)
            assert fault.message == "said"


def test_a_refusal_without_policy_is_named_by_its_status() -> None:
    refusal = HttpRefusal(status=413, error=StoreUnavailableError("too large"))
    assert fault_of_refusal(refusal).type == "LimitExceededException"


# Who may


def test_every_kind_of_request_demands_what_santedb_demands_and_a_run_also_start_system_job() -> None:
    demands = {(method, rule.path): rule.demand for rule in RULES for method in rule.methods}
    public = {key for key, demand in demands.items() if demand is Access.PUBLIC}
    assert public == {("OPTIONS", ""), ("OPTIONS", "/"), ("OPTIONS", "/JobInfo"), ("PING", ""), ("PING", "/")}
    assert Access.AUTHENTICATED not in demands.values()


def test_nobody_is_asked_to_sign_in_and_a_stranger_is_denied(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            for method, path, policy in EVERY:
                nobody = await ami.web.request(method, f"/ami{path}")
                stranger = await ami.web.request(method, f"/ami{path}", "stranger")
                unknown = await ami.web.request(method, f"/ami{path}", "forged")
                assert [each.status_code for each in (nobody, stranger, unknown)] == [401, 403, 401], path
                assert nobody.headers["www-authenticate"].startswith("Bearer realm=")
                assert 'error="invalid_token"' in unknown.headers["www-authenticate"]
                if method == "HEAD":
                    continue
                asked, denied = nobody.json(), stranger.json()
                assert asked["policyId"] == denied["policyId"] == policy.value
                assert (asked["policyOutcome"], denied["policyOutcome"]) == ("Elevate", "Deny")
                assert "was violated by 'ANONYMOUS' with outcome 'Elevate'" in asked["message"]
                assert "was violated by 'stranger' with outcome 'Deny'" in denied["message"]
                assert unknown.json()["$type"] == "SecuritySessionException"

    asyncio.run(go())


def test_a_reader_sees_and_changes_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path, role="reader") as ami:
            for method, path, policy in EVERY:
                answer = await ami.send(method, path)
                assert answer.status_code == (200 if policy is Policy.READ_SYSTEM_JOBS else 403)

    asyncio.run(go())


# Before a client has signed in


def test_capabilities_are_told_to_anybody_and_nothing_beyond(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            service = await ami.web.request("OPTIONS", "/ami/")
            same = await ami.web.request("OPTIONS", "/ami")
            jobs = await ami.web.request("OPTIONS", "/ami/JobInfo")
            ping = await ami.web.request("PING", "/ami/")

        assert service.status_code == jobs.status_code == 200
        assert service.json() == same.json()
        assert set(service.json()) == {"version", "resource", "endpoint", "settings"}
        assert service.json()["resource"] == [jobs.json()]
        assert {cap["cap"]: cap["demand"] for cap in jobs.json()["cap"]}["Update"] == [
            Policy.ALTER_SYSTEM_JOB_SCHEDULE.value
        ]
        assert [child["resource"] for child in jobs.json()["children"]] == ["start", "cancel"]
        assert Refresh.name not in service.text
        assert (ping.status_code, ping.content) == (204, b"")

    asyncio.run(go())
