"""References in configuration values."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from host.contracts.contract import Settings
from host.errors import ConfigurationError
from host.kernel.config import bind_settings, read_configuration
from host.kernel.references import HIDDEN, redact
from host.santedb.jobs import JobConfiguration

NS = 'xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
CANARY = "hunter2-canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings(Settings):
    section: ClassVar[str] = "StoreConfigurationSection"

    url: str = ""
    connections: int = 1


def write(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<SanteDBConfiguration {NS}>\n{body}\n</SanteDBConfiguration>\n", encoding="utf-8")
    return path


def url_of(path: Path, value: str, **environment: str) -> str:
    write(path, f'<section xsi:type="StoreConfigurationSection" url="{value}"/>')
    return bind_settings(StoreSettings, read_configuration(path, environment=environment)).url


def failure_of(path: Path, value: str, **environment: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        url_of(path, value, **environment)
    return caught.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c.xml"


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("${USER}", "ada"),
        ("db://${USER}@${HOST}/x", "db://ada@box/x"),
        ("${NONE:-fallback}", "fallback"),
        ("${EMPTY:-fallback}", "fallback"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("${USER:-other}", "ada"),
        ("${NONE:-a:-b}", "a:-b"),
        ("$${USER}", "${USER}"),
        ("$$409 $USER {USER}", "$$409 $USER {USER}"),
        ("&#36;{USER}", "ada"),
        ("${NESTED}", "${USER}"),
    ],
)
def test_references_are_replaced_once(file: Path, value: str, result: str) -> None:
    assert url_of(file, value, USER="ada", HOST="box", EMPTY="", NESTED="${USER}") == result


def test_a_file_is_found_from_the_folder_of_the_configuration_and_loses_its_last_line_break(file: Path) -> None:
    (file.parent / "secret").write_bytes(b" two\nlines \r\n")
    assert url_of(file, "a${file:secret}b") == "a two\nlines b"
    assert url_of(file, f"${{file:{file.parent}/secret}}") == " two\nlines "


def test_a_file_is_found_from_the_folder_of_an_included_file(file: Path) -> None:
    (file.parent / "sub").mkdir()
    (file.parent / "sub" / "secret").write_text("deep")
    write(file.parent / "sub" / "p.xml", '<section xsi:type="StoreConfigurationSection" url="${file:secret}"/>')
    config = read_configuration(write(file, "<include>${DIR}/p.xml</include>"), environment={"DIR": "sub"})
    assert bind_settings(StoreSettings, config).url == "deep"


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("${NONE}", "environment variable NONE is not set", "set it, or write ${NONE:-default}"),
        ("${file:gone}", "gone is not a file", "relative paths start at the folder of this configuration file"),
        ("${file:.}", "is not a file", "relative paths"),
        ("${1}", "'${1}' is no reference; expected ${NAME}, ${NAME:-default} or ${file:PATH}", "write $${"),
        ("${", "'${' is no reference", "write $${ for a literal ${"),
        ("${BAD}", "has characters that XML cannot hold", None),
        ("${file:big}", "is larger than 65,536 bytes", "a value from a file is short text"),
        ("${file:binary}", "is not UTF-8 text", None),
    ],
)
def test_a_reference_without_value_is_told_with_its_place(
    file: Path, value: str, message: str, hint: str | None
) -> None:
    (file.parent / "big").write_bytes(b"x" * 65_537)
    (file.parent / "binary").write_bytes(b"\xff\xfe")
    (problem,) = failure_of(file, value, BAD="\x01").problems
    assert problem.where == f"{file}:2"
    assert problem.message.startswith("attribute 'url' of <section>: ")
    assert message in problem.message
    assert (hint is None) == (problem.hint is None)
    assert (hint or "") in (problem.hint or "")


def test_all_references_without_value_are_told_and_their_values_are_not_judged(file: Path) -> None:
    write(file, '<section xsi:type="StoreConfigurationSection" url="${A}${B}" connections="${C}"/>')
    with pytest.raises(ConfigurationError) as caught:
        bind_settings(StoreSettings, read_configuration(file, environment={}))
    assert [problem.message.split()[-4] for problem in caught.value.problems] == ["A", "B", "C"]


def test_a_section_that_nobody_reads_may_have_references_without_value(file: Path) -> None:
    write(file, '<section xsi:type="Other" pattern="^${2}$"/>')
    assert read_configuration(file, environment={}).unknown_sections[0].name == "Other"


def test_references_work_in_known_sections_and_their_texts(file: Path) -> None:
    rows = '<add type="${T}" startType="${S}"><parameters><string>${T}</string><int>${N}</int></parameters></add>'
    write(file, f'<section xsi:type="JobConfigurationSection"><jobs>{rows}</jobs></section>')
    config = read_configuration(file, environment={"T": "a.b:C", "S": "never", "N": "7"})
    (job,) = bind_settings(JobConfiguration, config).jobs
    assert (job.job_type, job.parameters) == ("a.b:C", ("a.b:C", 7))


def test_an_unset_reference_in_a_known_section_is_told_when_the_file_is_read(file: Path) -> None:
    write(
        file, '<section xsi:type="JobConfigurationSection"><jobs>\n<add type="${T}" startType="${S}"/></jobs></section>'
    )
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(file, environment={})
    assert [problem.where for problem in caught.value.problems] == [f"{file}:3"] * 2
    assert all("is not set" in problem.message for problem in caught.value.problems)


def test_values_from_references_are_never_shown(file: Path) -> None:
    (file.parent / "secret").write_text(CANARY + "\n")
    environment = {"SECRET": CANARY}
    body = '<section xsi:type="StoreConfigurationSection" connections="{}"/>'
    for value in ("${SECRET}", "${file:secret}", "x${SECRET}x"):
        write(file, body.format(value))
        with pytest.raises(ConfigurationError) as caught:
            bind_settings(StoreSettings, read_configuration(file, environment=environment))
        assert "expected a whole number, not " + HIDDEN in str(caught.value)
        assert CANARY not in str(caught.value)
    row = '<add type="a:B" startType="${SECRET}"><schedule><add days="Monday ${SECRET}"/></schedule></add>'
    write(file, f'<section xsi:type="JobConfigurationSection"><jobs>{row}</jobs></section>')
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(file, environment=environment)
    assert len(caught.value.problems) == 2
    assert CANARY not in str(caught.value)
    write(
        file,
        f'<section xsi:type="JobConfigurationSection"><jobs>{row}</jobs></section>'.replace("${SECRET}", "never", 1),
    )
    with pytest.raises(ConfigurationError, match="days"):
        read_configuration(file, environment={"SECRET": "7"})


def test_a_short_secret_is_hidden_where_it_is_quoted() -> None:
    assert redact("expected 'a', not 'b' or b", ["b"]) == f"expected 'a', not {HIDDEN} or b"
    assert redact("xhunter2-canaryx", [CANARY]) == f"x{HIDDEN}x"
