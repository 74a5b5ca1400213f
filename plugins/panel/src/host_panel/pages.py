"""Which screens there are: each says its method, path and what it demands, and is found by the name of its rule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from starlette.responses import Response

from host.contracts.http import HttpRule
from host.model.security import Access, Policy

if TYPE_CHECKING:
    from host_panel.desk import Desk
    from host_panel.requests import PanelRequest

Answer = Callable[["Desk", "PanelRequest"], Awaitable[Response]]

READ = Policy.READ_SYSTEM_JOBS
START = Policy.START_SYSTEM_JOB
ALTER = Policy.ALTER_SYSTEM_JOB_SCHEDULE
REGISTER = Policy.REGISTER_SYSTEM_JOB
ADMINISTER = Policy.UNRESTRICTED_ADMINISTRATION


@dataclass(frozen=True, slots=True)
class Page:
    """A kind of request and who answers it."""

    rule: HttpRule
    answer: Answer


class Screens:
    """Collects pages; one a module, put together by ``all_pages``."""

    def __init__(self) -> None:
        self._pages: list[Page] = []

    def get(self, path: str, demand: Policy | Access = READ) -> Callable[[Answer], Answer]:
        """Make a function answer GET and HEAD of a path."""
        return self._add(("GET", "HEAD"), path, demand, is_audited=None)

    def post(self, path: str, demand: Policy | Access, *, is_audited: bool | None = None) -> Callable[[Answer], Answer]:
        """Make a function answer a form; ``is_audited=False`` for one that changes nothing."""
        return self._add(("POST",), path, demand, is_audited=is_audited)

    def pages(self) -> Sequence[Page]:
        """Give what was collected, in order."""
        return self._pages

    def _add(
        self, methods: tuple[str, ...], path: str, demand: Policy | Access, *, is_audited: bool | None
    ) -> Callable[[Answer], Answer]:
        def add(answer: Answer) -> Answer:
            name = f"{methods[0]} {path or '/'}"
            rule = HttpRule(methods=frozenset(methods), path=path, demand=demand, name=name, is_audited=is_audited)
            self._pages.append(Page(rule, answer))
            return answer

        return add


def by_name(pages: Sequence[Page]) -> Mapping[str, Answer]:
    """Give who answers, by the name of the rule."""
    return MappingProxyType({page.rule.name: page.answer for page in pages})
