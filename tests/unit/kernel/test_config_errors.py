"""Configurations that are wrong: every finding with its place, what was expected and a hint."""

import os
import time
from pathlib import Path

import pytest

from host.errors import ConfigurationError, Problem
from host.kernel.config import HostConfig, bind_settings, read_configuration
from host.santedb.jobs import JobConfiguration

NS = 'xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
JH = 'xmlns:jh="urn:jobhost:xcron:1"'


def write(path: Path, body: str, attributes: str = NS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<SanteDBConfiguration {attributes}>\n{body}\n</SanteDBConfiguration>\n", encoding="utf-8")
    return path


def read(path: Path, **environment: str) -> HostConfig:
    return read_configuration(path, environment=environment)


def problems_of(path: Path, **environment: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read(path, **environment)
    assert type(caught.value) is ConfigurationError
    assert caught.value.where == str(path)
    assert all("{http" not in str(problem) and "lxml" not in str(problem) for problem in caught.value.problems)
    return caught.value.problems


def only(path: Path, **environment: str) -> Problem:
    (problem,) = problems_of(path, **environment)
    return problem


def jobs(rows: str) -> str:
    return f'<section xsi:type="JobConfigurationSection"><jobs>\n{rows}\n</jobs></section>'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "santedb.config.xml"


def test_a_missing_file_is_named(file: Path) -> None:
    problem = only(file)
    assert (problem.where, problem.message) == (str(file), "the file does not exist")
    assert "--config" in (problem.hint or "")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_regular_file_is_refused_without_reading(file: Path, make) -> None:
    make(file)
    assert only(file).message == "this is not a regular file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(file: Path) -> None:
    write(file, "").chmod(0)
    assert only(file).message == "cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"", 1, "not well-formed XML: Document is empty"),
        (b"<a>\n<b>\n</a>", 3, "mismatch"),
        (b"<SanteDBConfiguration>\n<section", 2, "not well-formed XML"),
        (b"<a>\x00</a>", 1, "not well-formed XML"),
        (b'<?xml version="1.0" encoding="utf-8"?>\n<a>\n\xff\xfe\xfa</a>', 3, "not well-formed XML"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', 1, "not well-formed XML"),
        (b'<a\nfoo:b="1"/>', 2, "foo"),
        (b"<!DOCTYPE a>\n<a/>", 1, "a DOCTYPE is not allowed"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]>\n<a>&x;</a>', 1, "a DOCTYPE is not allowed"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<a>&x;</a>', 2, "not well-formed XML"),
        (b"\n<a>" * 300 + b"</a>" * 300, 258, "not well-formed XML"),
    ],
)
def test_unreadable_xml_is_refused_with_its_line(file: Path, data: bytes, line: int, words: str) -> None:
    file.write_bytes(data)
    problem = only(file)
    assert problem.where == f"{file}:{line}"
    assert words in problem.message


def test_a_truncated_file_is_refused_at_every_length(file: Path) -> None:
    whole = write(file, jobs('<add type="a:B" startType="never"/>')).read_bytes().strip()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert "not well-formed XML" in only(file).message


def test_an_enormous_file_is_refused_by_its_size_at_once(file: Path) -> None:
    with file.open("wb") as sparse:
        sparse.truncate(20 * 1024**3)
    before = time.process_time()
    problem = only(file)
    assert time.process_time() - before < 2
    assert "21,474,836,480 bytes" in problem.message
    assert problem.hint == "split it by <include>"


def test_another_root_and_another_namespace_are_named(file: Path) -> None:
    file.write_text("\n<configuration/>")
    assert str(only(file)) == f"{file}:2: the root is <configuration>; expected <SanteDBConfiguration>"
    write(file, "", "")
    assert str(only(file)) == (
        f'{file}:1: <SanteDBConfiguration> is in no namespace (write xmlns="http://santedb.org/configuration")'
    )
    write(file, "", 'xmlns="http://santedb.org/config"')
    assert "is in namespace 'http://santedb.org/config'" in only(file).message


