"""References in configuration values: ``${NAME}``, ``${NAME:-default}``, ``${file:PATH}``; ``$${`` means ``${``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from host.errors import Problem
from host.xmlfile import Element, line_of, local_name

MAX_FILE_BYTES = 64 * 1024
HIDDEN = "(hidden)"

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_BODY = re.compile(r"(?:file:(?P<file>.+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?)", re.DOTALL)
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WHOLE_WORDS = 6
"""A secret at least this long is hidden anywhere in a message, a shorter one only where it is quoted."""
_CUT = 80
"""Messages about schedules show no more of a value."""


@dataclass(slots=True, kw_only=True)
class References:
    """Replaces the references below one element, in place; keeps what went wrong and what must not be shown.

    What came from the environment or a file is secret; a default is not, since it stands in the file.
    """

    environment: Mapping[str, str]
    path: Path
    """The file that holds the element; ``${file:PATH}`` is relative to its folder."""
    problems: list[Problem] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def replace_below(self, element: Element) -> None:
        """Replace in every attribute value and text; what cannot be replaced stays as it is."""
        for node in element.iter("*"):
            for name, value in node.items():
                if "${" in value:
                    node.set(name, self._replaced(value, node, f"attribute {name.rpartition('}')[2]!r}"))
            if node.text and "${" in node.text:
                node.text = self._replaced(node.text, node, "text")

    def _replaced(self, text: str, node: Element, what: str) -> str:
        found: set[str] = set()
        failed = len(self.problems)

        def resolve(match: re.Match[str]) -> str:
            try:
                return self._resolve(match, found)
            except _UnresolvedError as error:
                message = f"{what} of <{local_name(node)}>: {error.message}"
                self.problems.append(Problem(message=message, where=f"{self.path}:{line_of(node)}", hint=error.hint))
                return match.group()

        result = _REFERENCE.sub(resolve, text)
        if len(self.problems) > failed:
            return text
        if found:
            self.secrets |= {*found, result}
        return result

    def _resolve(self, match: re.Match[str], found: set[str]) -> str:
        if match.group() == "$${":
            return "${"
        body = _BODY.fullmatch(match.group(1) or "")
        if body is None:
            message = f"{match.group()!r} is no reference; expected ${{NAME}}, ${{NAME:-default}} or ${{file:PATH}}"
            raise _UnresolvedError(message, "write $${ for a literal ${")
        if body["file"]:
            value = _file_text(self.path.parent / body["file"].strip())
        else:
            value = self.environment.get(str(body["name"]), "")
            if not value and body["default"] is not None:
                return body["default"]
            if body["name"] not in self.environment:
                hint = f"set it, or write ${{{body['name']}:-default}}"
                raise _UnresolvedError(f"environment variable {body['name']} is not set", hint)
        if _UNFIT.search(value):
            raise _UnresolvedError(f"the value of {match.group()} has characters that XML cannot hold")
        found.add(value)
        return value


def redact(text: str, secrets: Iterable[str]) -> str:
    """Hide every secret in a message, also where it stands with its white space collapsed or cut short."""
    forms = {form for secret in secrets for form in (secret, secret.strip(), " ".join(secret.split()), secret[:_CUT])}
    for form in sorted(forms - {""}, key=len, reverse=True):
        for quoted in (repr(form), f"'{form}'", f'"{form}"'):
            text = text.replace(quoted, HIDDEN)
        if len(form) >= _WHOLE_WORDS:
            text = text.replace(form, HIDDEN)
    return text


def redact_problem(problem: Problem, secrets: Iterable[str]) -> Problem:
    """Hide every secret in a problem's message and hint."""
    if not secrets:
        return problem
    hint = redact(problem.hint, secrets) if problem.hint else problem.hint
    return Problem(message=redact(problem.message, secrets), where=problem.where, hint=hint)


class _UnresolvedError(Exception):
    """A reference has no value."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def _file_text(path: Path) -> str:
    try:
        if not path.is_file():
            hint = "relative paths start at the folder of this configuration file"
            raise _UnresolvedError(f"{path} is not a file", hint)
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _UnresolvedError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise _UnresolvedError(f"{path} is larger than {MAX_FILE_BYTES:,} bytes", "a value from a file is short text")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _UnresolvedError(f"{path} is not UTF-8 text") from error
    return text.removesuffix("\n").removesuffix("\r")
