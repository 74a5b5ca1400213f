"""What of a request's target is believed."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_rest.server.errors import Refused
from host_rest.server.targets import segments_of


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"/", ("",)),
        (b"/a/b", ("a", "b")),
        (b"/a/b/", ("a", "b", "")),
        (b"/a%20b/%C3%A9", ("a b", "é")),
        (b"/JobInfo/$start", ("JobInfo", "$start")),
        (b"/a/.well-known/x", ("a", ".well-known", "x")),
        (b"/a/...", ("a", "...")),
        (b"/host.jobs:Job%2C%20x", ("host.jobs:Job, x",)),
        (b"/%252e%252e/%2541", ("%2e%2e", "%41")),
    ],
)
def test_escapes_are_decoded_once(sent: bytes, read: tuple[str, ...]) -> None:
    assert segments_of(sent) == read


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"a/b",
        b"*",
        b"http://evil.example/a",
        b"//a",
        b"/a//b",
        b"/a//",
        b"/.",
        b"/..",
        b"/a/../b",
        b"/a/./b",
        b"/%2e%2e/b",
        b"/.%2E/b",
        b"/a%2fb",
        b"/a%2Fb",
        b"/a%5cb",
        b"/a\\b",
        b"/a%00",
        b"/a%0d%0aX:y",
        b"/a%7f",
        b"/a%c2%85",
        b"/a%",
        b"/a%2",
        b"/a%zz",
        b"/a%u002e",
        b"/a b",
        b"/a#b",
        b"/a?b",
        b"/\xc3\xa9",
        b"/%c0%ae%c0%ae/b",
        b"/%ff",
        b"/%ed%a0%80",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(sent: bytes) -> None:
    with pytest.raises(Refused) as caught:
        segments_of(sent)
    assert caught.value.refusal.status == 400


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1)


@given(st.lists(TEXTS.filter(lambda text: text not in (".", "..")), min_size=1))
def test_any_text_can_be_a_segment(texts: list[str]) -> None:
    path = "".join(f"/{quote(text, safe='')}" for text in texts)
    assert segments_of(path.encode()) == tuple(texts)


@given(st.binary(max_size=30))
def test_whatever_is_sent_is_read_or_refused(sent: bytes) -> None:
    try:
        segments = segments_of(b"/" + sent)
    except Refused:
        return
    assert not {".", ".."} & set(segments)
    assert "" not in segments[:-1]
    assert not any(char in segment for segment in segments for char in "/\\\0\r\n")
