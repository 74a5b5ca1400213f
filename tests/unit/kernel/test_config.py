"""Reading configurations that are right."""

import shutil
import time
from pathlib import Path

import pytest

from host.kernel.config import HostConfig, bind_settings, describe_unknown, read_configuration
from host.model.jobs import JobStartType
from host.model.schedules import ScheduleKind, Weekday
from host.santedb.jobs import JobConfiguration
from host.santedb.types import JOB_MANAGER, normalise_type

FIXTURES = Path(__file__).parents[2] / "fixtures" / "santedb"
REAL = sorted(path for path in FIXTURES.rglob("*.xml") if b"<SanteDBConfiguration" in path.read_bytes())
NS = 'xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def write(path: Path, body: str, attributes: str = NS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<SanteDBConfiguration {attributes}>\n{body}\n</SanteDBConfiguration>\n", encoding="utf-8")
    return path


def read(path: Path, **environment: str) -> HostConfig:
    return read_configuration(path, environment=environment)


def providers(*types: str) -> str:
    rows = "\n".join(f'<add type="{name}"/>' for name in types)
    return (
        '<section xsi:type="ApplicationServiceContextConfigurationSection">\n'
        f"<serviceProviders>\n{rows}\n</serviceProviders>\n</section>"
    )


def jobs(rows: str) -> str:
    return f'<section xsi:type="JobConfigurationSection"><jobs>\n{rows}\n</jobs></section>'


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    shutil.copytree(FIXTURES / "docker" / "config", tmp_path / "config")
    return Path(shutil.copy(FIXTURES / "generated" / "santedb.config.sample.xml", tmp_path))


def test_all_fixtures_are_found() -> None:
    assert len(REAL) == 9


@pytest.mark.parametrize("path", [path for path in REAL if "generated" not in path.parts], ids=lambda path: path.name)
def test_real_santedb_files_are_read(path: Path) -> None:
    config = read(path)
    assert config.sections
    bind_settings(JobConfiguration, config)


def test_real_main_file_gives_its_includes_rows_and_unknown_sections() -> None:
    path = FIXTURES / "docker" / "santedb.config.xml"
    config = read(path)
    assert [row.type for row in config.providers] == ["SanteDB.Rest.Common.RestServiceFactory, SanteDB.Rest.Common"]
    assert config.providers[0].where == f"{path}:45"
    assert [file.name for file in config.files] == [
        "santedb.config.xml",
        "santedb.audit_accountability.config.xml",
        "santedb.rest.config.xml",
        "santedb.applets.config.xml",
        "santedb.jobs.config.xml",
    ]
    assert [section.name for section in config.unknown_sections] == [
        "OrmConfigurationSection",
        "FileSystemDispatcherQueueConfigurationSection",
        "AuditAccountabilityConfigurationSection",
        "RestConfigurationSection",
        "AppletConfigurationSection",
    ]
    assert config.unknown_sections[0].where == f"{path}:31"
    assert not config.warnings


def test_generated_sample_gives_jobs_settings_and_instance(sample: Path) -> None:
    config = read(sample)
    assert config.instance_name == "santedb"
    assert dict(config.app_settings) == {"k": "v"}
    assert [row.type for row in config.providers] == [JOB_MANAGER]
    assert [warning.where for warning in config.warnings] == [f"{sample.parent}/config/santedb.jobs.config.xml:22"]
    (job,) = bind_settings(JobConfiguration, config).jobs
    assert job.job_type == "My.Job, My"
    assert job.start_type is JobStartType.SCHEDULE
    assert job.parameters == (5, "abc", True)
    assert job.where == f"{sample}:17"
    (schedule,) = job.schedules
    assert schedule.kind is ScheduleKind.CALENDAR
    assert schedule.days == (Weekday.MONDAY, Weekday.TUESDAY)


def test_a_job_without_start_type_is_immediate_and_may_have_our_schedules(tmp_path: Path) -> None:
    row = '<add type=" a.b:C "><parameters/><schedule><jh:add type="cron" expression="0 3 * * *"/></schedule></add>'
    path = write(tmp_path / "c.xml", jobs(row), NS + ' xmlns:jh="urn:jobhost:xcron:1"')
    (job,) = bind_settings(JobConfiguration, read(path)).jobs
    assert (job.job_type, job.start_type, job.parameters) == ("a.b:C", JobStartType.IMMEDIATE, ())
    assert job.schedules[0].expression == "0 3 * * *"


def test_without_a_job_section_there_are_no_jobs(tmp_path: Path) -> None:
    assert bind_settings(JobConfiguration, read(write(tmp_path / "c.xml", ""))).jobs == ()


def test_rows_keep_file_order_and_lose_version_parts(tmp_path: Path) -> None:
    path = write(tmp_path / "c.xml", providers("b:B", "A.B,Asm, Version=1.0.0.0, Culture=neutral", "a:A"))
    rows = read(path).providers
    assert [row.type for row in rows] == ["b:B", "A.B, Asm", "a:A"]
    assert [row.where for row in rows] == [f"{path}:4", f"{path}:5", f"{path}:6"]


