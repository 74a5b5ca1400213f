"""``<realm>`` and ``<credentials>`` read from a configuration, every problem with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from host.contracts.contract import SettingsElement
from host.errors import ConfigurationError, Problem
from host.model.suggest import did_you_mean
from host_upstream.settings import Conveyance, CredentialKind, UpstreamCredential, UpstreamRealm

T = TypeVar("T")

PERSON = "usr"
"""SanteDB's third kind of credentials."""
MAX_PORT = 65_535
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?\.?")
_TRUTH: Mapping[str, bool] = MappingProxyType({"true": True, "1": True, "false": False, "0": False})
_KINDS: Mapping[str, CredentialKind] = MappingProxyType({each.value: each for each in CredentialKind})
_CONVEYANCES: Mapping[str, Conveyance] = MappingProxyType({each.value: each for each in Conveyance})


def read_upstream(element: SettingsElement) -> tuple[UpstreamRealm, tuple[UpstreamCredential, ...]]:
    """Give the realm and who this host is there; raises ConfigurationError with every problem found."""
    reading = _Reading()
    for child in element.children():
        if child.name not in ("realm", "credentials"):
            reading.report(child, f"<{child.name}> is not expected here", "expected <realm> and <credentials>")
    realm = _realm(element, reading)
    credentials = [_credential(child, reading) for child in element.children("credentials")]
    found = tuple(each for each in credentials if each is not None)
    _check_together(element, realm, found, reading, is_complete=len(found) == len(credentials))
    if reading.problems or realm is None:
        raise ConfigurationError("the upstream cannot be used", where=element.where, problems=reading.problems)
    return realm, found


@dataclass(slots=True)
class _Reading:
    """Collects what is wrong."""

    problems: list[Problem] = field(default_factory=list)

    def report(self, element: SettingsElement, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(message=message, where=element.where, hint=hint))

    def attributes(self, element: SettingsElement, *, needed: Sequence[str], known: Sequence[str]) -> dict[str, str]:
        """Give an element's attributes, stripped; reports unknown and missing ones."""
        given = {name: text.strip() for name, text in element.attributes.items()}
        for name in given:
            if name not in known:
                expected = ", ".join(map(repr, known))
                message = f"<{element.name}> has no attribute {name!r}; expected {expected}"
                self.report(element, message, did_you_mean(name, known))
        for name in needed:
            if not given.get(name):
                self.report(element, f"<{element.name}> needs the attribute {name!r}")
        return given


def _realm(section: SettingsElement, reading: _Reading) -> UpstreamRealm | None:
    found = section.children("realm")
    if len(found) != 1:
        where = found[1] if found else section
        message = "the realm is given twice" if found else "there is no <realm>"
        reading.report(where, message, 'expected one <realm domain="jobs.example.org" port="8080" tls="true"/>')
        return None
    element, before = found[0], len(reading.problems)
    given = reading.attributes(element, needed=("domain", "port"), known=("domain", "port", "tls"))
    domain, port, tls = given.get("domain", ""), given.get("port", ""), given.get("tls", "true")
    if domain and not _is_domain(domain):
        hint = "give no scheme, port or path there" if "/" in domain or ":" in domain else None
        reading.report(element, f"domain: expected a name or an IP address, not {domain!r}", hint)
    if port and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= MAX_PORT):
        reading.report(element, f"port: expected 1 to {MAX_PORT}, not {port!r}")
    if tls not in _TRUTH:
        reading.report(element, f"tls: expected 'true' or 'false', not {tls!r}")
    if len(reading.problems) > before:
        return None
    return UpstreamRealm(domain=domain, port=int(port), tls=_TRUTH[tls], where=element.where)


def _is_domain(text: str) -> bool:
    try:
        return _NAME.fullmatch(text) is not None or ip_address(text).version == 6
    except ValueError:
        return False


def _credential(element: SettingsElement, reading: _Reading) -> UpstreamCredential | None:
    before = len(reading.problems)
    names = ("convey", "type", "name")
    given = reading.attributes(element, needed=names, known=names)
    convey = _choice(element, "convey", given, _CONVEYANCES, reading)
    kind = _choice(element, "type", given, _KINDS, reading)
    name = given.get("name", "")
    if not name.isprintable():
        reading.report(element, "name: expected printable characters")
    secret, files = _proof(element, convey, reading)
    if len(reading.problems) > before or convey is None or kind is None:
        return None
    certificate, key = files if files else (None, None)
    return UpstreamCredential(
        kind=kind, convey=convey, name=name, secret=secret, certificate=certificate, key=key, where=element.where
    )


