"""What people write into fields, and where the panel sends browsers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from host.model.logs import LogLevel, RunLogLine
from host_panel.flash import Flash, _packed, read_flash
from host_panel.reading import read_instant, read_span, read_whole
from host_panel.redirects import back_from, is_own_path
from host_panel.run_log import LONGEST, shown
from host_panel.schedule_form import read_form


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90 s", 90), ("1h30m", 5400), ("1 h 30 min", 5400), ("PT15M", 900), ("2d", 172800)],
)
def test_lengths_of_time_are_read_as_people_write_them(text: str, seconds: int) -> None:
    assert read_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0", "soon", "5 parsecs", "-5 s", "1 h x", "9" * 30])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"This (is no duration|must be longer)"):
        read_span(text)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13-01T00:00", "2027-03-28T02:30", "9999-12-31T23:59-23:00", "0001-01-01T00:00+01:00"]
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="This"):
        read_instant(text, "Europe/Prague")


def test_an_instant_without_offset_is_one_of_the_zone() -> None:
    assert read_instant("2026-07-01T02:30", "Europe/Prague") == datetime(2026, 7, 1, 0, 30, tzinfo=UTC)
    assert read_instant("2026-07-01T02:30Z", "Europe/Prague") == datetime(2026, 7, 1, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "x", "1.5", "1e3", "\uff11", "9" * 2000, "2147483648", "-1"])
def test_what_is_no_whole_number_in_bounds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        read_whole(text, least=0)


@pytest.mark.parametrize("field", ["interval_number", "window_number", "jitter"])
@pytest.mark.parametrize("number", ["1e99999999", "1e900000", "9" * 3000, "sNaN", "Infinity"])
def test_a_huge_length_of_time_is_refused_at_once(field: str, number: str) -> None:
    given = {"kind": "interval", "interval_number": "1", "interval_unit": "hours", "window_unit": "days"}
    read = read_form({**given, field: number}, default_timezone="UTC")
    assert read.schedule is None
    assert field in read.errors


@pytest.mark.parametrize(
    "path", ["", "x", "//evil.example", "/\\evil.example", "https://evil.example", "/\tx", "/a\r\nb", "/\u2028"]
)
def test_another_sites_address_is_no_path_of_the_panel(path: str) -> None:
    assert not is_own_path(path)
    assert back_from(path, "/jobs") == "/jobs"


@pytest.mark.parametrize("field", ["link", "undo"])
def test_a_message_that_leads_to_another_site_is_not_shown(field: str) -> None:
    assert read_flash(_packed(Flash(text="well", **{field: "/runs"}))) is not None
    assert read_flash(_packed(Flash(text="ill", **{field: "/\\evil.example"}))) is None


def test_a_line_of_the_log_has_the_hosts_time_and_a_bounded_text() -> None:
    line = RunLogLine(number=1, at=datetime(2026, 1, 1, 23, tzinfo=UTC), level=LogLevel.INFO, event="x" * 20_000)
    told = shown(line, "Asia/Tokyo")
    assert (told["time"], told["at"]) == ("08:00:00.000", "2026-01-02 08:00:00 JST")
    assert len(str(told["text"])) < LONGEST + 60
