"""Secret parameters: references resolved when a run starts, values kept out of everything it says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from host.contracts.secrets import SECRET_PREFIX, SecretProvider
from host.errors import InvalidParameterError, Problem, SecretNotFoundError
from host.model.jobs import JobInfo
from host.model.json import JsonObject, JsonValue

HIDDEN = "(hidden)"
SHORTEST = 4
"""Shorter values are not looked for in what a run says: they would be found everywhere."""
SHORTEST_LINE = 8
"""Lines of a secret of several are looked for by themselves from this length on."""


class Redactor:
    """Replaces some values wherever they occur in text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        # The longest first: one secret may be part of another.
        self._secrets = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Give the text without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def value(self, value: JsonValue) -> JsonValue:
        """Give a JSON value without the secrets in any of its texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self.value(item) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool) and self.text(str(value)) != str(value):
            return HIDDEN
        return value

    def fields(self, fields: JsonObject) -> JsonObject:
        """Give the fields of a log line without the secrets; what is no text is left to whoever writes the line."""
        return {name: self.value(value) for name, value in fields.items()}


def resolve_secrets(
    job: JobInfo, parameters: JsonObject, provider: SecretProvider | None
) -> tuple[JsonObject, Redactor | None]:
    """Give the parameters with every secret in clear, and what keeps these out of sight; None if there are none.

    A text ``secret:NAME`` in a parameter declared ``secret`` stands for the secret of that name; any other value is the
    secret itself. Raises InvalidParameterError with a problem for each name that nobody knows.
    """
    names = [parameter.name for parameter in job.parameters if parameter.secret]
    values = {name: parameters[name] for name in names if parameters.get(name) is not None}
    if not values:
        return parameters, None
    problems: list[Problem] = []
    for name, value in values.items():
        try:
            values[name] = _resolved(value, provider)
        except SecretNotFoundError as error:
            problems.append(Problem(message=f"parameter {name!r}: {error.message}", hint=error.hint))
    if problems:
        raise InvalidParameterError("a secret cannot be had", problems=problems)
    return {**parameters, **values}, Redactor(_texts(list(values.values())))


def _forms(secret: str) -> Iterator[str]:
    """Give what a secret looks like in a text: as it is, escaped by ``repr`` or JSON, on one line, line by line."""
    forms = (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], " ".join(secret.split()))
    yield from (form for form in forms if len(form) >= SHORTEST)
    yield from (line for line in map(str.strip, secret.splitlines()) if len(line) >= SHORTEST_LINE)


def _texts(value: JsonValue) -> Iterator[str]:
    """Give all that a value holds but what would be found everywhere: keys, ``true`` and ``false``."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _resolved(value: JsonValue, provider: SecretProvider | None) -> JsonValue:
    if not isinstance(value, str) or not value.startswith(SECRET_PREFIX):
        return value
    name = value.removeprefix(SECRET_PREFIX)
    found = provider.get(name) if provider is not None else None
    if found is None:
        raise SecretNotFoundError(f"there is no secret {name!r}", hint="see the secrets folder of the configuration")
    return found
