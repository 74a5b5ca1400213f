"""Trace contexts as W3C Trace Context has them."""

from __future__ import annotations

import pytest

from host.model.traces import TraceParent, is_trace, parse_traceparent, trace_id_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_traceparent_is_read_and_written_back() -> None:
    text = f"00-{TRACE}-{SPAN}-01"

    assert parse_traceparent(text) == TraceParent(trace_id=TRACE, span_id=SPAN, is_sampled=True)
    assert str(parse_traceparent(text)) == text


def test_a_later_version_may_have_more() -> None:
    assert str(parse_traceparent(f"cc-{TRACE}-{SPAN}-03-more")) == f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "text",
    [
        "",
        TRACE,
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_what_is_no_traceparent_is_ignored(text: str) -> None:
    assert parse_traceparent(text) is None


def test_a_submission_may_give_a_trace_id_or_a_whole_traceparent() -> None:
    assert is_trace(TRACE)
    assert is_trace(f"00-{TRACE}-{SPAN}-00")
    assert not any(map(is_trace, ["", "0" * 32, TRACE.upper(), TRACE + "0", f"cc-{TRACE}-{SPAN}-01", f"{TRACE}\n"]))


def test_both_give_the_trace_id() -> None:
    assert trace_id_of(TRACE) == trace_id_of(f"00-{TRACE}-{SPAN}-01") == TRACE