def test_everything_wrong_below_the_root_is_told_at_once_in_file_order(file: Path) -> None:
    body = (
        '<sektion/>\n<section/>\n<section type="X"/>\n<section xmlns="" />\n'
        "<include/>\n<include>none.xml</include>\n<serviceProviders/>"
    )
    found = problems_of(write(file, body, NS + ' verson="1"'))
    assert [problem.where for problem in found] == [f"{file}:{line}" for line in range(1, 9)]
    messages = [problem.message for problem in found]
    assert messages[0] == "<SanteDBConfiguration> has no attribute 'verson'; expected 'version'"
    assert "<sektion> is not expected" in messages[1]
    assert found[1].hint == "did you mean 'section'?"
    assert messages[2] == '<section> needs xsi:type="…", the name of the section'
    assert "write xsi:type instead of type" in (found[3].hint or "")
    assert messages[4] == "<section> is in the wrong namespace"
    assert messages[5] == "<include> needs the path of a file as its text"
    assert messages[6] == "include 'none.xml' was not found"
    assert found[6].hint == f"looked in {file.parent}"


def test_problems_of_includes_stand_beside_those_of_the_main_file(file: Path) -> None:
    broken = file.parent / "broken.xml"
    broken.write_text("<a>\n<b></a>")
    other = write(file.parent / "other.xml", "<include>gone.xml</include>")
    found = problems_of(write(file, "<include>broken.xml</include><include>other.xml</include>\n<wrong/>"))
    assert [problem.where for problem in found] == [f"{file}:3", f"{broken}:2", f"{other}:2"]


def test_self_inclusion_and_mutual_inclusion_name_both_lines(file: Path) -> None:
    write(file, "<include>santedb.config.xml</include>")
    problem = only(file)
    assert problem.where == f"{file}:2"
    assert "the main file, includes itself here" in problem.message
    a = write(file.parent / "a.xml", "\n<include>b.xml</include>")
    b = write(file.parent / "b.xml", "\n\n<include>a.xml</include>")
    write(file, "<include>a.xml</include>")
    problem = only(file)
    assert problem.where == f"{b}:4"
    assert problem.message == f"{a}, which is included at {file}:2, includes itself here"
    assert problem.hint == "remove one of the includes"


def test_includes_nest_only_so_deep(file: Path) -> None:
    for number in range(20):
        write(file.parent / f"{number}.xml", f"<include>{number + 1}.xml</include>")
    write(file.parent / "20.xml", "")
    problem = only(write(file, "<include>0.xml</include>"))
    assert problem.where == f"{file.parent}/15.xml:2"
    assert problem.message == "includes are nested more than 16 deep"


def test_everything_wrong_in_known_sections_is_told_in_an_operators_words(file: Path) -> None:
    rows = (
        '<add typ="x" startType="nevr"/>\n'
        '<add type="">\n<schedule>\n<add days="Monday Funday" intervall="5"/>\n<add start="noon" interval="1.5"/>\n'
        "<cron/>\n</schedule>\n<parameters>\n<int>a</int>\n<float/>\n<bool>maybe</bool>\n</parameters>\n<schedule/></add>\n"
        '<job/>\n<add type="z:Z" name="n">text</add>'
    )
    found = problems_of(write(file, jobs(rows)))
    assert [str(problem).removeprefix(f"{file}:") for problem in found] == [
        "3: <add>, attribute 'startType': 'nevr' is none of 'immediate', 'delay', 'schedule', 'never'"
        " (did you mean 'never'?)",
        "3: <add> has no attribute 'typ'; expected 'type', 'startType' (did you mean 'type'?)",
        "3: <add> needs the attribute 'type'"
        ' (a job is <add type="…" startType="…"> with <schedule> and <parameters>)',
        "4: <add>, attribute 'type': must not be empty"
        ' (a job is <add type="…" startType="…"> with <schedule> and <parameters>)',
        "6: <add>, attribute 'days': 'Funday' is none of 'Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday',"
        " 'Friday', 'Saturday' (did you mean 'Sunday'?)",
        "6: <add> has no attribute 'intervall'; expected 'type', 'days', 'start', 'stop', 'interval'"
        " (did you mean 'interval'?)",
        "7: <add>, attribute 'start': expected a date and time, e.g. '2026-01-31T03:00:00' or"
        " '2026-01-31T03:00:00+01:00', not 'noon' (this is SanteDB's <add>; other kinds are written"
        ' <jh:add type="cron" …/>, further attributes jh:…)',
        "7: <add>, attribute 'interval': expected a whole number, not '1.5' (this is SanteDB's <add>; other kinds are"
        ' written <jh:add type="cron" …/>, further attributes jh:…)',
        "8: <cron> is not expected in <schedule>; expected <add>"
        ' (SanteDB\'s kinds are <add>, others <jh:add type="cron" …/>)',
        "11: <int>: expected a whole number, not 'a'",
        "12: <float> is not expected in <parameters>; expected <int>, <string>, <bool>",
        "13: <bool>: expected 'true' or 'false', not 'maybe'",
        "15: <schedule> may stand only once in <add> (put what it holds into the first one)",
        "16: <job> is not expected in <jobs>; expected <add>",
        "17: <add> has no attribute 'name'; expected 'type', 'startType' (a job is <add type=\"…\" startType=\"…\">"
        " with <schedule> and <parameters>)",
        '17: <add> may not hold text (a job is <add type="…" startType="…"> with <schedule> and <parameters>)',
    ]


