"""Attacks on access tokens: whatever was not signed by us, for us, and for now, is refused without being quoted."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from host.errors import AuthenticationError
from host_rest.security import signing_keys
from host_rest.security.verification import MAX_TOKEN
from plugins.rest.tests.security.desk import Guards, guards, principal, user

Parts = tuple[dict[str, Any], dict[str, Any], ECKey]


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(text + "=="))


def signed(header: Mapping[str, Any], claims: object, key: Any = None) -> str:
    """Sign whatever is given, as our own key would sign it."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    text = f"{encoded(header)}.{encoded(payload)}"
    algorithm = jws.JWSRegistry.algorithms["ES256"]
    return f"{text}.{encoded(algorithm.sign(text.encode(), key))}"


def our_key(folder: Path) -> ECKey:
    content = json.loads((folder / signing_keys.FILE_NAME).read_text())
    return ECKey.import_key(content["keys"][0]["key"])


def refuse(folder: Path, forge: Callable[[Guards, str, Parts], str]) -> str:
    """Check that a forgery, made from a good token, is refused; gives the error's text."""

    async def go() -> str:
        async with guards(folder, user()) as desk:
            good = (await desk.tokens.issue(principal(user()))).access_token
            header, claims = map(decoded, good.split(".")[:2])
            assert (await desk.tokens.principal(signed(header, claims, our_key(folder)))).name == "alice"
            forged = forge(desk, good, (header, claims, our_key(folder)))
            for _ in range(2):
                with pytest.raises(AuthenticationError) as caught:
                    await desk.tokens.principal(forged)
            assert caught.value.__cause__ is None
            for part in forged.split("."):
                assert len(part) < 8 or part not in str(caught.value)
            return caught.value.message

    return asyncio.run(go())


def with_claims(**changes: Any) -> Callable[[Guards, str, Parts], str]:
    def forge(_: Guards, __: str, parts: Parts) -> str:
        header, claims, key = parts
        changed = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
        return signed(header, changed, key)

    return forge


def with_header(**changes: Any) -> Callable[[Guards, str, Parts], str]:
    def forge(_: Guards, __: str, parts: Parts) -> str:
        header, claims, key = parts
        return signed({name: value for name, value in {**header, **changes}.items() if value is not ...}, claims, key)

    return forge


def test_a_changed_signature_or_payload_is_refused(tmp_path: Path) -> None:
    def forge(_: Guards, good: str, parts: Parts) -> str:
        header, _, signature = good.split(".")
        return f"{header}.{encoded({**parts[1], 'sub': 'root'})}.{signature}"

    assert refuse(tmp_path, forge) == "the token is not valid"


def test_the_algorithm_none_is_refused(tmp_path: Path) -> None:
    for name in ("none", "None", "NONE"):
        refuse(
            tmp_path / name,
            lambda _, __, parts, name=name: f"{encoded({**parts[0], 'alg': name})}.{encoded(parts[1])}.",
        )


@pytest.mark.parametrize("form", ["pem", "jwk", "x"])
def test_the_public_key_is_no_shared_secret(tmp_path: Path, form: str) -> None:
    def forge(desk: Guards, _: str, parts: Parts) -> str:
        public = desk.tokens.keys()[0]
        secret = {
            "pem": our_key(tmp_path).as_pem(private=False),
            "jwk": json.dumps(public).encode(),
            "x": str(public["x"]).encode(),
        }[form]
        text = f"{encoded({**parts[0], 'alg': 'HS256'})}.{encoded(parts[1])}"
        return f"{text}.{encoded(hmac.digest(secret, text.encode(), 'sha256'))}"

    refuse(tmp_path, forge)


@pytest.mark.slow
def test_other_keys_and_algorithms_are_refused(tmp_path: Path) -> None:
    stranger = ECKey.generate_key("P-256", private=True)
    refuse(tmp_path / "1", lambda _, __, parts: signed(parts[0], parts[1], stranger))
    refuse(tmp_path / "2", lambda _, __, parts: signed({**parts[0], "kid": stranger.thumbprint()}, parts[1], stranger))
    embedded = stranger.as_dict(private=False)
    refuse(tmp_path / "3", lambda _, __, parts: signed({**parts[0], "jwk": embedded}, parts[1], stranger))
    rsa, shared = RSAKey.generate_key(2048, private=True), OctKey.generate_key(256)
    for number, (algorithm, key) in enumerate((("RS256", rsa), ("HS256", shared))):
        refuse(
            tmp_path / f"a{number}",
            lambda _, __, parts, algorithm=algorithm, key=key: jws.serialize_compact(
                {**parts[0], "alg": algorithm}, json.dumps(parts[1]), key, algorithms=[algorithm]
            ),
        )