def test_a_repeated_row_is_a_warning_unless_it_has_another_name(tmp_path: Path) -> None:
    path = write(tmp_path / "c.xml", providers("a:A", "a:A", 'a:A" name="second'))
    config = read(path)
    assert [(row.type, row.name) for row in config.providers] == [("a:A", None), ("a:A", "second")]
    assert [warning.where for warning in config.warnings] == [f"{path}:5"]
    assert f"{path}:4" in config.warnings[0].message


def test_included_sections_follow_and_the_first_of_a_type_is_in_force(tmp_path: Path) -> None:
    part = write(tmp_path / "parts" / "p.xml", providers("b:B") + '\n<section xsi:type="z:XSection" a="1"/>')
    path = write(tmp_path / "c.xml", "<include>parts\\p.xml</include>" + providers("a:A"))
    config = read(path)
    assert [row.type for row in config.providers] == ["a:A"]
    assert config.sections["XSection"].where == f"{part}:7"
    assert [warning.where for warning in config.warnings] == [f"{part}:2"]


def test_includes_are_looked_for_beside_their_file_and_then_beside_the_main_file(tmp_path: Path) -> None:
    write(tmp_path / "sub" / "near.xml", '<section xsi:type="Near"/>')
    write(tmp_path / "far.xml", '<section xsi:type="Far"/>')
    write(tmp_path / "sub" / "p.xml", "<include>near.xml</include><include>far.xml</include>")
    config = read(write(tmp_path / "c.xml", "<include>sub/p.xml</include>"))
    assert list(config.sections) == ["Near", "Far"]
    assert config.files == tuple(tmp_path / name for name in ("c.xml", "sub/p.xml", "sub/near.xml", "far.xml"))


def test_a_file_included_twice_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "p.xml", '<section xsi:type="P"/>')
    path = write(tmp_path / "c.xml", "<include>p.xml</include>\n<include>./p.xml</include>")
    config = read(path)
    assert [section.name for section in config.unknown_sections] == ["P"]
    assert [warning.where for warning in config.warnings] == [f"{path}:3"]


def test_a_byte_order_mark_and_utf16_are_read(tmp_path: Path) -> None:
    text = write(tmp_path / "c.xml", providers("a:A")).read_text()
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "c.xml").write_bytes(f'<?xml version="1.0"?>\n{text}'.encode(encoding))
        assert read(tmp_path / "c.xml").providers[0].type == "a:A"


def test_empty_app_settings_are_warnings_and_the_first_of_a_key_holds(tmp_path: Path) -> None:
    rows = '<add key="k" value="1"/>\n<add key="k" value="2"/>\n<add value="3"/>\n<add key="e"/>'
    body = f'<section xsi:type="ApplicationServiceContextConfigurationSection"><appSettings>\n{rows}'
    path = write(tmp_path / "c.xml", body + "</appSettings></section>")
    config = read(path)
    assert dict(config.app_settings) == {"k": "1", "e": ""}
    assert [warning.where for warning in config.warnings] == [f"{path}:5", f"{path}:6"]


def test_unknown_sections_are_described_unless_somebody_binds_them(tmp_path: Path) -> None:
    names = ("OrmConfigurationSection", "PannelSection", "RestSection")
    path = write(tmp_path / "c.xml", "\n".join(f'<section xsi:type="{name}"/>' for name in names))
    orm, panel = describe_unknown(read(path), {"PanelSection", "RestSection"})
    assert str(orm) == f"{path}:2: section OrmConfigurationSection (SanteDB's database providers) has no meaning here"
    assert panel.where == f"{path}:3"
    assert panel.hint == "did you mean 'PanelSection'?"


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        (" host.x:Y ", "host.x:Y"),
        ("A.B,Asm", "A.B, Asm"),
        ("A.B , Asm, Version=2.0.0.0, Culture=neutral, PublicKeyToken=null", "A.B, Asm"),
        ("M`1[[P.Q, R, Version=1.0]], S, Version=1.0", "M`1[[P.Q, R]], S"),
    ],
)
def test_type_names_are_compared_without_version_parts(written: str, compared: str) -> None:
    assert normalise_type(written) == compared
    assert normalise_type(compared) == compared


@pytest.mark.slow
def test_ten_thousand_jobs_are_read_checked_and_bound_in_a_time_that_does_not_explode(tmp_path: Path) -> None:
    schedule = '<schedule><add days="Monday" start="2026-01-26T23:00:00"/></schedule>'
    row = f'<add type="m{{0}}:J{{0}}" startType="schedule">\n{schedule}</add>'
    path = write(tmp_path / "c.xml", jobs("\n".join(row.format(number) for number in range(10_000))))
    before = time.process_time()
    configured = bind_settings(JobConfiguration, read(path)).jobs
    assert time.process_time() - before < 5  # about 0.14 s on an idle core, and minutes if anything were quadratic
    assert len(configured) == 10_000
    assert configured[-1].where == f"{path}:{3 + 2 * 9_999}"
