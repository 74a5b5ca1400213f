"""Which rule a request falls under: the rules of all mounts, compiled once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from host.contracts.http import HttpMount, HttpRule
from host.errors import ConfigurationError, Problem
from host_rest.server.errors import MethodNotAllowedError, PathNotFoundError, Refused

_PATH = re.compile(r"(?:/[^/\s?#%]*)*")
_MOUNT_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_NAME = re.compile(r"\{([a-z_][a-z0-9_]*)(:path)?\}")
_NO_VALUES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Route:
    """What a request falls under."""

    rule: HttpRule
    values: Mapping[str, str]
    """What the path's ``{names}`` stand for."""


@dataclass(slots=True)
class _Node:
    """What may follow after some segments; of literal, name and rest, the first that leads to a rule counts."""

    literals: dict[str, _Node] = field(default_factory=dict)
    name: _Node | None = None
    ends: dict[str, _End] = field(default_factory=dict)
    """``{method: rule}`` for paths that end here."""
    rests: dict[str, _End] = field(default_factory=dict)
    """The same for ``{name:path}``."""


@dataclass(frozen=True, slots=True)
class _End:
    rule: HttpRule
    names: tuple[str, ...]


class Routes:
    """The rules of all mounts.

    Of mounts the one with the longest path that fits answers, whether or not it has a rule. Below a mount literal
    segments beat ``{name}``, which beats ``{name:path}``; ``{name}`` is never empty, ``{name:path}`` may be.

    Raises ConfigurationError with every rule that cannot be compiled, and every two that match the same.
    """

    def __init__(self, mounts: Sequence[HttpMount]) -> None:
        self._mounts: dict[tuple[str, ...], HttpMount] = {}
        self._roots: dict[HttpMount, _Node] = {}
        self.rules: dict[HttpMount, tuple[HttpRule, ...]] = {}
        """Each mount's rules, in its own order."""
        problems: list[Problem] = []
        for mount in mounts:
            problems += self._add(mount)
        if problems:
            raise ConfigurationError("the HTTP server's mounts cannot be used together", problems=problems)
        self._depths = sorted({len(path) for path in self._mounts}, reverse=True)

    def mount_of(self, segments: tuple[str, ...]) -> tuple[HttpMount | None, int]:
        """Give the mount that answers below a path, and how many segments are its own."""
        for depth in self._depths:
            mount = self._mounts.get(segments[:depth])
            if mount is not None and depth <= len(segments):
                return mount, depth
        return None, 0

    def route(self, mount: HttpMount, method: str, segments: tuple[str, ...]) -> Route:
        """Give what a request falls under, by the segments below the mount's own.

        Raises Refused: 404 where no rule has such a path, 405 with ``Allow`` where some have it with other methods.
        """
        values: list[str] = []
        allowed: set[str] = set()
        end = _find(self._roots[mount], segments, method, values, allowed)
        if end is not None:
            return Route(end.rule, dict(zip(end.names, values, strict=True)) if values else _NO_VALUES)
        if allowed:
            methods = ", ".join(sorted(allowed))
            error = MethodNotAllowedError(f"{method} is not for this path; expected {methods}")
            raise Refused(405, error, headers={"Allow": methods})
        raise not_found()

    def _add(self, mount: HttpMount) -> list[Problem]:
        where = f"{type(mount).__module__}:{type(mount).__qualname__}"
        if not _MOUNT_PATH.fullmatch(mount.path):
            return [Problem(message=f"mount path {mount.path!r}; expected '' or a path like '/ami'", where=where)]
        path = tuple(mount.path.split("/")[1:])
        other = self._mounts.setdefault(path, mount)
        if other is not mount:
            message = f"mount path {mount.path!r} belongs to {type(other).__module__}:{type(other).__qualname__}"
            return [Problem(message=message, where=where)]
        self._roots[mount] = root = _Node()
        self.rules[mount] = tuple(mount.rules())
        problems = []
        for rule in self.rules[mount]:
            try:
                _plant(root, rule)
            except ValueError as error:
                problems.append(Problem(message=str(error), where=f"{where} {mount.path}{rule.path}"))
        return problems


def not_found() -> Refused:
    """Give the refusal of a path that nobody has."""
    return Refused(404, PathNotFoundError("nothing answers at this path"))


def _plant(root: _Node, rule: HttpRule) -> None:
    """Add a rule to the tree; raises ValueError with what is wrong with it."""
    if not rule.methods or any(method != method.upper() for method in rule.methods):
        raise ValueError("a rule needs methods, in upper case")
    if not _PATH.fullmatch(rule.path):
        raise ValueError("a rule's path is '' or begins with '/', without query, escapes or spaces")
    *leading, last = rule.path.split("/")[1:] or [""]
    node, names = root, list[str]()
    for segment in leading:
        node = _step(node, segment, names)
    rest = _NAME.fullmatch(last)
    if rest is not None and rest[2] is not None:
        names.append(rest[1])
        ends = node.rests
    else:
        ends = (_step(node, last, names) if rule.path else node).ends
    if len(set(names)) < len(names):
        raise ValueError("a rule's path has a name twice")
    taken = sorted(rule.methods & ends.keys())
    if taken:
        other = ends[taken[0]].rule.path
        raise ValueError(f"another rule matches {' and '.join(taken)} of the same path: {other!r}")
    ends.update(dict.fromkeys(rule.methods, _End(rule, tuple(names))))


def _step(node: _Node, segment: str, names: list[str]) -> _Node:
    """Give the node that a segment leads to, made where there is none; notes the segment's name."""
    named = _NAME.fullmatch(segment)
    if named is None:
        if "{" in segment or "}" in segment:
            raise ValueError(f"segment {segment!r}; expected text, {{name}} or, at the end, {{name:path}}")
        return node.literals.setdefault(segment, _Node())
    if named[2] is not None:
        raise ValueError(f"{segment} must be the last segment")
    names.append(named[1])
    node.name = node.name or _Node()
    return node.name


def _find(
    node: _Node, segments: tuple[str, ...], method: str, values: list[str], allowed: set[str], at: int = 0
) -> _End | None:
    if at == len(segments):
        allowed.update(node.ends)
        return node.ends.get(method)
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _find(literal, segments, method, values, allowed, at + 1)
        if found is not None:
            return found
    if node.name is not None and segment:
        values.append(segment)
        found = _find(node.name, segments, method, values, allowed, at + 1)
        if found is not None:
            return found
        values.pop()
    if node.rests:
        allowed.update(node.rests)
        end = node.rests.get(method)
        if end is not None:
            values.append("/".join(segments[at:]))
            return end
    return None