def _choice(
    element: SettingsElement, name: str, given: Mapping[str, str], choices: Mapping[str, T], reading: _Reading
) -> T | None:
    text = given.get(name, "")
    if text == PERSON and name == "type":
        hint = "register this host as a client of the upstream (type 'app')"
        reading.report(element, "type 'usr': a person's credentials are not for a host", hint)
    elif text and text not in choices:
        expected = ", ".join(map(repr, choices))
        reading.report(element, f"{name}: expected one of {expected}, not {text!r}", did_you_mean(text, choices))
    return choices.get(text)


Files = tuple[Path, Path | None]


def _proof(element: SettingsElement, convey: Conveyance | None, reading: _Reading) -> tuple[str | None, Files | None]:
    """Read ``<secret>`` or ``<certificate>``, whichever is conveyed."""
    children = element.children()
    for child in children:
        if child.name not in ("secret", "certificate"):
            reading.report(child, f"<{child.name}> is not expected here", "expected <secret> or <certificate>")
    known = [child for child in children if child.name in ("secret", "certificate")]
    if len(known) != 1:
        what = "both a <secret> and a <certificate>, or one of them twice" if known else "neither"
        message = f"<credentials> has {what}; expected one <secret> or <certificate>"
        reading.report(element, message, "a secret for convey 'secret' or 'header', a certificate for 'cert'")
        return None, None
    (child,) = known
    wanted = "certificate" if convey is Conveyance.CERTIFICATE else "secret"
    if convey is not None and child.name != wanted:
        reading.report(child, f"<{child.name}> does not fit convey {convey.value!r}; expected <{wanted}>")
        return None, None
    return (_secret(child, reading), None) if child.name == "secret" else (None, _certificate(child, reading))


def _secret(element: SettingsElement, reading: _Reading) -> str | None:
    reading.attributes(element, needed=(), known=())
    if not element.text:
        reading.report(element, "<secret> is empty", "expected the secret, 'secret:NAME' or '${file:PATH}'")
    return element.text or None


def _certificate(element: SettingsElement, reading: _Reading) -> Files | None:
    before = len(reading.problems)
    if {"findValue", "findType", "storeName", "storeLocation"} & set(element.attributes):
        hint = 'export it to a PEM file and give <certificate file="host.pem" key="host.key"/>'
        reading.report(element, "certificates are not taken from Windows' store here", hint)
        return None
    given = reading.attributes(element, needed=("file",), known=("file", "key"))
    if len(reading.problems) > before:
        return None
    folder = Path(element.where.rpartition(":")[0]).parent.absolute()
    return folder / given["file"], folder / given["key"] if given.get("key") else None


def _check_together(
    section: SettingsElement,
    realm: UpstreamRealm | None,
    credentials: Sequence[UpstreamCredential],
    reading: _Reading,
    *,
    is_complete: bool,
) -> None:
    """Report what one element alone does not show."""

    def say(one: UpstreamCredential, message: str, hint: str | None = None) -> None:
        reading.problems.append(Problem(message=message, where=one.where, hint=hint))

    for kind in CredentialKind:
        for one in [each for each in credentials if each.kind is kind][1:]:
            say(one, f"credentials of type {kind.value!r} are given twice", "one host is one application on one device")
    certified = [each for each in credentials if each.convey is Conveyance.CERTIFICATE]
    for one in certified if realm is not None and not realm.tls else ():
        say(one, "a certificate is presented with TLS alone", "set the realm's tls to 'true', or convey a secret")
    for way, those in (("certificate", certified), ("HTTP Basic", [each for each in credentials if each.is_basic])):
        if len({each.kind for each in those}) > 1:
            say(those[1], f"two credentials by {way}: a request has one", "convey the application's by 'secret'")
    if is_complete and not any(each.kind is CredentialKind.APPLICATION for each in credentials):
        hint = "register this host there, e.g. by 'jobhost clients add', and give it <credentials type=\"app\">"
        reading.report(section, "there are no credentials of type 'app': the upstream knows applications", hint)
