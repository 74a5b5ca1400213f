"""Whom the server believes about where a request came from."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host_rest.server.proxies import Headers, Origin, TrustedProxies
from plugins.rest.tests.resthost import RoleAuthenticator, RolePolicies, rest_host
from plugins.rest.tests.server.probe import ProbeMount

PROXIES = TrustedProxies("10.0.0.0/24 fd00::1")


def seen(peer: str, *headers: tuple[str, str]) -> Origin:
    listed: Headers = [(name.encode(), value.encode()) for name, value in headers]
    return PROXIES.origin(peer, "http", "jobs.example.org", listed)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("fd00::1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "127.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "127.0.0.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", '"[2001:db8::1]:4711"', "2001:db8::1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("203.0.113.5", "127.0.0.1", "203.0.113.5"),
        ("10.0.1.1", "127.0.0.1", "10.0.1.1"),
        ("nonsense", "127.0.0.1", "nonsense"),
    ],
)
def test_the_rightmost_address_that_is_no_proxys_counts(peer: str, forwarded: str, address: str) -> None:
    assert seen(peer, ("x-forwarded-for", forwarded)).address == address


def test_repeated_headers_are_read_as_one() -> None:
    assert seen("10.0.0.1", ("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.9")).address == (
        "203.0.113.9"
    )


def test_scheme_and_host_come_from_the_nearest_proxy_alone() -> None:
    told = (("x-forwarded-proto", "ftp, HTTPS"), ("x-forwarded-host", "evil.example, Outside.example"))
    assert seen("10.0.0.1", *told) == Origin("10.0.0.1", "https", "outside.example")
    assert seen("203.0.113.5", *told) == Origin("203.0.113.5", "http", "jobs.example.org")
    assert seen("10.0.0.1", ("x-forwarded-proto", "gopher")).scheme == "http"


FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "outside.example",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9",
}


def test_forged_headers_reach_nobody(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, ProbeMount, providers=(RoleAuthenticator, RolePolicies)) as web:
            told = (await web.get("/probe/open", headers=FORGED)).json()
            assert (told["address"], told["client"], told["scheme"]) == ("127.0.0.1", "127.0.0.1", "http")
            assert not {name.lower() for name in FORGED} & set(told["headers"])

    asyncio.run(go())


def test_behind_a_proxy_the_caller_is_seen_and_the_prefix_is_ours(tmp_path: Path) -> None:
    async def go() -> None:
        server = 'trustedProxies="127.0.0.1" pathPrefix="/jobs" allowedHosts="outside.example"'
        async with rest_host(tmp_path, ProbeMount, providers=(RoleAuthenticator, RolePolicies), server=server) as web:
            assert web.url.endswith("/jobs")
            answer = await web.get("/probe/jobs/a", "reader", headers=FORGED)
            told = answer.json()
            assert (told["address"], told["scheme"], told["call_scheme"]) == ("203.0.113.9", "https", "https")
            assert (told["path"], told["root_path"]) == ("/jobs/probe/jobs/a", "/jobs/probe")
            assert told["headers"]["host"] == "outside.example"
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            same = {**FORGED, "Origin": "https://outside.example", "Sec-Fetch-Site": "same-origin"}
            assert (await web.request("POST", "/probe/open", headers=same)).status_code == 200
            assert (await web.get("/probe/open")).status_code == 421
            outside = web.url.removesuffix("/jobs")
            for path in ("/probe/open", "/jobsprobe/open", "/jobs", "/job/s/probe/open"):
                assert (await web.get(outside + path, headers=FORGED)).status_code == 404, path

    asyncio.run(go())
