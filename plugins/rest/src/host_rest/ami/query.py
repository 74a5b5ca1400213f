"""What a listing is asked for: SanteDB's query parameters, of which it ignores those it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from host.errors import InvalidRequestError

MAX_COUNT = 1000
DEFAULT_COUNT = 100
ORDERS = ("name", "id", "jobType", "description")
"""What a listing can be ordered by: what is known of all jobs without looking at their runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """One listing."""

    names: tuple[str, ...] = ()
    """A job's name is one of these; with ``~`` before it, holds it. Whatever the case."""
    offset: int = 0
    count: int = DEFAULT_COUNT
    is_counted: bool = False
    """Whether the answer says how many there are in all."""
    is_unconfigured: bool = False
    """Whether types that may be registered are asked for instead of jobs."""
    order: str = "name"
    is_descending: bool = False

    def matches(self, name: str) -> bool:
        """Say whether a job of this name is asked for."""
        if not self.names:
            return True
        folded = name.casefold()
        return any(
            wanted[1:].casefold() in folded if wanted.startswith("~") else wanted.casefold() == folded
            for wanted in self.names
        )


def read_query(query: bytes) -> ListQuery:
    """Read a query string; raises InvalidRequestError for a parameter whose value makes no sense."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise InvalidRequestError(f"the query cannot be read: {error}") from error
    given = dict(pairs)
    count = _number(given, "_count", DEFAULT_COUNT)
    if count > MAX_COUNT:
        raise InvalidRequestError(f"_count is {count}; at most {MAX_COUNT} are given", hint="page with _offset")
    order, is_descending = _order(given.get("_orderBy"))
    return ListQuery(
        names=tuple(value for name, value in pairs if name == "name" and value),
        offset=_number(given, "_offset", 0),
        count=count,
        is_counted=count == 0 or given.get("_includeTotal", "").lower() == "true",
        is_unconfigured=given.get("_unconfigured", "").lower() == "true",
        order=order,
        is_descending=is_descending,
    )


def _number(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidRequestError(f"{name} is {text[:40]!r}; expected a whole number, 0 or more")
    return int(text)


def _order(text: str | None) -> tuple[str, bool]:
    if not text:
        return "name", False
    name, _, direction = text.partition(":")
    if name not in ORDERS or direction not in ("", "asc", "desc"):
        hint = f"jobs are ordered by {', '.join(ORDERS)}, with :asc or :desc"
        raise InvalidRequestError(f"_orderBy is {text[:80]!r}", hint=hint)
    return name, direction == "desc"
