"""An upstream that fails: what is repeated, what never is, and when it is left alone."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import timedelta

import pytest

from host.errors import UpstreamUnavailableError
from host.testing.clock import FakeClock
from host_upstream.link import UpstreamApi, UpstreamRequest
from host_upstream.transport.breaker import Breaker
from host_upstream.transport.fault import Fault
from host_upstream.transport.http_link import HttpUpstreamLink
from host_upstream.transport.patience import pause_before
from host_upstream.transport.reasons import fault_of
from plugins.upstream.tests.link.linkdesk import JOBS, START, link_to, run, ticking, until
from plugins.upstream.tests.link.rogue import HANG_UP, Heard, Reply, Rogue, problem, rogue_server

REPEATABLE = UpstreamRequest(method="POST", path="/rest/v1/submissions", body=b"[]", may_repeat=True)
DOWN = Reply(status=503)


def failing(rogue: Rogue, times: int, reply: Reply = DOWN) -> None:
    """Let so many calls fail, and the rest succeed."""
    left = [reply] * times
    rogue.otherwise = lambda _: left.pop() if left else Reply(body={})


@pytest.mark.parametrize("reply", [DOWN, Reply(status=502), Reply(status=504), Reply(status=429), HANG_UP])
def test_what_may_be_repeated_is_repeated_twice(reply: Reply) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        clock = link._clock
        assert isinstance(clock, FakeClock)
        for request in (JOBS, REPEATABLE):
            failing(rogue, 2, reply)
            assert (await ticking(clock, link.request(request))).status == 200
            assert link.unavailable_since() is None
        failing(rogue, 3, reply)
        before = len(rogue.calls())
        with pytest.raises(UpstreamUnavailableError, match="has not answered since 2026-01-01"):
            await ticking(clock, link.request(JOBS))
        assert len(rogue.calls()) == before + 3

    run(check, clock=FakeClock())


@pytest.mark.parametrize(
    "reply",
    [DOWN, Reply(status=502), HANG_UP, Reply(body={"a": 1}, length=50, is_cut=True), problem(503, "host-unavailable")],
)
def test_what_may_not_be_repeated_is_sent_once_whatever_happens(reply: Reply) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        failing(rogue, 1, reply)
        with pytest.raises(UpstreamUnavailableError):
            await link.request(START)
        assert len(rogue.calls()) == 1

    run(check)


def test_an_answer_that_is_only_wrong_is_not_asked_for_again() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        failing(rogue, 1, Reply(status=500, body="oops"))
        with pytest.raises(UpstreamUnavailableError, match="cannot be used: status 500"):
            await link.request(JOBS)
        assert len(rogue.calls()) == 1
        assert link.unavailable_since() is None

    run(check)


def test_a_write_goes_to_a_host_that_is_just_starting() -> None:
    clock = FakeClock()

    async def check() -> None:
        async with rogue_server() as rogue:
            await rogue.stop()
            async with link_to(rogue.port, clock=clock) as link:
                call = asyncio.ensure_future(link.request(START))
                await until(lambda: link.unavailable_since() is not None)
                await rogue.start(port=rogue.port)
                assert (await ticking(clock, call)).status == 200
                assert len(rogue.calls()) == 1

    asyncio.run(check())


def test_retry_after_is_heeded_if_there_is_time() -> None:
    clock = FakeClock()

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        failing(rogue, 1, Reply(status=503, headers={"retry-after": "20"}))
        begun = clock.monotonic()
        assert (await ticking(clock, link.request(JOBS), step=1)).status == 200
        assert clock.monotonic() - begun >= 20
        failing(rogue, 1, Reply(status=429, headers={"retry-after": "Thu, 01 Jan 2099 00:00:00 GMT"}))
        with pytest.raises(UpstreamUnavailableError, match="asks to be left alone for 3600 s"):
            await link.request(JOBS)
        assert len(rogue.calls()) == 3

    run(check, clock=clock)


def test_an_upstream_that_hangs_is_given_up_in_time_and_its_connection_closed() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        await link.request(JOBS)
        never = asyncio.Event()
        rogue.otherwise = lambda _: Reply(wait=never)
        with pytest.raises(UpstreamUnavailableError, match=r"no answer within 0\.0"):
            await link.request(UpstreamRequest(method="GET", path="/x", timeout_seconds=0.05))
        rogue.otherwise = lambda _: Reply(body={})
        assert (await link.request(JOBS)).status == 200
        assert rogue.connections == 2

    run(check)


def test_a_call_that_is_cancelled_leaves_the_others_alone() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        await link.request(JOBS)
        gate = asyncio.Event()
        rogue.otherwise = lambda _: Reply(body={}, wait=gate)
        calls = [asyncio.ensure_future(link.request(JOBS)) for _ in range(120)]
        await until(lambda: len(rogue.calls()) == 101)  # the others wait for a connection
        for call in (*calls[:90], calls[-1]):
            call.cancel()
        gate.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        later = await asyncio.gather(*(link.request(JOBS) for _ in range(120)))

        assert sum(isinstance(answer, asyncio.CancelledError) for answer in answers) == 91
        assert {each.status for each in answers if not isinstance(each, BaseException)} == {200}
        assert {each.status for each in later} == {200}
        assert link.unavailable_since() is None

    run(check)


def test_stopping_ends_what_is_under_way() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        never = asyncio.Event()
        rogue.otherwise = lambda _: Reply(wait=never)
        call = asyncio.ensure_future(link.request(START))
        await until(rogue.calls)
        await link.stop()
        async with asyncio.timeout(60):
            with pytest.raises(UpstreamUnavailableError):
                await call

    run(check)


def test_after_five_faults_the_upstream_is_left_alone_for_ever_longer_and_one_call_tries() -> None:
    clock = FakeClock()

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.otherwise = lambda _: DOWN
        for _ in range(5):
            with pytest.raises(UpstreamUnavailableError, match="status 503"):
                await link.request(START)
        assert link.unavailable_since() == clock.now()
        assert [each.is_failure for each in link.check()] == [True]
        heard = 5
        for seconds in (1, 2, 4, 8, 16, 30, 30):
            with pytest.raises(
                UpstreamUnavailableError, match="has not answered since 2026-01-01 00:00:00 UTC"
            ) as error:
                await link.request(START)
            assert "it is asked again at 2026-01-01 00:0" in (error.value.hint or "")
            clock.move(seconds - 0.01)
            results = await asyncio.gather(*(link.request(START) for _ in range(5)), return_exceptions=True)
            assert len(rogue.calls()) == heard
            clock.move(0.02)
            results = await asyncio.gather(*(link.request(START) for _ in range(5)), return_exceptions=True)
            assert {type(each) for each in results} == {UpstreamUnavailableError}
            heard += 1
            assert len(rogue.calls()) == heard

        rogue.otherwise = lambda _: Reply(body={})
        clock.move(31)
        assert (await link.request(START)).status == 200
        assert (link.unavailable_since(), link.check()) == (None, [])
        assert {each.status for each in await asyncio.gather(*(link.request(START) for _ in range(5)))} == {200}

    run(check, clock=clock)


def test_a_trial_that_is_cancelled_does_not_block_the_next() -> None:
    clock = FakeClock()
    breaker = Breaker("u", clock)
    for _ in range(5):
        with pytest.raises(Fault), breaker.attempt():
            raise Fault("x", hint="h")
    clock.move(1)
    trial = breaker.attempt()
    with pytest.raises(UpstreamUnavailableError, match="x"):
        breaker.attempt()
    with pytest.raises(asyncio.CancelledError), trial:
        raise asyncio.CancelledError
    assert breaker.is_open
    with breaker.attempt():
        pass
    assert not breaker.is_open


def test_calls_that_fail_together_open_the_circuit_once() -> None:
    clock = FakeClock()
    breaker = Breaker("u", clock)
    attempts = [breaker.attempt() for _ in range(20)]
    for attempt in attempts:
        with pytest.raises(Fault), attempt:
            raise Fault("x")
    clock.move(1)
    with breaker.attempt():
        pass
    assert (breaker.since, breaker.is_open, breaker.outages) == (None, False, 1)


def test_a_stopped_server_is_a_refused_connection_with_a_hint() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        await link.request(JOBS)
        await rogue.stop()
        with pytest.raises(UpstreamUnavailableError, match="connection refused") as error:
            await link.request(JOBS)
        assert "check that it runs" in str(error.value)
        await rogue.start(port=rogue.port)
        assert (await link.request(JOBS)).status == 200

    run(check)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name cannot be resolved: Name or service not known"),
        (OSError(113, "No route to host"), "no route to host"),
        (ConnectionRefusedError(111, "Connect call failed"), "connection refused"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x"), "no TLS: "),
        (OSError("what nobody\n foresaw"), "what nobody foresaw"),
    ],
)
def test_why_there_is_no_connection_is_told_by_the_error_beneath(error: OSError, said: str) -> None:
    outer = ConnectionError()
    outer.__cause__ = ExceptionGroup("several", [error])
    for each in (error, outer) if error.errno else (error,):
        fault = fault_of(each, is_unsent=True)
        assert said in fault.reason
        assert fault.is_unsent


def test_connections_that_the_upstream_closed_meanwhile_are_not_used() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        assert link._connection is not None
        connection = link._connection
        for _ in range(3):
            rogue.otherwise = lambda _: Reply(body={}, is_cut=True)
            assert (await link.request(START)).status == 200
            await until(lambda: not connection._open)

        assert len(rogue.calls()) == 3

    run(check, api=UpstreamApi.SANTEDB)


def test_waits_grow_are_drawn_by_lot_and_fit_into_what_is_left() -> None:
    down, unsent = Fault("x"), Fault("x", is_unsent=True)

    def pauses(attempt: int, fault: Fault, *, may_repeat: bool, left: float = 60) -> list[float | None]:
        return [pause_before(attempt, fault, may_repeat=may_repeat, left_seconds=left) for _ in range(50)]

    first, second = pauses(1, down, may_repeat=True), pauses(2, down, may_repeat=True)
    assert len(set(first)) > 1
    assert all(each is not None and 0.05 <= each <= 0.1 for each in first)
    assert all(each is not None and 0.15 <= each <= 0.3 for each in second)
    for none in (
        pauses(3, down, may_repeat=True),
        pauses(1, down, may_repeat=False),
        pauses(1, Fault("x", is_outage=False), may_repeat=True),
        pauses(1, down, may_repeat=True, left=0.04),
        pauses(1, Fault("x", retry_after=5), may_repeat=True, left=4),
    ):
        assert set(none) == {None}
    assert None not in pauses(1, unsent, may_repeat=False)


def test_a_slow_token_endpoint_does_not_hold_callers_beyond_their_time() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        never = asyncio.Event()

        async def hang(_: Heard) -> Reply:
            await never.wait()
            return HANG_UP

        rogue.token = hang
        calls = [link.request(UpstreamRequest(method="GET", path="/x", timeout_seconds=0.1)) for _ in range(10)]
        async with asyncio.timeout(60):
            results = await asyncio.gather(*calls, return_exceptions=True)

        assert {type(each) for each in results} == {UpstreamUnavailableError}

    run(check, timeout=timedelta(minutes=5))
