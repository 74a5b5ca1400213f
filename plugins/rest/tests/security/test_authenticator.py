"""The authenticator: who is recognised, how often one may try, and that nothing tells names from passwords."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.errors import AuthenticationError, TooManyAttemptsError
from host.model.security import BearerToken, ClientCredentials, PasswordCredentials, PrincipalKind
from host.testing.clock import FakeClock
from host_rest.security.attempts import FORGET_SECONDS, MAX_KEYS, Attempts, network_of
from host_rest.security.authenticator import (
    CHECKS_AT_ONCE,
    FREE_ANYWHERE,
    FREE_BY_ADDRESS,
    FREE_BY_NAME,
    MAX_WAITING,
)
from host_rest.security.passwords import hash_password, is_password
from plugins.rest.tests.security.desk import PASSWORD, SECRET, Guards, client, guards, principal, user


def password(name: str = "alice", text: str = PASSWORD, address: str | None = None) -> PasswordCredentials:
    return PasswordCredentials(name=name, password=text, address=address)


async def outcome(desk: Guards, credentials: PasswordCredentials | ClientCredentials) -> str:
    try:
        return (await desk.authenticator.authenticate(credentials)).name
    except TooManyAttemptsError as error:
        return f"wait {error.retry_after_seconds}"
    except AuthenticationError as error:
        return error.message


def test_a_person_is_recognised_by_password_and_a_program_by_secret(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user("Alice", "operator", "clinical"), client()) as desk:
            person = await desk.authenticator.authenticate(password("aLiCe"))
            assert (person.name, person.kind, person.roles) == ("Alice", PrincipalKind.USER, ("operator", "clinical"))
            program = await desk.authenticator.authenticate(ClientCredentials(id="CI", secret=SECRET))
            assert (program.name, program.kind, program.client) == ("ci", PrincipalKind.CLIENT, "ci")

    asyncio.run(go())


@pytest.mark.slow
def test_whoever_is_wrong_gets_the_same_answer(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user(), user("bob"), client()) as desk:
            desk.file.change(lambda book: book.enabling("bob", PrincipalKind.USER, is_enabled=False))
            told = {
                await outcome(desk, credentials)
                for credentials in (
                    password(text="wrong"),
                    password("nobody"),
                    password("bob"),
                    password("ci", SECRET),
                    password("\ud800" * 500),
                    password(text="\ud800"),
                    password(text="x" * 100_000),
                )
            }
            assert told == {"the name or the password is wrong"}
            told = {
                await outcome(desk, ClientCredentials(id=id, secret=secret))
                for id, secret in (("ci", "wrong"), ("nobody", SECRET), ("alice", PASSWORD), ("ci", "\ud800"))
            }
            assert told == {"the client's id or secret is wrong"}

    asyncio.run(go())


@pytest.mark.slow
def test_a_name_that_nobody_has_costs_a_whole_check_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    monkeypatch.setattr(
        "host_rest.security.passwords.is_password",
        lambda text, secret_hash: checked.append(secret_hash) or is_password(text, secret_hash),
    )

    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            await outcome(desk, password("nobody"))
            await outcome(desk, password("alice", "wrong"))

    asyncio.run(go())
    assert checked[0] is None
    assert checked[1] is not None


@pytest.mark.slow
def test_a_password_is_kept_as_argon2id_and_recognised_however_it_was_typed() -> None:
    kept = hash_password("Ångström-ﬁsh-salad")

    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert is_password("A\u030angstro\u0308m-fish-salad", kept)
    assert not is_password("angstrom-fish-salad", kept)
    assert not is_password("", None)
    assert not is_password("x", "no hash")


def test_after_five_failures_a_name_must_wait_longer_and_longer(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            for _ in range(FREE_BY_NAME):
                assert await outcome(desk, password(text="wrong")) == "the name or the password is wrong"
            waits = []
            for _ in range(8):
                told = await outcome(desk, password())
                waits.append(told)
                desk.clock.move(float(told.removeprefix("wait ")))
                await outcome(desk, password("ALICE", "wrong"))
            assert waits == [f"wait {seconds}" for seconds in (1, 2, 4, 8, 16, 32, 60, 60)]
            desk.clock.move(60)
            assert await outcome(desk, password()) == "alice"
            assert await outcome(desk, password(text="wrong")) == "the name or the password is wrong"

    asyncio.run(go())


def test_a_name_that_nobody_has_must_wait_too(tmp_path: Path) -> None:
    async def go() -> None:
        clock = FakeClock()
        attempts = Attempts(clock, free=FREE_BY_NAME)
        for _ in range(FREE_BY_NAME):
            attempts.begin("nobody")
        assert attempts.wait_seconds("nobody") == 1

    asyncio.run(go())


def test_an_address_must_wait_whatever_names_it_tries(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, *(user(f"user{number}") for number in range(FREE_BY_ADDRESS))) as desk:
            for number in range(FREE_BY_ADDRESS):
                told = await outcome(desk, password(f"user{number}", "wrong", address="192.0.2.1"))
                assert told == "the name or the password is wrong"
            assert await outcome(desk, password("user1", address="192.0.2.1")) == "wait 1"
            assert await outcome(desk, password("user1", address="192.0.2.2")) == "user1"

    asyncio.run(go())


def test_a_right_password_does_not_give_an_address_more_attempts(tmp_path: Path) -> None:
    async def go() -> None:
        names = [f"user{number}" for number in range(FREE_BY_ADDRESS)]
        async with guards(tmp_path, *map(user, names), user("mallory")) as desk:
            for name in names:
                assert await outcome(desk, password("mallory", address="::1")) == "mallory"
                await outcome(desk, password(name, "wrong", address="::1"))
            assert await outcome(desk, password("mallory", address="::1")) == "wait 1"

    asyncio.run(go())


def test_whoever_tries_a_name_elsewhere_does_not_lock_out_its_owner(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            for _ in range(2 * FREE_ANYWHERE):
                told = await outcome(desk, password(text="wrong", address="192.0.2.1"))
                if told.startswith("wait "):
                    desk.clock.move(float(told.removeprefix("wait ")))
            assert await outcome(desk, password(address="192.0.2.2")) == "alice"

    asyncio.run(go())


def test_a_name_must_wait_once_very_many_places_have_tried_it(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            for number in range(FREE_ANYWHERE):
                told = await outcome(desk, password(text="wrong", address=f"192.0.2.{number}"))
                assert told == "the name or the password is wrong"
            assert await outcome(desk, password(address="198.51.100.1")) == "wait 1"

    asyncio.run(go())


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_an_address_is_one_place_with_those_that_its_owner_can_take_as_well(
    one: str, other: str, is_same: bool
) -> None:
    assert (network_of(one) == network_of(other)) is is_same


def test_a_network_must_wait_whatever_addresses_it_takes(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            for number in range(FREE_BY_ADDRESS):
                await outcome(desk, password(f"user{number}", "wrong", address=f"2001:db8::{number}"))
            assert await outcome(desk, password(address="2001:db8::ffff")) == "wait 1"
            assert await outcome(desk, password(address="2001:db8:0:1::1")) == "alice"

    asyncio.run(go())


def test_thousands_of_other_names_do_not_make_an_accounts_attempts_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host_rest.security.attempts.MAX_KEYS", 100)

    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            for number in range(FREE_ANYWHERE):
                await outcome(desk, password(text="wrong", address=f"192.0.2.{number}"))
            for number in range(101):
                await outcome(desk, ClientCredentials(id=f"app{number}", secret="wrong"))
                desk.authenticator._by_nobodys_name.begin(f"nobody{number}")
            assert await outcome(desk, password(address="198.51.100.1")) == "wait 1"

    asyncio.run(go())


def test_a_persons_name_that_looks_like_a_programs_attempts_locks_out_no_program(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, client()) as desk:
            for name in ("ci 192.0.2.1", "192.0.2.1 ci"):
                for _ in range(FREE_BY_NAME):
                    await outcome(desk, password(name, "wrong", address="192.0.2.1"))
            told = await outcome(desk, ClientCredentials(id="ci", secret="wrong", address="192.0.2.1"))
            assert told == "the client's id or secret is wrong"

    asyncio.run(go())


def test_a_programs_right_secret_is_never_refused(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, client()) as desk:
            for _ in range(2 * FREE_BY_NAME):
                told = await outcome(desk, ClientCredentials(id="ci", secret="guess", address="192.0.2.1"))
            assert told.startswith("wait ")
            assert await outcome(desk, ClientCredentials(id="ci", secret=SECRET, address="192.0.2.1")) == "ci"

    asyncio.run(go())


def test_a_forgotten_copy_of_a_program_does_not_lock_out_the_others(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, client()) as desk:
            for _ in range(FREE_BY_NAME):
                await outcome(desk, ClientCredentials(id="ci", secret="old", address="192.0.2.1"))
            told = await outcome(desk, ClientCredentials(id="ci", secret="old", address="192.0.2.1"))
            assert told == "wait 1"
            assert await outcome(desk, ClientCredentials(id="ci", secret=SECRET, address="192.0.2.2")) == "ci"

    asyncio.run(go())


def test_many_attempts_at_once_are_no_way_around_the_limit(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            told = await asyncio.gather(*(outcome(desk, password(text="wrong")) for _ in range(50)))
            assert told.count("the name or the password is wrong") == FREE_BY_NAME

    asyncio.run(go())


def test_more_checks_than_can_wait_are_refused_and_do_not_count(tmp_path: Path) -> None:
    async def go() -> None:
        names = [f"user{number}" for number in range(CHECKS_AT_ONCE + MAX_WAITING + 10)]
        async with guards(tmp_path, *map(user, names)) as desk:
            told = await asyncio.gather(*(outcome(desk, password(name)) for name in names))
            assert told.count("wait 1") == 10
            assert await outcome(desk, password(names[-1])) == names[-1]

    asyncio.run(go())


def test_attempts_are_forgotten_in_time_and_when_there_are_too_many_keys() -> None:
    clock = FakeClock()
    attempts = Attempts(clock, free=2)
    for _ in range(5):
        attempts.begin("a")
    assert attempts.wait_seconds("a") == 8
    clock.move(FORGET_SECONDS + 1)
    attempts.begin("a")
    assert attempts.wait_seconds("a") == 0

    attempts.begin("a")
    assert attempts.wait_seconds("a") > 0
    for number in range(MAX_KEYS):
        attempts.begin(str(number))
    assert attempts.wait_seconds("a") == 0


def test_a_token_is_recognised_through_the_token_service(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            tokens = await desk.tokens.issue(principal(user()))
            known = await desk.authenticator.authenticate(BearerToken(token=tokens.access_token))
            assert known.name == "alice"
            with pytest.raises(AuthenticationError):
                await desk.authenticator.authenticate(BearerToken(token="x"))

    asyncio.run(go())
