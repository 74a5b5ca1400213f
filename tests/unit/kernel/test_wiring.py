"""Wiring: constructor annotations and the order of the configuration decide everything."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import pytest

from host.contracts.contract import Contract, Settings
from host.errors import WiringError
from host.kernel.container import Container
from host.kernel.wiring import Row, plan_wiring


class Engine(Contract):
    @abstractmethod
    def name(self) -> str: ...


class Wheel(Contract):
    many = True

    @abstractmethod
    def size(self) -> int: ...


class Radio(Contract):
    @abstractmethod
    def play(self) -> str: ...


class Car(Contract):
    @abstractmethod
    def describe(self) -> str: ...


class Diesel(Engine):
    def name(self) -> str:
        return "diesel"


class Electric(Engine):
    def name(self) -> str:
        return "electric"


class Turbo(Engine):
    def __init__(self, inner: Engine) -> None:
        self._inner = inner

    def name(self) -> str:
        return f"turbo {self._inner.name()}"


class Small(Wheel):
    def size(self) -> int:
        return 1


class Large(Wheel):
    def size(self) -> int:
        return 2


class Paint(Settings):
    section = "PaintSection"
    colour: str = "red"


class Wagon(Car):
    def __init__(self, engine: Engine, wheels: Sequence[Wheel], radio: Radio | None, paint: Paint) -> None:
        self._parts = engine, wheels, radio, paint

    def describe(self) -> str:
        engine, wheels, radio, paint = self._parts
        return f"{engine.name()} {[wheel.size() for wheel in wheels]} {radio} {type(paint).__name__}"


class NeedsUnwirable(Car):
    def __init__(self, speed: int) -> None:
        self.speed = speed

    def describe(self) -> str:
        return ""


class CircularRadio(Radio):
    def __init__(self, car: Car) -> None:
        self._car = car

    def play(self) -> str:
        return ""


class CircularCar(Car):
    def __init__(self, radio: Radio) -> None:
        self._radio = radio

    def describe(self) -> str:
        return ""


class Dynamo(Contract):
    @abstractmethod
    def volts(self) -> int: ...


class DynamoEngine(Engine, Dynamo):
    def name(self) -> str:
        return "with a dynamo"

    def volts(self) -> int:
        return 12


class Speaker(Radio):
    def play(self) -> str:
        return "la"


class EngineRadio(Radio):
    """Plays only with a dynamo, which is one with its engine."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo

    def play(self) -> str:
        return "lala"


class Cassette(Radio):
    """Fits into no car but one that is named beside it."""

    aliases = ("Cars.Set, Cars",)
    companions = (Engine, Radio)

    def play(self) -> str:
        return "rewinding"


class BrokenCar(Car):
    def __init__(self) -> None:
        raise RuntimeError("no fuel")

    def describe(self) -> str:
        return ""


def rows(*classes: type[Contract]) -> list[Row]:
    return [Row(cls, f"x.xml:{line}") for line, cls in enumerate(classes, 1)]


def build(*classes: type[Contract], defaults: dict | None = None) -> Container:
    container = Container(plan_wiring(rows(*classes), defaults or {}, [Car]), lambda cls, name: cls())
    container.build()
    return container


def problems(*classes: type[Contract], defaults: dict | None = None) -> str:
    with pytest.raises(WiringError) as caught:
        build(*classes, defaults=defaults)
    return str(caught.value)


def test_annotations_decide_who_gets_whom() -> None:
    car = build(Wagon, Diesel, Large, Small).get(Car)

    assert car.describe() == "diesel [2, 1] None Paint"


def test_a_provider_that_needs_its_own_contract_wraps_the_one_before_it() -> None:
    assert build(Diesel, Turbo, Wagon).get(Car).describe().startswith("turbo diesel")


def test_a_decorator_without_anything_before_it_is_refused() -> None:
    assert "wraps Engine, and no provider before it" in problems(Turbo, Wagon)


def test_two_providers_where_neither_wraps_the_other_are_refused_with_both_lines() -> None:
    text = problems(Diesel, Electric, Wagon)

    assert "x.xml:1" in text
    assert "x.xml:2" in text


def test_a_missing_contract_is_filled_by_the_one_default() -> None:
    container = build(Wagon, defaults={Engine: [Electric]})

    assert container.get(Car).describe().startswith("electric")


def test_what_is_only_wished_for_comes_by_default() -> None:
    plan = plan_wiring([Row(Wagon, "a"), Row(Diesel, "b")], {Radio: [Speaker]}, [])
    assert plan.providers[Radio].cls is Speaker


def test_what_is_only_wished_for_brings_no_second_provider_along() -> None:
    defaults: dict[type[Contract], list[type[Contract]]] = {Radio: [EngineRadio], Dynamo: [DynamoEngine]}
    plan = plan_wiring([Row(Wagon, "a"), Row(Diesel, "b")], defaults, [])
    assert Radio not in plan.providers
    assert plan.providers[Engine].cls is Diesel
    alone = plan_wiring([Row(Wagon, "a")], {**defaults, Engine: [DynamoEngine]}, [])
    assert alone.providers[Radio].cls is EngineRadio
    assert alone.providers[Dynamo] is alone.providers[Engine]


def test_a_provider_with_companions_is_refused_beside_a_default() -> None:
    defaults: dict[type[Contract], list[type[Contract]]] = {Engine: [Electric]}
    text = problems(Cassette, Wagon, defaults=defaults)

    assert "x.xml:1" in text
    assert "expected a provider of Engine beside it" in text
    assert "'Cars.Set, Cars' stands for all of them" in text
    assert build(Cassette, Diesel, Wagon, defaults=defaults).get(Radio).play() == "rewinding"


def test_two_defaults_for_one_gap_are_refused() -> None:
    assert "several defaults" in problems(Wagon, defaults={Engine: [Electric, Diesel]})


def test_a_missing_contract_without_default_names_who_needs_it() -> None:
    text = problems(Wagon)

    assert "Wagon" in text
    assert "x.xml:1" in text
    assert "needs Engine" in text


def test_a_cycle_is_named_with_its_lines() -> None:
    text = problems(CircularCar, CircularRadio)

    assert "circular" in text
    assert "x.xml:1" in text
    assert "x.xml:2" in text


def test_a_parameter_that_is_no_contract_is_refused() -> None:
    assert "'speed'" in problems(NeedsUnwirable)


def test_a_constructor_that_raises_is_named_with_its_line() -> None:
    text = problems(BrokenCar)

    assert "no fuel" in text
    assert "x.xml:1" in text


def test_every_problem_is_told_at_once() -> None:
    text = problems(Wagon, Turbo, NeedsUnwirable)

    assert "'speed'" in text
    assert "wraps Engine" in text
    assert "two providers" in text


def test_each_row_has_one_instance() -> None:
    container = build(Diesel, Wagon)

    assert container.get(Car) is container.get(Car)
