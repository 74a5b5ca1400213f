"""Binding sections to settings classes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

import pytest

from host.contracts.contract import Settings, SettingsElement
from host.errors import ConfigurationError, Problem
from host.kernel.config import bind_settings, read_configuration
from host.kernel.settings_reference import settings_reference

NS = 'xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


class Mode(StrEnum):
    FAST = "fast"
    SAFE = "safe"


@dataclass(frozen=True, slots=True, kw_only=True)
class EverySettings(Settings):
    section: ClassVar[str] = "EverySection"

    text: str = "t"
    """What it says."""
    how_many: int = 1
    ratio: float = 0.5
    is_on: bool = False
    data_directory: Path = Path("data")
    grace: timedelta = timedelta(seconds=5)
    """How long it waits;
    at least."""
    mode: Mode = Mode.SAFE
    limit: int | None = None
    extra: tuple[str, ...] = field(default_factory=tuple)

    @classmethod
    def read_children(cls, element: SettingsElement) -> dict[str, object]:
        problems = [Problem(message=f"<{child.name}> is wrong", where=child.where) for child in element.children("bad")]
        if problems:
            raise ConfigurationError("wrong", problems=problems)
        return {"extra": tuple(child.text for child in element.children("extra"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedySettings(Settings):
    section: ClassVar[str] = "NeedySection"

    url: str
    port: int
    idle: int = 3

    def __post_init__(self) -> None:
        if self.port > 65_535:
            raise ValueError(f"port {self.port} is above 65535")


@pytest.fixture
def bind(tmp_path: Path) -> Callable[..., Settings]:
    def bind(cls: type[Settings], body: str, *, name: str | None = None) -> Settings:
        path = tmp_path / "c.xml"
        path.write_text(f"<SanteDBConfiguration {NS}>\n{body}\n</SanteDBConfiguration>")
        return bind_settings(cls, read_configuration(path, environment={}), name=name)

    return bind


def problems_of(bind: Callable[..., Settings], cls: type[Settings], body: str, **options: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        bind(cls, body, **options)
    return [str(problem).partition("c.xml")[2] for problem in caught.value.problems]


def test_every_type_is_read_from_camel_case_attributes(bind, tmp_path: Path) -> None:
    body = (
        '<section xsi:type="p:EverySection" text=" x " howMany="-7" ratio="1e3" isOn="1" dataDirectory="../d"\n'
        'grace="PT1M" mode="fast" limit="9"><extra>a</extra><!-- --><extra> b </extra></section>'
    )
    assert bind(EverySettings, body) == EverySettings(
        text=" x ",
        how_many=-7,
        ratio=1000.0,
        is_on=True,
        data_directory=tmp_path.parent / "d",
        grace=timedelta(minutes=1),
        mode=Mode.FAST,
        limit=9,
        extra=("a", "b"),
    )


def test_without_a_section_or_attributes_defaults_hold_and_paths_start_at_the_main_file(bind, tmp_path: Path) -> None:
    expected = EverySettings(data_directory=tmp_path / "data")
    assert bind(EverySettings, "") == expected
    assert bind(EverySettings, '<section xsi:type="EverySection"/>') == expected


def test_a_path_starts_at_the_folder_of_the_included_file_that_holds_it(bind, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    section = '<section xsi:type="EverySection" dataDirectory="d"/>'
    (tmp_path / "sub" / "p.xml").write_text(f"<SanteDBConfiguration {NS}>{section}</SanteDBConfiguration>")
    settings = bind(EverySettings, "<include>sub/p.xml</include>")
    assert settings.data_directory == tmp_path / "sub" / "d"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT5S", 5), ("P1DT1H", 90_000), ("00:00:05.5", 5.5), ("1.00:00:00", 86_400), ("90", 90), ("0.25", 0.25)],
)
def test_durations_have_three_forms(bind, text: str, seconds: float) -> None:
    settings = bind(EverySettings, f'<section xsi:type="EverySection" grace="{text}"/>')
    assert settings.grace == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("howMany", "1_000", "expected a whole number, not '1_000'"),
        ("howMany", "٣", "expected a whole number"),
        ("howMany", "1" * 5000, "expected a whole number"),
        ("ratio", "nan", "expected a number, not 'nan'"),
        ("ratio", "1e999", "expected a number"),
        ("isOn", "yes", "expected 'true' or 'false', not 'yes'"),
        ("isOn", "True", "not 'True' (did you mean 'true'?)"),
        ("dataDirectory", " ", "expected a path, not ' '"),
        ("grace", "5 minutes", "expected a duration: 'PT5S', 'hh:mm:ss' or a number of seconds, not '5 minutes'"),
        ("grace", "P1M", "years and months have no fixed length; use days"),
        ("grace", "-5", "expected a duration"),
        ("grace", "99999999999999", "expected a duration"),
        ("mode", "Fast", "expected one of 'fast', 'safe', not 'Fast' (did you mean 'fast'?)"),
        ("limit", "", "expected a whole number, not ''"),
        ("how_many", "1", "has no attribute 'how_many'; expected 'text', 'howMany'"),
        ("how_many", "1", "(did you mean 'howMany'?)"),
        ("extra", "1", "has no attribute 'extra'"),
        ("name", "x", None),
    ],
)
def test_a_wrong_attribute_is_told_with_what_was_expected(bind, attribute: str, value: str, expected: str) -> None:
    body = f'\n<section xsi:type="EverySection" {attribute}="{value}"/>'
    if expected is None:
        assert bind(EverySettings, body).text == "t"
        return
    (problem,) = problems_of(bind, EverySettings, body)
    assert problem.startswith(":3: ")
    assert expected in problem


def test_all_problems_of_a_section_are_told_at_once(bind) -> None:
    body = '<section xsi:type="EverySection" howMany="x" rato="1" mode="no">\n<bad/>\n<bad/></section>'
    found = problems_of(bind, EverySettings, body)
    assert [problem[:3] for problem in found] == [":2:", ":2:", ":2:", ":3:", ":4:"]


def test_unexpected_elements_are_all_told_by_default(bind) -> None:
    found = problems_of(bind, NeedySettings, '<section xsi:type="NeedySection" url="u" port="1"><a/>\n<b/></section>')
    hint = "(this section takes attributes only)"
    assert found == [
        f":2: <a> is not expected in section NeedySection {hint}",
        f":3: <b> is not expected in section NeedySection {hint}",
    ]


def test_required_attributes_are_told_with_and_without_a_section(bind) -> None:
    assert problems_of(bind, NeedySettings, "") == [
        ": there is no <section xsi:type=\"NeedySection\">; it needs 'url', 'port' (add the section)"
    ]
    assert problems_of(bind, NeedySettings, '<section xsi:type="NeedySection"/>') == [
        ":2: section NeedySection needs the attribute 'url'",
        ":2: section NeedySection needs the attribute 'port'",
    ]


def test_what_the_class_refuses_is_told_with_its_place(bind) -> None:
    body = '<section xsi:type="NeedySection" url="u" port="65536"/>'
    assert problems_of(bind, NeedySettings, body) == [":2: section NeedySection: port 65536 is above 65535"]


def test_a_name_chooses_among_sections_of_one_type(bind) -> None:
    body = "".join(f'<section xsi:type="NeedySection" name="{n}" url="{n}" port="1"/>' for n in "ab")
    assert bind(NeedySettings, body, name="b").url == "b"
    assert bind(NeedySettings, body).url == "a"
    unnamed = body + '<section xsi:type="NeedySection" url="c" port="1"/>'
    assert bind(NeedySettings, unnamed).url == "c"
    assert problems_of(bind, EverySettings, body, name="c") == [
        ': there is no <section xsi:type="EverySection" name="c"> (add the section)'
    ]


def test_settings_are_listed_for_the_reference_page() -> None:
    assert settings_reference([NeedySettings, EverySettings]).splitlines()[2:] == [
        "| `EverySection` | `text` | text | `t` | What it says. |",
        "| `EverySection` | `howMany` | whole number | `1` |  |",
        "| `EverySection` | `ratio` | number | `0.5` |  |",
        "| `EverySection` | `isOn` | `true` or `false` | `false` |  |",
        "| `EverySection` | `dataDirectory` | path | `data` |  |",
        "| `EverySection` | `grace` | duration | `PT5S` | How long it waits; at least. |",
        "| `EverySection` | `mode` | `fast`, `safe` | `safe` |  |",
        "| `EverySection` | `limit` | whole number | none |  |",
        "| `NeedySection` | `url` | text | required |  |",
        "| `NeedySection` | `port` | whole number | required |  |",
        "| `NeedySection` | `idle` | whole number | `3` |  |",
    ]
