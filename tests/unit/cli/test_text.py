"""Words for times, durations and ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from host.cli.inputs import read_duration
from host.cli.text import clean, duration, relative, rfc3339
from host.errors import WireError

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.35, "350 ms"),
        (1, "1 s"),
        (61, "1 min 1 s"),
        (60, "1 min"),
        (3_600, "1 h"),
        (3_661, "1 h 1 min"),
        (3_601, "1 h"),
        (90_000, "1 d 1 h"),
        (86_400 * 400, "400 d"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.5, "now"), (-61, "1 min ago"), (61, "in 1 min"), (-7_300, "2 h ago"), (86_400 * 3, "in 3 d")],
)
def test_instants_are_said_by_their_distance(seconds: float, words: str) -> None:
    assert relative(NOW + timedelta(seconds=seconds), NOW) == words


def test_no_instant_is_a_dash() -> None:
    assert relative(None, NOW) == "-"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("15 min", 900),
        ("1h30m", 5_400),
        ("2d", 172_800),
        ("1w", 604_800),
        ("250ms", 0.25),
        ("1.5h", 5_400),
        ("01:30:00", 5_400),
        ("01:30", 5_400),
        ("PT15M", 900),
        ("p1d", 86_400),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "5", "-5m", "5m!", "P1M", "PT", "1:2:3:4", "1:x", "9999999999d"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError, WireError)):
        read_duration(text)


def test_control_characters_are_shown() -> None:
    assert clean("a\x1b[1mb\tc\nd\x9b\u202e") == "a\\x1b[1mb\tc\nd\\x9b\\x202e"


def test_utc_is_z() -> None:
    assert rfc3339(NOW) == "2026-01-01T12:00:00Z"
