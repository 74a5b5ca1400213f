"""TLS: who is trusted, and who this host says it is."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from host.errors import ConfigurationError, UpstreamUnavailableError
from host.local.clock import SystemClock
from host.testing.clock import FakeClock
from host_upstream.settings import Conveyance, CredentialKind, UpstreamCredential
from host_upstream.transport.fault import Fault
from host_upstream.transport.http_link import HttpUpstreamLink
from plugins.rest.tests.server.certificates import make_certificate
from plugins.upstream.tests.link.linkdesk import APPLICATION, JOBS, START, link_to, run, settings_for
from plugins.upstream.tests.link.rogue import TOKEN_PATH, Rogue


def made(folder: Path, name: str, *, days: float = 365) -> tuple[Path, Path]:
    (folder / name).mkdir()
    return make_certificate(folder / name, days=days)


def server(certificate: Path, key: Path, *, clients: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


def named(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate of its own for a host of this name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    built = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
        key, hashes.SHA256()
    )
    certificate, key_file = folder / "named.pem", folder / "named.key"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    return certificate, key_file


@contextmanager
def refusing_server(context: ssl.SSLContext) -> Iterator[int]:
    """Serve one connection whose client is refused; asyncio's server would not tell the client why."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(ssl.SSLError):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(60)


def device(certificate: Path, key: Path | None) -> UpstreamCredential:
    kind, convey = CredentialKind.DEVICE, Conveyance.CERTIFICATE
    return UpstreamCredential(kind=kind, convey=convey, name="pump", certificate=certificate, key=key, where="c.xml:5")


def test_a_server_of_a_named_authority_is_trusted(tmp_path: Path) -> None:
    certificate, key = made(tmp_path, "server")

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        assert (await link.request(JOBS)).status == 200
        assert link.check() == []

    run(check, tls=server(certificate, key), ca_certificates=certificate)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("expired", "certificate has expired"),
        ("unknown", "self-signed certificate"),
        ("another's", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_a_wrong_certificate_is_told_precisely_and_gets_no_credentials(tmp_path: Path, kind: str, said: str) -> None:
    days = -1 if kind == "expired" else 365
    certificate, key = named(tmp_path, "other.example") if kind == "another's" else made(tmp_path, "server", days=days)
    options = {} if kind == "unknown" else {"ca_certificates": certificate}

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        with pytest.raises(UpstreamUnavailableError) as error:
            await link.request(START)
        assert f"its certificate is refused: {said}" in str(error.value)
        assert "caCertificates" in str(error.value)
        assert rogue.heard == []

    run(check, tls=server(certificate, key), **options)


def test_tls_towards_a_server_without_it_is_told() -> None:
    async def check() -> None:
        def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            writer.close()

        plain = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with plain, link_to(plain.sockets[0].getsockname()[1], tls=True) as link:
            with pytest.raises(UpstreamUnavailableError, match="no TLS: wrong version number") as error:
                await link.request(START)
            assert "check the realm's port and tls" in str(error.value)

    asyncio.run(check())


def test_a_device_presents_its_certificate_and_the_application_its_secret(tmp_path: Path) -> None:
    certificate, key = made(tmp_path, "server")
    own, own_key = made(tmp_path, "own")
    both = tmp_path / "both.pem"
    both.write_bytes(own.read_bytes() + own_key.read_bytes())

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        await link.request(JOBS)

        (heard,) = rogue.calls(TOKEN_PATH)
        assert heard.form["client_id"] == "host-b"
        assert "authorization" not in heard.headers
        assert heard.certificate is not None
        assert heard.certificate["subject"] == ((("commonName", "localhost"),),)

    context = server(certificate, key, clients=own)
    for credentials in ((APPLICATION, device(own, own_key)), (device(both, None), APPLICATION)):
        run(check, tls=context, ca_certificates=certificate, credentials=credentials)


@pytest.mark.parametrize(
    ("is_presented", "said"), [(True, "it refuses this host's certificate: .*unknown ca"), (False, "handshake failure")]
)
def test_an_upstream_that_refuses_the_certificate_is_told_as_such(
    tmp_path: Path, said: str, *, is_presented: bool
) -> None:
    certificate, key = made(tmp_path, "server")
    wanted, _ = made(tmp_path, "wanted")
    own, own_key = made(tmp_path, "own")

    credentials = (APPLICATION, device(own, own_key)) if is_presented else (APPLICATION,)
    context = server(certificate, key, clients=wanted)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # later ones tell it after the handshake, or reset the connection

    async def check() -> None:
        with refusing_server(context) as port:
            async with link_to(port, tls=True, ca_certificates=certificate, credentials=credentials) as link:
                with pytest.raises(Fault, match=said):
                    await link._exchange(link._prepare(START, None), asyncio.get_running_loop().time() + 300)

    asyncio.run(check())


@pytest.mark.parametrize(
    ("days", "said"), [(15, None), (13.5, "ends on 2026-03-14, in 13 days"), (-1, "has ended on 2026-02-28")]
)
def test_the_end_of_this_hosts_certificate_is_told_in_time(
    tmp_path: Path, days: float, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, own_key = made(tmp_path, "own", days=days)
    settings = settings_for(1, tls=True, credentials=(APPLICATION, device(own, own_key)))
    ends = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=days)
    monkeypatch.setattr("host_upstream.transport.tls._end_of", lambda _: ends)

    async def check() -> None:
        link = HttpUpstreamLink(settings, FakeClock(datetime(2026, 3, 1, tzinfo=UTC)), None)
        await link.start()
        found = [finding.message for finding in link.check()]
        await link.stop()
        assert found == [] if said is None else said in found[0]

    asyncio.run(check())


def test_the_end_of_a_certificate_is_read_from_it(tmp_path: Path) -> None:
    from host_upstream.transport.tls import load_tls

    own, own_key = made(tmp_path, "own", days=10)
    tls = load_tls(settings_for(1, tls=True, credentials=(APPLICATION, device(own, own_key))))

    assert tls is not None
    assert tls.own is not None
    assert timedelta(days=9) < tls.own.ends_at - datetime.now(UTC) <= timedelta(days=10)
    assert tls.context.verify_mode is ssl.CERT_REQUIRED


def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    own, _ = made(tmp_path, "own")
    _, other_key = made(tmp_path, "other")
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")

    async def check() -> None:
        for options, said in (
            ({"credentials": (APPLICATION, device(tmp_path / "none.pem", None))}, "none.pem: the file cannot be read"),
            ({"credentials": (APPLICATION, device(own, None))}, "c.xml:5: the certificate .* cannot be used"),
            ({"credentials": (APPLICATION, device(own, other_key))}, "with a key that has no password and belongs"),
            ({"ca_certificates": rubbish}, "rubbish.pem: caCertificates cannot be used"),
            ({"ca_certificates": tmp_path / "none.pem"}, "none.pem: the file cannot be read"),
        ):
            link = HttpUpstreamLink(settings_for(1, tls=True, **options), SystemClock(), None)
            with pytest.raises(ConfigurationError, match=said):
                await link.start()

    asyncio.run(check())
