"""Our tracebacks read like Python's own."""

from __future__ import annotations

import gc
import traceback
import weakref

import pytest

from host.engine.tracebacks import MAX_FRAMES, format_error


class Thing:
    """Something that must not be kept alive."""


def fail() -> None:
    raise ValueError("a\nb")


def fail_from() -> None:
    try:
        fail()
    except ValueError as error:
        raise KeyError("k") from error


def fail_within() -> None:
    try:
        fail_from()
    except KeyError:
        raise OSError(2, "gone") from None


def fail_while() -> None:
    try:
        fail_from()
    except KeyError:
        fail()


def fail_as_a_group() -> None:
    raise ExceptionGroup("both", [ValueError(1), TypeError(2)])


def fail_with_a_note() -> None:
    error = ValueError("x")
    error.add_note("look there")
    raise error


def fail_to_compile() -> None:
    compile("1 +", "made up", "exec")


class OwnError(Exception):
    """Of a module of its own."""


class MuteError(Exception):
    """Cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError


def fail_in_its_own_way() -> None:
    raise OwnError


def fail_mutely() -> None:
    raise MuteError


def fail_by_a_name() -> None:
    return undefined_name  # type: ignore[name-defined]  # noqa: F821  # the point of it


FAILURES = [
    fail_in_its_own_way,
    fail_mutely,
    fail_by_a_name,
    fail,
    fail_from,
    fail_within,
    fail_while,
    fail_as_a_group,
    fail_with_a_note,
    fail_to_compile,
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_it_reads_like_pythons_own(failure: object) -> None:
    assert callable(failure)
    for _ in range(2):
        with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever the failure raises
            failure()
        assert format_error(caught.value) == "".join(traceback.format_exception(caught.value))


def test_an_exception_that_was_never_raised_is_one_line() -> None:
    assert format_error(ValueError("x")) == "ValueError: x\n"


def test_a_deep_stack_is_shortened() -> None:
    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        fail()

    try:
        dive(500)
    except ValueError as error:
        text = format_error(error)
    assert text.count("\n  File ") == MAX_FRAMES - 1 + text.startswith("Traceback")
    assert "frames left out" in text
    assert text.endswith("ValueError: a\nb\n")


def test_nothing_of_the_failed_code_is_kept_alive() -> None:
    def hold() -> weakref.ref[Thing]:
        thing = Thing()
        seen = weakref.ref(thing)
        try:
            fail()
        except ValueError as error:
            format_error(error)
        del thing
        return seen

    seen = hold()
    gc.collect()
    assert seen() is None
