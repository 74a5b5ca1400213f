"""What a configuration says about the upstream, and every way to say it wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from host.errors import ConfigurationError, Problem
from host.kernel.config import bind_settings, read_configuration
from host_upstream.link import UpstreamApi
from host_upstream.settings import Conveyance, CredentialKind, UpstreamSettings, credential

REALM = '<realm domain="jobs.example.org" port="8443" tls="true"/>'
APP = '<credentials convey="secret" type="app" name="host-b"><secret>secret:upstream</secret></credentials>'
DEVICE = (
    '<credentials convey="cert" type="dev" name="pump"><certificate file="pump.pem" key="keys/p.key"/></credentials>'
)
PLAIN_REALM = '<realm domain="10.0.0.1" port="8080" tls="false"/>'


def read(tmp_path: Path, *lines: str, attributes: str = "") -> UpstreamSettings:
    """Bind a section whose first child is on line 3."""
    file = tmp_path / "c.xml"
    head = (
        '<SanteDBConfiguration xmlns="http://santedb.org/configuration"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        f'<section xsi:type="UpstreamConfigurationSection" {attributes}>\n'
    )
    file.write_text(head + "\n".join(lines) + "\n</section>\n</SanteDBConfiguration>")
    return bind_settings(UpstreamSettings, read_configuration(file, environment={}))


def problems(tmp_path: Path, *lines: str, attributes: str = "") -> list[Problem]:
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, *lines, attributes=attributes)
    return list(error.value.problems)


def test_what_santedb_writes_is_read(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        '<realm domain="demo.example.org" port="8080" tls="false" />',
        '<credentials convey="secret" type="dev" name="DEVICE-NAME"><secret>d</secret></credentials>',
        '<credentials convey="secret" type="app" name="fiddler"><secret>a</secret></credentials>',
    )

    device, application = (credential(settings, kind) for kind in (CredentialKind.DEVICE, CredentialKind.APPLICATION))
    assert settings.base_url == "http://demo.example.org:8080"
    assert device is not None
    assert application is not None
    assert (device.name, device.secret, device.is_basic) == ("DEVICE-NAME", "d", True)
    assert (application.name, application.secret, application.is_basic) == ("fiddler", "a", False)
    assert settings.api is UpstreamApi.AUTO
    assert "secret='a'" not in repr(settings)


def test_our_attributes_and_files_are_read(tmp_path: Path) -> None:
    attributes = (
        'api="jobhost" pathPrefix="/jobs/" caCertificates="ca.pem" timeout="PT20S" connectTimeout="2" cache="0" '
        'maxClockDrift="PT1M"'
    )
    settings = read(tmp_path, REALM, APP, DEVICE, attributes=attributes)

    device = credential(settings, CredentialKind.DEVICE)
    assert settings.base_url == "https://jobs.example.org:8443/jobs"
    assert (settings.api, settings.ca_certificates) == (UpstreamApi.JOBHOST, tmp_path / "ca.pem")
    assert (settings.timeout, settings.connect_timeout) == (timedelta(seconds=20), timedelta(seconds=2))
    assert (settings.cache, settings.max_clock_drift) == (timedelta(0), timedelta(minutes=1))
    assert device is not None
    assert (device.convey, device.certificate, device.key, device.secret) == (
        Conveyance.CERTIFICATE,
        tmp_path / "pump.pem",
        tmp_path / "keys/p.key",
        None,
    )


def test_the_zone_of_a_santedb_server_is_read_and_none_is_known_without(tmp_path: Path) -> None:
    assert read(tmp_path, REALM, APP, attributes='timezone="Europe/Prague"').timezone == "Europe/Prague"
    assert read(tmp_path, REALM, APP).timezone is None


def test_an_ip_address_of_version_6_is_put_in_brackets(tmp_path: Path) -> None:
    settings = read(tmp_path, '<realm domain="::1" port="80" tls="false"/>', APP)

    assert settings.base_url == "http://[::1]:80"
    assert settings.realm.is_loopback


def test_all_that_is_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        '<realm domain="https://jobs.example.org/x" port="80800" tls="yes" scheme="http"/>',
        '<credentials convey="token" type="ap" name="a"><secret>x</secret></credentials>',
        '<credentials convey="secret" type="app" name="a"><secret>x</secret><certificate file="a"/></credentials>',
        '<credentials convey="secret" type="usr" name="bob"><secret>x</secret></credentials>',
        "<realms/>",
    )

    said = {(problem.where or "").rpartition(":")[2]: [] for problem in found}
    for problem in found:
        said[(problem.where or "").rpartition(":")[2]].append(str(problem))
    assert list(said) == ["7", "3", "4", "5", "6"]
    assert all(str(tmp_path / "c.xml") in str(problem) for problem in found)
    assert [len(said[line]) for line in "34567"] == [4, 2, 1, 1, 1]
    assert "did you mean 'app'?" in " ".join(said["4"])
    assert "a person's credentials are not for a host" in said["6"][0]


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        ([APP], 2, "there is no <realm>"),
        ([REALM, REALM, APP], 4, "the realm is given twice"),
        (['<realm domain="a" port="0"/>', APP], 3, "port: expected 1 to 65535, not '0'"),
        (['<realm domain="a:80" port="80"/>', APP], 3, "give no scheme, port or path there"),
        (['<realm port="80"/>', APP], 3, "needs the attribute 'domain'"),
        ([REALM], 2, "there are no credentials of type 'app'"),
        ([REALM, DEVICE], 2, "there are no credentials of type 'app'"),
        ([REALM, APP, APP], 5, "credentials of type 'app' are given twice"),
        ([REALM, '<credentials convey="secret" type="app" name="a"/>'], 4, "has neither; expected one <secret>"),
        (
            [REALM, '<credentials convey="cert" type="app" name="a"><secret>x</secret></credentials>'],
            4,
            "does not fit convey 'cert'; expected <certificate>",
        ),
        (
            [REALM, '<credentials convey="secret" type="app" name="a"><secret/></credentials>'],
            4,
            "<secret> is empty",
        ),
        (
            [REALM, APP, DEVICE.replace('file="pump.pem"', 'findValue="CN=x" storeName="My"')],
            5,
            "not taken from Windows' store",
        ),
        ([REALM, APP, DEVICE.replace('file="pump.pem"', "")], 5, "needs the attribute 'file'"),
        ([PLAIN_REALM, APP, DEVICE], 5, "a certificate is presented with TLS alone"),
        (
            [
                REALM,
                APP.replace('"secret"', '"header"'),
                '<credentials convey="header" type="dev" name="d"><secret>x</secret></credentials>',
            ],
            5,
            "two credentials by HTTP Basic",
        ),
        ([REALM, APP.replace("host-b", ""), ""], 4, "needs the attribute 'name'"),
    ],
)
def test_one_mistake_is_one_problem(tmp_path: Path, lines: list[str], line: int, said: str) -> None:
    (problem,) = problems(tmp_path, *lines)

    assert said in str(problem)
    assert problem.where == f"{tmp_path / 'c.xml'}:{line}"


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ('pathPrefix="jobs"', "pathPrefix: expected a percent-encoded path like '/jobs'"),
        ('pathPrefix="/a b"', "pathPrefix: expected a percent-encoded path"),
        ('timeout="0"', "timeout: expected more than nothing"),
        ('connectTimeout="PT1H"', "connectTimeout: expected more than nothing and at most"),
        ('maxClockDrift="0"', "maxClockDrift: expected more than nothing"),
        ('timezone="Europe/Prag"', "timezone: unknown time zone 'Europe/Prag'"),
        ('api="jobhost" timezone="UTC"', "timezone: a jobhost tells its own"),
        ('domain="x"', "has no attribute 'domain'"),
        ('api="soap"', "expected one of 'auto', 'jobhost', 'santedb'"),
    ],
)
def test_a_wrong_attribute_is_refused(tmp_path: Path, attributes: str, said: str) -> None:
    (problem,) = problems(tmp_path, REALM, APP, attributes=attributes)

    assert said in str(problem)
    assert problem.where == f"{tmp_path / 'c.xml'}:2"


def test_authorities_without_tls_are_a_mistake(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, PLAIN_REALM, APP, attributes='caCertificates="ca.pem"')

    assert "nothing to be trusted without TLS" in str(problem)


def test_a_configuration_without_the_section_is_told_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "c.xml"
    file.write_text('<SanteDBConfiguration xmlns="http://santedb.org/configuration"/>')

    with pytest.raises(ConfigurationError, match=r"UpstreamConfigurationSection.*it needs 'realm'"):
        bind_settings(UpstreamSettings, read_configuration(file, environment={}))
