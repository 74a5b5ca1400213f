"""What an operator may not say, and how they are told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host_rest.server.settings import HttpServerSettings

PAIR = {"certificate": Path("/c.pem"), "key": Path("/c.key")}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"address": "0.0.0.0"}, "would send passwords unprotected; give certificate and key"),
        ({"address": "192.0.2.7"}, "would send passwords unprotected"),
        ({"address": "::"}, "would send passwords unprotected"),
        ({"address": "0.0.0.0", **PAIR}, "allowedHosts: with address 0.0.0.0"),
        ({"address": "jobs.example.org"}, "expected an IP address or 'localhost'"),
        ({"address": ""}, "expected an IP address or 'localhost'"),
        ({"port": 70000}, "port: expected 0 to 65535"),
        ({"port": -1}, "port: expected 0 to 65535"),
        ({"certificate": Path("/c.pem")}, "certificate and key: expected both or neither"),
        ({"key": Path("/c.key")}, "certificate and key: expected both or neither"),
        ({"path_prefix": "jobs"}, "pathPrefix: expected a path like '/jobs'"),
        ({"path_prefix": "/"}, "pathPrefix"),
        ({"path_prefix": "/jobs/"}, "pathPrefix"),
        ({"path_prefix": "/a/../b"}, "pathPrefix"),
        ({"path_prefix": "/a?b"}, "pathPrefix"),
        ({"trusted_proxies": "proxy.example.org"}, "trustedProxies: expected addresses or networks"),
        ({"trusted_proxies": "10.0.0.0/24 0.0.0.0/0"}, "is everybody"),
        ({"trusted_proxies": "::/0"}, "is everybody"),
        ({"allowed_hosts": "http://jobs.example.org"}, "allowedHosts: expected names"),
        ({"allowed_hosts": "*.example.org"}, "allowedHosts: expected names"),
        ({"max_body_bytes": 0}, "maxBodyBytes: expected 1024 or more"),
        ({"max_connections": 0}, "maxConnections: expected 1 or more"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        HttpServerSettings(**given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"address": "localhost"},
        {"address": "::1"},
        {"address": "127.0.0.9"},
        {"address": "192.0.2.7", **PAIR},
        {"address": "0.0.0.0", "trusted_proxies": "10.0.0.1 fd00::/8", "allowed_hosts": "jobs.example.org"},
        {"path_prefix": "/jobs/v1.2"},
        {"allowed_hosts": "jobs.example.org:8443 [fd00::1]:80 *"},
    ],
)
def test_what_works_is_taken(given: dict[str, Any]) -> None:
    assert replace(HttpServerSettings(**given))
