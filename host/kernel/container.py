"""Who gets whom, built: one provider a row, wired by annotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from host.contracts.contract import Contract, Settings
from host.contracts.jobs import Job
from host.errors import ConfigurationError, HostError, Problem, WiringError
from host.kernel.injector import containers, providers
from host.kernel.wiring import Need, Plan, Row, needs_of

C = TypeVar("C", bound=Contract)

SettingsReader = Callable[[type[Settings], str | None], Settings]


class Container:
    """The instances of one host. Constructs; starts and stops nothing."""

    def __init__(self, plan: Plan, read_settings: SettingsReader) -> None:
        self._plan = plan
        self._read_settings = read_settings
        self._container = containers.DynamicContainer()
        self._names = {row: f"row {number}" for number, row in enumerate(plan.rows)}
        for row in plan.rows:
            self._set(row, providers.Object(row.instance) if row.instance is not None else self._singleton(row))

    def build(self) -> None:
        """Construct every row, in order; raises ConfigurationError with what is wrong with any row's settings."""
        self._check_settings()
        for row in self._plan.rows:
            self.instance(row)

    def _check_settings(self) -> None:
        # Before anything is constructed: a row that fails would hide what is wrong with those that need it.
        problems: list[Problem] = []
        for row in self._plan.rows:
            for settings in self._plan.settings.get(row, {}).values():
                try:
                    self._read_settings(settings, row.name)
                except ConfigurationError as error:
                    own = Problem(message=error.message, where=error.where, hint=error.hint)
                    problems.extend(error.problems or [own])
        if problems:
            raise ConfigurationError("the configuration has errors", problems=list(dict.fromkeys(problems)))

    def instance(self, row: Row) -> Contract:
        """Give the instance of a row; raises WiringError if its constructor fails."""
        try:
            return cast(Contract, self._provider(row)())
        except HostError:
            raise
        except Exception as error:  # a plugin's constructor may raise anything; it is named with its place
            raise WiringError(
                f"{row.cls.__module__}:{row.cls.__qualname__} cannot be built: {type(error).__name__}: {error}",
                where=row.where,
            ) from error

    def get(self, contract: type[C]) -> C:
        """Give the outermost provider of a contract; raises WiringError if there is none."""
        found = self.find(contract)
        if found is None:
            raise WiringError(f"no configured provider offers {contract.__name__}")
        return found

    def find(self, contract: type[C]) -> C | None:
        """Give the outermost provider of a contract, or None."""
        row = self._plan.providers.get(contract)
        return None if row is None else cast(C, self.instance(row))

    def all(self, contract: type[C]) -> list[C]:
        """Give every provider of a contract, in configuration order."""
        return [cast(C, self.instance(row)) for row in self._plan.rows if issubclass(row.cls, contract)]

    def job_factory(self, job: type[Job]) -> Callable[[], Job]:
        """Give what builds a fresh instance of a job; raises WiringError if it cannot be wired."""
        arguments = {need.parameter: self._argument_of_job(job, need) for need in needs_of(job)}
        if not arguments:
            return job
        return cast(Callable[[], Job], providers.Factory(job, **arguments))

    def _argument_of_job(self, job: type[Job], need: Need) -> providers.Provider[Any] | Settings | None:
        if need.settings is not None:
            return self._read_settings(need.settings, None)
        assert need.contract is not None
        if need.is_many:
            rows = [row for row in self._plan.rows if issubclass(row.cls, need.contract)]
            return providers.List(*(self._provider(row) for row in rows))
        row = self._plan.providers.get(need.contract)
        if row is None and not need.is_optional:
            name = f"{job.__module__}:{job.__qualname__}"
            raise WiringError(f"job {name} needs {need.contract.__name__}, and no configured provider offers it")
        return None if row is None else self._provider(row)

    def _singleton(self, row: Row) -> providers.Provider[Any]:
        provider: providers.Provider[Any] = providers.ThreadSafeSingleton(row.cls)
        arguments: dict[str, object] = {}
        for parameter, argument in self._plan.arguments[row].items():
            if isinstance(argument, list):
                arguments[parameter] = providers.List(*(self._provider(other) for other in argument))
            else:
                arguments[parameter] = None if argument is None else self._provider(argument)
        for parameter, settings in self._plan.settings.get(row, {}).items():
            arguments[parameter] = providers.Callable(self._read_settings, settings, row.name)
        provider.add_kwargs(**arguments)  # type: ignore[attr-defined]  # every creating provider has it
        return provider

    def _set(self, row: Row, provider: providers.Provider[Any]) -> None:
        provider.disable_async_mode()
        self._container.set_provider(self._names[row], provider)

    def _provider(self, row: Row) -> providers.Provider[Any]:
        return cast("providers.Provider[Any]", getattr(self._container, self._names[row]))