HEADERS = {
    "no kid": {"kid": ...},
    "an unknown kid": {"kid": "x"},
    "a kid that is a list": {"kid": ["x"]},
    "a kid that is a path": {"kid": "../../../dev/null"},
    "another typ": {"typ": "JWT"},
    "no typ": {"typ": ...},
    "crit": {"crit": ["exp"], "exp": 1},
    "crit that is a number": {"crit": 1},
    "b64": {"b64": False, "crit": ["b64"]},
    "jku": {"jku": "https://evil.example/keys"},
    "x5u": {"x5u": "https://evil.example/keys"},
    "an unheard-of member": {"x": 1},
    "an alg that is a list": {"alg": ["ES256"]},
    "no alg": {"alg": ...},
}


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_a_header_is_exactly_as_we_write_it(tmp_path: Path, name: str) -> None:
    assert refuse(tmp_path, with_header(**HEADERS[name])) == "the token is not valid"


NOW = 1767225600  # 2026-01-01T00:00Z
CLAIMS = {
    "expired": ({"exp": NOW}, "the token has expired"),
    "not yet valid": ({"nbf": NOW + 61}, "the token is not valid yet"),
    "issued in the future": ({"iat": NOW + 61}, "the token is not valid yet"),
    "another issuer": ({"iss": "https://evil.example"}, "the token is not for this host"),
    "another audience": ({"aud": "other"}, "the token is not for this host"),
    "issuers": ({"iss": ["jobhost", "x"]}, "the token is not valid"),
    "audiences": ({"aud": ["jobhost"]}, "the token is not valid"),
    "a subject that is a list": ({"sub": ["alice"]}, "the token is not valid"),
    "a subject that is an object": ({"sub": {"alice": 1}}, "the token is not valid"),
    "a session that is a list": ({"sid": ["x"]}, "the token is not valid"),
    "scopes as a list": ({"scope": ["x"]}, "the token is not valid"),
    "an end in text": ({"exp": str(NOW + 99)}, "the token is not valid"),
    "an end that is true": ({"exp": True}, "the token is not valid"),
    "an end with a fraction": ({"exp": NOW + 99.5}, "the token is not valid"),
    "an end beyond time": ({"exp": 10**30}, "the token is not valid"),
    "an end that is not finite": ({"exp": float("inf")}, "the token is not valid"),
    "no session that we know": ({"sid": "x"}, "the session has ended"),
    **{
        f"no {name}": ({name: ...}, "the token is not valid")
        for name in ("iss", "aud", "sub", "sid", "exp", "nbf", "iat")
    },
    **{f"null {name}": ({name: None}, "the token is not valid") for name in ("iss", "aud", "sub", "exp", "jti")},
}


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_claims_are_checked_though_the_signature_is_ours(tmp_path: Path, name: str) -> None:
    changes, told = CLAIMS[name]

    assert refuse(tmp_path, with_claims(**changes)) == told


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"1", b"{", b"\xff", b"[" * 3000])
def test_a_payload_that_is_no_object_is_refused(tmp_path: Path, payload: bytes) -> None:
    refuse(tmp_path, lambda _, __, parts: signed(parts[0], payload, parts[2]))


def test_a_token_is_refused_by_its_size_before_anything_reads_it(tmp_path: Path) -> None:
    refuse(tmp_path, lambda _, good, __: good + "A" * 1_000_000)
    refuse(tmp_path / "2", with_claims(x="y" * MAX_TOKEN))


NO_TOKENS = ["", ".", "..", "...", "a.b.c", "Bearer", "ä.ö.ü", "\ud800", "\x00", "e30.e30.", "null", "a" * MAX_TOKEN]


@pytest.mark.parametrize("text", NO_TOKENS)
def test_what_is_no_token_is_refused(tmp_path: Path, text: str) -> None:
    refuse(tmp_path, lambda _, __, ___: text)


def test_no_change_of_a_good_token_is_valid(tmp_path: Path) -> None:
    """A changed character never gives another token that passes: not even unused bits of base64 are free."""

    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            good = (await desk.tokens.issue(principal(user()))).access_token

            @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
            @given(place=st.integers(0, len(good) - 1), other=st.sampled_from("AQZaqz059-_.=+/ "))
            def check(place: int, other: str) -> None:
                changed = good[:place] + other + good[place + 1 :]
                if changed != good:
                    with pytest.raises(AuthenticationError):
                        read(changed)

            def read(token: str) -> None:
                coroutine = desk.tokens.principal(token)  # never waits for anything
                try:
                    coroutine.send(None)
                except StopIteration:
                    return

            check()

    asyncio.run(go())


def test_a_session_of_another_host_is_none_of_ours(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path / "a", user()) as here, guards(tmp_path / "b", user()) as there:
            token = (await there.tokens.issue(principal(user()))).access_token
            assert sha256(token.encode())
            with pytest.raises(AuthenticationError):
                await here.tokens.principal(token)

    asyncio.run(go())