def test_wrong_values_of_the_application_section_are_told(file: Path) -> None:
    body = (
        '<section xsi:type="ApplicationServiceContextConfigurationSection" threadPoolSize="many"\n'
        'allowUnsignedAssemblies="yes" instancename="x"><serviceProvider/>\n'
        '<serviceProviders><add Type="a:B"/></serviceProviders></section>'
    )
    messages = [problem.message for problem in problems_of(write(file, body))]
    assert len(messages) == 6
    assert any("'threadPoolSize': expected a whole number, not 'many'" in message for message in messages)
    assert any("<serviceProvider> is not expected in <section>" in message for message in messages)
    assert any("<add> has no attribute 'Type'; expected 'type', 'name'" in message for message in messages)


def test_one_bad_element_does_not_hide_the_next(file: Path) -> None:
    found = problems_of(write(file, jobs("\n".join(f"<job{number}/>" for number in range(50)))))
    assert [problem.where for problem in found] == [f"{file}:{line}" for line in range(3, 53)]


def test_a_known_element_in_a_foreign_namespace_is_told(file: Path) -> None:
    problem = only(write(file, jobs('<add xmlns="urn:x" type="a:B"/>')))
    assert (problem.where, problem.message) == (f"{file}:3", "<add> in <jobs> is in the wrong namespace")


def test_a_section_type_is_never_taken_for_a_path(file: Path) -> None:
    (file.parent / "evil.xsd").write_text("<nonsense/>")
    config = read(write(file, f'<section xsi:type="{"../" * 12}{file.parent}/evil"/>'))
    assert len(config.unknown_sections) == 1


def test_an_impossible_path_is_told(file: Path) -> None:
    problem = only(write(file, f"<include>{'x' * 5000}.xml</include>"))
    assert problem.message == "cannot be read: File name too long"


def test_an_include_that_is_missing_is_shown_as_it_is_written(file: Path) -> None:
    problem = only(write(file, "<include>${DIR}/p.xml</include>"), DIR="hunter2-canary")
    assert problem.message == "include '${DIR}/p.xml' was not found"


def test_bad_schedules_of_all_jobs_and_repeated_jobs_are_told_when_bound(file: Path) -> None:
    rows = (
        '<add type="a:B"><schedule><add type="interval"/></schedule></add>\n'
        '<add type="c:D"><schedule><jh:add type="cron" expresion="* * * * *"/></schedule></add>\n'
        '<add type="a:B"/>'
    )
    config = read(write(file, jobs(rows), f"{NS} {JH}"))
    with pytest.raises(ConfigurationError) as caught:
        bind_settings(JobConfiguration, config)
    assert {problem.where for problem in caught.value.problems} == {f"{file}:{line}" for line in (3, 4, 5)}
    assert caught.value.problems[-1].message == f"job 'a:B' is configured already at {file}:3"
    assert str(file) in str(caught.value)
