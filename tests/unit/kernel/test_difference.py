"""What two configurations differ in is told by what an operator wrote, and never with a secret."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from host.contracts.host import ConfigurationChange
from host.contracts.jobs import Job, JobContext
from host.kernel.catalogue import Catalogue
from host.kernel.config import read_configuration
from host.kernel.difference import differences
from host.model.jobs import JobParameter
from host.testing.host import catalogue_with

ROOT = '<SanteDBConfiguration xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
CANARY = "hunter2-canary"


class Sending(Job):
    """Takes a secret."""

    aliases = ("Acme.Sending, Acme",)
    parameters = (JobParameter("days", int, required=False), JobParameter("word", str, required=False, secret=True))

    async def run(self, context: JobContext) -> None:
        return None


SENDING = f"{Sending.__module__}:Sending"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return catalogue_with([Sending])


class Desk:
    """Two configurations, one after the other."""

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self.folder = folder
        self.catalogue = catalogue

    def changes(self, before: str, after: str, **environment: str) -> Sequence[ConfigurationChange]:
        configs = []
        for number, body in enumerate((before, after)):
            path = self.folder / "c.xml"
            path.write_text(f"{ROOT}\n{body}\n</SanteDBConfiguration>")
            known = {**environment, "WORD": f"{CANARY}-{number}"}
            configs.append(read_configuration(path, environment=known))
        return differences(configs[0], configs[1], self.catalogue)

    def told(self, before: str, after: str) -> list[tuple[str, str, str | None, str | None]]:
        return [(each.what, each.name, each.before, each.after) for each in self.changes(before, after)]


@pytest.fixture
def desk(tmp_path: Path, catalogue: Catalogue) -> Desk:
    return Desk(tmp_path, catalogue)


def providers(*types: str, rest: str = "") -> str:
    rows = "".join(f'\n<add type="{kind}"/>' for kind in types)
    inner = f"<serviceProviders>{rows}</serviceProviders>{rest}"
    return f'<section xsi:type="ApplicationServiceContextConfigurationSection">{inner}</section>'


def jobs(*rows: str) -> str:
    return f'<section xsi:type="JobConfigurationSection"><jobs>{"".join(rows)}</jobs></section>'


def job(start: str = "never", inner: str = "", name: str = SENDING) -> str:
    return f'<add type="{name}" startType="{start}">{inner}</add>'


def test_equal_configurations_differ_in_nothing_wherever_their_lines_stand(desk: Desk) -> None:
    text = providers("a:A", "b:B") + '<section xsi:type="XSection" b="${WORD:-x}" a="1"/>' + jobs(job())
    same = "<!-- moved -->\n\n" + providers("a:A", "b:B") + '\n<section xsi:type="XSection" a="1" b="${WORD:-x}"/>'

    assert desk.told(text.replace("${WORD:-x}", "x"), (same + jobs(job())).replace("${WORD:-x}", "x")) == []


def test_providers_that_come_go_and_change_places_are_named(desk: Desk) -> None:
    changes = desk.changes(providers("a:A", "b:B", "c:C"), providers("c:C", "d:D", "a:A"))

    assert [(each.name, each.before, each.after) for each in changes] == [
        ("c:C", "place 2", "place 1"),
        ("d:D", None, "listed"),
        ("a:A", "place 1", "place 2"),
        ("b:B", "listed", None),
    ]
    assert [(each.where or "-").rpartition("/")[2] for each in changes] == ["c.xml:3", "c.xml:4", "c.xml:5", "-"]


def test_attributes_of_sections_are_told_one_by_one_with_their_line(desk: Desk) -> None:
    before = '<section xsi:type="XSection" a="1" b="2"><list><add v="x"/><add v="y"/></list></section>'
    after = '<section xsi:type="XSection" a="5" c="3"><list><add v="x"/><add v="z"/>more</list></section>'

    assert desk.told(before, after) == [
        ("section", "XSection a", "1", "5"),
        ("section", "XSection c", None, "3"),
        ("section", "XSection list/add[2] v", "y", "z"),
        ("section", "XSection b", "2", None),
    ]
    assert desk.changes(before, after)[0].where == f"{desk.folder}/c.xml:2"


def test_sections_that_come_and_go_are_told_whole(desk: Desk) -> None:
    before = '<section xsi:type="GoneSection" a="1"/>\n<section xsi:type="XSection" name="one"/>'
    after = '<section xsi:type="NewSection" a="1" b="two words"/>\n<section xsi:type="XSection" name="two"/>'

    assert desk.told(before, after) == [
        ("section", "NewSection", None, "a=1, b=two words"),
        ("section", "XSection name=two", None, "name=two"),
        ("section", "GoneSection", "a=1", None),
        ("section", "XSection name=one", "name=one", None),
    ]


def test_application_settings_are_part_of_their_section(desk: Desk) -> None:
    before, after = (f'<appSettings><add key="k" value="{value}"/></appSettings>' for value in "12")

    assert desk.told(providers("a:A", rest=before), providers("a:A", rest=after)) == [
        ("section", "ApplicationServiceContextConfigurationSection appSettings/add value", "1", "2")
    ]


def test_a_section_that_moves_to_another_folder_says_so_because_of_its_relative_paths(desk: Desk) -> None:
    (desk.folder / "sub").mkdir()
    section = '<section xsi:type="XSection" path="x"/>'
    (desk.folder / "sub" / "p.xml").write_text(f"{ROOT}{section}</SanteDBConfiguration>")

    told = desk.told(section, "<include>sub/p.xml</include>")
    assert told == [
        ("section", "XSection (folder of relative paths)", str(desk.folder), str(desk.folder / "sub")),
    ]


def test_jobs_are_told_by_what_they_do(desk: Desk) -> None:
    hourly = '<schedule><add type="interval" interval="3600" start="0001-01-01T00:00:00"/></schedule>'
    daily = '<schedule><add type="scheduled" days="Monday" start="0001-01-01T03:00:00"/></schedule>'
    before = jobs(job("never", hourly + "<parameters><int>1</int></parameters>"))
    after = jobs(job("delay", daily + "<parameters><int>2</int></parameters>", name="Acme.Sending, Acme"))

    told = {name: (was, now) for _, name, was, now in desk.told(before, after)}
    assert told[f"{SENDING} startType"] == ("never", "delay")
    assert told[f"{SENDING} parameters"] == ("1", "2")
    was, now = told[f"{SENDING} schedule"]
    assert was.startswith("every hour")
    assert now.startswith("at 03:00 on Monday, UTC")
    assert set(told) == {f"{SENDING} startType", f"{SENDING} parameters", f"{SENDING} schedule"}


def test_a_job_that_goes_is_told_after_one_that_comes(desk: Desk) -> None:
    assert desk.told(jobs(job(name="x:Old")), jobs(job("immediate", name="x:New"))) == [
        ("job", "x:New", None, "startType immediate"),
        ("job", "x:Old", "startType never", None),
    ]


def test_what_stands_first_are_providers_then_sections_then_jobs(desk: Desk) -> None:
    before = jobs(job()) + '<section xsi:type="XSection" a="1"/>' + providers("a:A")
    after = jobs(job("delay")) + '<section xsi:type="XSection" a="2"/>' + providers("b:B")

    assert [each.what for each in desk.changes(before, after)] == ["provider", "provider", "section", "job"]


@pytest.mark.parametrize(
    "section",
    [
        '<section xsi:type="XSection" address="${WORD}"/>',
        '<section xsi:type="XSection" url="db://user:${WORD}@box/x"/>',
        '<section xsi:type="XSection"><list><add v="${WORD}"/></list></section>',
        '<section xsi:type="XSection"><where>${WORD}</where></section>',
        '<section xsi:type="XSection" password="hunter2-canary-N"/>',
        '<section xsi:type="XSection" clientSecret="hunter2-canary-N"/>',
        '<section xsi:type="XSection"><secret><value>hunter2-canary-N</value></secret></section>',
        '<section xsi:type="XSection"><add key="smtp.password" value="hunter2-canary-N"/></section>',
        '<section xsi:type="XSection" db="server=box;Password=hunter2-canary-N"/>',
        '<section xsi:type="XSection" db="postgres://ada:hunter2-canary-N@box/x"/>',
        jobs(job(inner="<parameters><int>1</int><string>hunter2-canary-N</string></parameters>")),
        jobs(job(inner="<parameters><int>1</int><string>${WORD}</string></parameters>", name="x:Unknown")),
    ],
)
def test_a_secret_is_hidden_where_it_changes_comes_and_goes(desk: Desk, section: str) -> None:
    before, after = section.replace("canary-N", "canary-8"), section.replace("canary-N", "canary-9")
    changed = desk.changes(before, after)
    come, gone = desk.changes("", after), desk.changes(before, "")

    assert changed
    assert come
    assert gone
    assert CANARY not in repr((changed, come, gone))
    assert "(hidden)" in str(changed[0].before)
    assert "(hidden)" in str(changed[0].after)


def test_what_was_a_literal_and_becomes_a_reference_to_the_same_secret_is_hidden(desk: Desk) -> None:
    before = f'<section xsi:type="XSection" line="at {CANARY}-1" a="1"/>'
    told = desk.told(before, '<section xsi:type="XSection" line="at ${WORD} now" a="2"/>')

    assert told == [
        ("section", "XSection line", "(hidden)", "(hidden)"),
        ("section", "XSection a", "1", "2"),
    ]


def test_a_default_of_a_reference_is_no_secret_and_long_values_are_cut(desk: Desk) -> None:
    told = desk.told(
        '<section xsi:type="XSection" a="${NONE:-plain}"/>', f'<section xsi:type="XSection" a="{"x" * 5000}"/>'
    )

    assert told[0][2] == "plain"
    assert told[0][3] == "x" * 200 + "…"
