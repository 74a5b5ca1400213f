"""Configuration files that cannot be read: both commands say where and why, and nothing is done."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.acceptance.bad_input_desk import check_and_serve, command, configuration, refused

pytestmark = pytest.mark.slow
GOOD = configuration('<section xsi:type="DataDirectoryConfigurationSection" path="data" />')
LAUGHS = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))

FAULTS: dict[str, tuple[bytes, int, str]] = {
    "malformed": (configuration("<section>\n<b></section>").encode(), 3, "tag mismatch: b line 3 and section"),
    "truncated": (GOOD.encode()[:-30], 2, "not well-formed XML"),
    "empty": (b"", 1, "Document is empty"),
    "latin-1 called UTF-8": (configuration("<!-- caf\xe9 -->").encode("latin-1"), 2, "Invalid bytes in character"),
    "unknown encoding": (b'<?xml version="1.0" encoding="klingon"?>\n' + GOOD.encode(), 1, "encoding: klingon"),
    "UTF-8 called UTF-16": (b'<?xml version="1.0" encoding="utf-16"?>\n' + GOOD.encode(), 1, "not well-formed XML"),
    "zero byte": (GOOD.replace("data", "da\0ta").encode(), 2, "invalid character"),
    "compressed": (gzip.compress(GOOD.encode()), 1, "Start tag expected"),
    "too deep": (configuration("<a>" * 300 + "</a>" * 300).encode(), 2, "Excessive depth in document: 256"),
    "huge attribute": (configuration(f'<section xsi:type="{"x" * 11_000_000}"/>').encode(), 2, "limit exceeded"),
    "entity": (
        b'<!DOCTYPE a [<!ENTITY x "y">]>\n' + GOOD.replace('"data"', '"&x;"').encode(),
        1,
        "a DOCTYPE is not allowed (remove it; entities are never used)",
    ),
    "external entity": (
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "canary">]>\n' + configuration("&x;").encode(),
        3,
        "Entity 'x' not defined",
    ),
    "external document type": (
        b'<!DOCTYPE a SYSTEM "canary">\n' + GOOD.encode(),
        1,
        "a DOCTYPE is not allowed (remove it; entities are never used)",
    ),
    "billion laughs": (
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + LAUGHS.encode() + b"]>\n" + configuration("&j;").encode(),
        1,
        "amplification factor exceeded",
    ),
    "XInclude": (
        configuration('<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="canary" parse="text"/>').encode(),
        2,
        "<include> is in the wrong namespace (the root's is http://santedb.org/configuration)",
    ),
    "includes itself": (
        configuration("<include>host.config.xml</include>").encode(),
        2,
        "the main file, includes itself here (remove one of the includes)",
    ),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "canary").write_text("hunter2-canary")
    return tmp_path / "host.config.xml"


@pytest.mark.parametrize("fault", FAULTS)
def test_an_unreadable_configuration_is_refused_at_its_line_by_check_and_serve(config: Path, fault: str) -> None:
    data, line, words = FAULTS[fault]
    config.write_bytes(data)

    for said in check_and_serve(config):
        assert f"host.config.xml:{line}: " in said
        assert words in said
        assert "hunter2-canary" not in said
    assert config.read_bytes() == data
    assert not (config.parent / "data").exists()


def test_an_enormous_configuration_is_refused_by_its_size(config: Path) -> None:
    with config.open("wb") as sparse:
        sparse.truncate(200 * 1024 * 1024)

    for said in check_and_serve(config):
        assert (
            "host.config.xml: the file has 209,715,200 bytes; at most 33,554,432 are read (split it by <include>)"
            in said
        )


def test_files_that_include_each_other_are_refused_where_the_circle_closes(config: Path) -> None:
    config.write_text(configuration("<include>a.xml</include>"))
    (config.parent / "a.xml").write_text(configuration("\n<include>b.xml</include>"))
    (config.parent / "b.xml").write_text(configuration("\n\n<include>a.xml</include>"))

    for said in check_and_serve(config):
        assert "b.xml:4: a.xml, which is included at host.config.xml:2, includes itself here" in said


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("check", "serve"):
        said = refused(command(name, "--config", "none.xml", cwd=tmp_path), 2)
        assert "none.xml" in said
        assert "does not exist" in said


def test_what_is_no_file_is_refused_without_reading(tmp_path: Path) -> None:
    (tmp_path / "host.config.xml").mkdir()
    for name in ("check", "serve"):
        said = refused(command(name, "--config", "host.config.xml", cwd=tmp_path), 2)
        assert "host.config.xml" in said
        assert "not a regular file" in said or "is a directory" in said
