"""The catalogue: what plugins offer, and what becomes of those that are broken."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from uuid import UUID

import pytest

from host.contracts.clock import Clock
from host.contracts.functions import job
from host.contracts.jobs import Job, JobContext
from host.errors import PluginError
from host.kernel.catalogue import Catalogue, describe_job, load_catalogue, type_name
from host.model.jobs import JobParameter, OverlapPolicy, ParameterType, RecoveryPolicy, job_id_of
from host.model.runs import JobResult
from host.testing.clock import FakeClock

HEAD = """
from host.contracts.jobs import Job
from host.hookspecs import hookimpl
from host.testing.clock import FakeClock


class One(Job):
    async def run(self, context): ...


class Unfinished(Job):
    pass


"""
SOUND = HEAD + "@hookimpl\ndef host_jobs(): return [One]\n"
BROKEN = {
    "raises at import": ("raise RuntimeError('no library')", "import failed: RuntimeError: no library"),
    "leaves at import": ("import sys; sys.exit(3)", "import failed: SystemExit: 3"),
    "raises in a hook": ("@hookimpl\ndef host_jobs(): raise ValueError('later')", "ValueError: later"),
    "offers an instance": ("@hookimpl\ndef host_jobs(): return [3]", "offers 3, which is no Job class"),
    "offers a class of another kind": ("@hookimpl\ndef host_jobs(): return [FakeClock]", "which is no Job class"),
    "offers an abstract class": ("@hookimpl\ndef host_jobs(): return [Unfinished]", "does not implement run"),
    "offers nothing": ("@hookimpl\ndef host_jobs(): return None", "returned None"),
    "offers no list": ("@hookimpl\ndef host_jobs(): return One", "host_jobs"),
    "fails half way": ("@hookimpl\ndef host_jobs():\n    yield One\n    raise ValueError('half')", "ValueError: half"),
    "implements no such hook": ("@hookimpl\ndef host_rockets(): return []", "host_rockets"),
    "says nonsense of a job": (
        "class Two(One):\n    timeout = 5\n@hookimpl\ndef host_jobs(): return [Two]",
        "timeout is 5; expected a timedelta",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("plugin_under_test")]:
        del sys.modules[name]


def plugin(folder: Path, name: str, text: str) -> EntryPoint:
    module = f"plugin_under_test_{name}"
    (folder / f"{module}.py").write_text(text)
    return EntryPoint(name=name, value=module, group="host.plugins")


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_named_and_offers_nothing_and_the_rest_load(folder: Path, fault: str) -> None:
    text, error = BROKEN[fault]
    points = [plugin(folder, "a", HEAD + text), plugin(folder, "b", SOUND)]

    catalogue = load_catalogue(points)

    broken, sound = catalogue.plugins
    assert broken.name == "a"
    assert error in str(broken.error)
    assert (broken.jobs, broken.providers) == ((), ())
    assert sound.error is None
    assert list(catalogue.jobs) == ["plugin_under_test_b:One"]


def test_two_jobs_with_one_id_are_refused_with_both_names(folder: Path) -> None:
    twin = "class One(Job):\n    id = UUID(int=7)\n    async def run(self, context): ...\n"
    text = HEAD.replace("class Unfinished", f"from uuid import UUID\n{twin}\n\nclass Unfinished")
    text += "@hookimpl\ndef host_jobs(): return [One]\n"
    catalogue = load_catalogue([plugin(folder, "a", text), plugin(folder, "b", text)])

    first, second = catalogue.plugins
    assert first.error is None
    assert "plugin_under_test_b:One claims" in str(second.error)
    assert "belongs to plugin_under_test_a:One" in str(second.error)
    assert list(catalogue.jobs) == ["plugin_under_test_a:One"]


def test_a_plugin_is_taken_whole_or_not_at_all(folder: Path) -> None:
    text = HEAD + "class Two(One):\n    id = 'no uuid'\n@hookimpl\ndef host_jobs(): return [One, Two]\n"
    catalogue = load_catalogue([plugin(folder, "a", text)])

    assert "id is 'no uuid'; expected a UUID" in str(catalogue.plugins[0].error)
    assert catalogue.jobs == {}
    assert catalogue.names == {}


def test_two_plugins_of_one_name_are_both_loaded(folder: Path) -> None:
    first, second = plugin(folder, "a", SOUND), plugin(folder, "b", SOUND)
    same = EntryPoint(name="a", value=second.value, group=second.group)

    assert sorted(load_catalogue([first, same]).jobs) == ["plugin_under_test_a:One", "plugin_under_test_b:One"]


def test_a_provider_is_offered_by_its_type_and_its_aliases_without_versions() -> None:
    class Sundial(FakeClock):
        aliases = ("Some.Clock, Some.Assembly, Version=1.0.0.0",)

    catalogue = Catalogue()
    catalogue.add_provider(Sundial)
    catalogue.add_provider(Sundial)

    assert catalogue.providers == {type_name(Sundial): [Sundial], "Some.Clock, Some.Assembly": [Sundial]}
    assert issubclass(Sundial, Clock)


# What a job says of itself.


class Plain(Job):
    async def run(self, context: JobContext) -> None:
        return None


class Sync(Plain):
    """Does it in a thread.

    And more.
    """

    id = UUID(int=9)
    name = "In a thread"
    aliases = ("Some.Job, Some.Assembly, Version=2.0.0.0",)
    overlap = OverlapPolicy.QUEUE
    recovery = RecoveryPolicy.FAIL
    priority = 4
    max_attempts = 3

    def run(self, context: JobContext) -> None:  # type: ignore[override]
        return None


class SyncChild(Sync):
    id = UUID(int=10)
    aliases = ()


def test_a_job_that_says_nothing_gets_its_class_name_and_an_id_that_follows_from_its_type() -> None:
    info = describe_job(Plain)

    assert (info.name, info.id, info.executor) == ("Plain", job_id_of(type_name(Plain)), "loop")
    assert info.description == ""
    assert info.source is None


def test_a_job_is_described_by_its_attributes() -> None:
    info = describe_job(Sync)

    assert (info.name, info.id, info.executor) == ("In a thread", UUID(int=9), "thread")
    assert info.description == "Does it in a thread."
    assert info.aliases == ("Some.Job, Some.Assembly",)
    assert (info.overlap, info.recovery) == (OverlapPolicy.QUEUE, RecoveryPolicy.FAIL)
    assert (info.priority, info.max_attempts) == (4, 3)


def test_a_job_without_docstring_is_described_by_the_one_it_extends() -> None:
    assert describe_job(SyncChild).description == "Does it in a thread."


@pytest.mark.parametrize(
    "name",
    [
        type_name(Sync),
        "Some.Job, Some.Assembly",
        "Some.Job, Some.Assembly, Version=9.0.0.0, Culture=neutral",
        str(UUID(int=9)),
        str(UUID("0000000000000000000000000000000A")).upper().replace("A", "9"),
    ],
)
def test_a_job_is_found_by_type_alias_and_id(name: str) -> None:
    catalogue = Catalogue()
    catalogue.add_job(Sync)
    catalogue.add_job(Sync)

    assert catalogue.resolve_job(name) == type_name(Sync)
    assert catalogue.resolve_job("nobody") is None


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("id", "6f0cf5a6-90ff-44a5-94a8-5b3f1b1b9c01"),
        ("name", 5),
        ("parameters", "days"),
        ("parameters", ("days",)),
        ("overlap", "skip"),
        ("recovery", "fail"),
        ("timeout", 5),
        ("timeout", timedelta(0)),
        ("timeout", timedelta.max),
        ("priority", 1.5),
        ("priority", 2**31),
        ("priority", -(2**31) - 1),
        ("max_attempts", 0),
        ("max_attempts", 2**31),
        ("max_attempts", True),
        ("executor", Sync),
        ("aliases", "Some.Job"),
    ],
)
def test_a_job_that_says_nonsense_is_refused_by_name(attribute: str, value: object) -> None:
    cls = type("Nonsense", (Plain,), {attribute: value})

    with pytest.raises(PluginError, match=f"Nonsense.*{attribute}"):
        describe_job(cls)


# Functions as jobs.


@job()
async def count_rows(context: JobContext, table: str, limit: int | None = None, tags: list[str] = []) -> JobResult:  # noqa: B006
    """Count the rows of a table.

    Slowly.
    """
    return JobResult(value=[table, limit, tags, context.attempt])


@job(name="Clean", id="6f0cf5a6-90ff-44a5-94a8-5b3f1b1b9c01", max_attempts=2, aliases=["Some.Clean, Some.Assembly"])
def clean_up(days: int = 30) -> None:
    raise LookupError(days)


def test_a_function_becomes_a_job_with_typed_parameters() -> None:
    info = describe_job(count_rows)

    assert (info.name, info.description) == ("Count rows", "Count the rows of a table.")
    assert (info.job_type, info.executor) == (f"{__name__}:count_rows", "loop")
    assert [(each.name, each.type, each.required, each.default) for each in info.parameters] == [
        ("table", ParameterType.STRING, True, None),
        ("limit", ParameterType.INTEGER, False, None),
        ("tags", ParameterType.JSON, False, []),
    ]


@job()
def tidy(context, folder="."):  # type: ignore[no-untyped-def]  # as it is written in a hurry
    """Tidy a folder."""
    return JobResult(value=[folder, context.attempt])


def test_a_first_parameter_named_context_needs_no_annotation() -> None:
    (folder,) = describe_job(tidy).parameters

    assert (folder.name, folder.type, folder.required) == ("folder", ParameterType.JSON, False)


def test_a_context_annotated_as_something_else_is_a_parameter() -> None:
    @job()
    def explain(context: dict[str, str]) -> None:
        """Explain."""

    assert [each.name for each in describe_job(explain).parameters] == ["context"]


def test_a_context_in_a_wrong_place_is_refused_at_import() -> None:
    def last(folder: str, context: JobContext) -> None: ...
    def unannotated(folder, context): ...  # type: ignore[no-untyped-def]
    def by_name(*, context: JobContext) -> None: ...
    def two(context: JobContext, other: JobContext) -> None: ...

    for function in (last, unannotated, by_name, two):
        with pytest.raises(TypeError, match="must be the first parameter, by position: it is the context"):
            job()(function)


def test_an_annotation_that_is_not_there_at_run_time_is_refused_with_a_hint() -> None:
    def tidy_up(context: NotImported) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(TypeError, match="'NotImported' is not defined; import annotations at run time, too"):
        job()(tidy_up)


def test_a_functions_decorator_says_what_a_class_would() -> None:
    info = describe_job(clean_up)

    assert (info.name, info.executor, info.max_attempts) == ("Clean", "thread", 2)
    assert str(info.id) == "6f0cf5a6-90ff-44a5-94a8-5b3f1b1b9c01"
    assert info.aliases == ("Some.Clean, Some.Assembly",)
    assert info.parameters == (JobParameter("days", int, default=30),)


def test_one_decorator_can_make_several_jobs() -> None:
    decorate = job(priority=5)

    def first() -> None:
        """Do the first."""

    def second(x: int) -> None:
        """Do the second."""

    infos = [describe_job(decorate(function)) for function in (first, second)]

    assert [info.name for info in infos] == ["First", "Second"]
    assert [len(info.parameters) for info in infos] == [0, 1]
    assert {info.priority for info in infos} == {5}


def test_a_function_whose_parameters_cannot_be_named_is_no_job() -> None:
    def many(*rest: int) -> None:
        return None

    def unnamed(x: int, /) -> None:
        return None

    for function in (many, unnamed):
        with pytest.raises(TypeError, match="cannot be given by name"):
            job()(function)
