"""Numbers of things read as a person would write them."""

from __future__ import annotations

from host.model.counts import counted


def test_one_thing_is_named_alone_and_several_are_not() -> None:
    assert counted(1, "run") == "1 run"
    assert counted(0, "run") == "0 runs"
    assert counted(3, "fire time") == "3 fire times"


def test_what_follows_agrees_with_the_number() -> None:
    assert counted(1, "outcome", ("waits", "wait")) == "1 outcome waits"
    assert counted(2, "outcome", ("waits", "wait")) == "2 outcomes wait"
