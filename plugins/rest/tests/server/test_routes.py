"""Which rule a request falls under."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from host.contracts.http import HttpMount, HttpRule, Receive, Scope, Send
from host.errors import ConfigurationError
from host.model.security import Access
from host_rest.server.answers import ProblemRefusals
from host_rest.server.errors import Refused
from host_rest.server.routes import Routes


class Mount(ProblemRefusals):
    def __init__(self, path: str, *rules: str) -> None:
        """Take rules as ``METHOD[,METHOD] path``."""
        self._path, self._rules = path, rules

    @property
    def path(self) -> str:
        return self._path

    def rules(self) -> Sequence[HttpRule]:
        split = [rule.partition(" ") for rule in self._rules]
        return [
            HttpRule(methods=frozenset(methods.split(",")), path=path, demand=Access.PUBLIC, name=path)
            for methods, _, path in split
        ]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError


def find(mount: HttpMount, method: str, path: str) -> tuple[str, dict[str, str]]:
    route = Routes([mount]).route(mount, method, tuple(path.split("/")[1:]))
    return route.rule.name, dict(route.values)


def status(mount: HttpMount, method: str, path: str) -> tuple[int, str | None]:
    with pytest.raises(Refused) as caught:
        find(mount, method, path)
    return caught.value.refusal.status, caught.value.refusal.headers.get("Allow")


def test_text_beats_a_name_and_a_name_beats_the_rest() -> None:
    mount = Mount("/m", "GET /{rest:path}", "GET /runs/{id}", "GET /runs/bulk", "GET /runs/{id}/log")
    assert find(mount, "GET", "/runs/bulk") == ("/runs/bulk", {})
    assert find(mount, "GET", "/runs/7") == ("/runs/{id}", {"id": "7"})
    assert find(mount, "GET", "/runs/bulk/log") == ("/runs/{id}/log", {"id": "bulk"})
    assert find(mount, "GET", "/runs/7/other") == ("/{rest:path}", {"rest": "runs/7/other"})
    assert find(mount, "GET", "/") == ("/{rest:path}", {"rest": ""})


def test_the_order_of_rules_makes_no_difference() -> None:
    rules = ["GET /a/{x}", "GET /{y}/b", "GET /a/b", "GET /{z:path}", "POST /a/{w:path}"]
    forward, backward = Mount("/m", *rules), Mount("/m", *reversed(rules))
    for path in ("/a/b", "/a/c", "/c/b", "/c/d/e", "/a"):
        assert find(forward, "GET", path) == find(backward, "GET", path)


def test_a_path_with_a_name_is_decided_with_its_method() -> None:
    mount = Mount("/m", "POST /runs/bulk", "GET /runs/{id}")
    assert find(mount, "GET", "/runs/bulk") == ("/runs/{id}", {"id": "bulk"})
    assert find(mount, "POST", "/runs/bulk") == ("/runs/bulk", {})
    assert status(mount, "POST", "/runs/7") == (405, "GET")


def test_other_methods_are_refused_and_those_that_are_allowed_are_named() -> None:
    mount = Mount("/m", "GET,HEAD /a", "PUT /{x}")
    assert status(mount, "DELETE", "/a") == (405, "GET, HEAD, PUT")
    assert status(mount, "HEAD", "/b") == (405, "PUT")


def test_head_and_options_are_not_implied_by_get() -> None:
    mount = Mount("/m", "GET /a")
    assert status(mount, "HEAD", "/a") == (405, "GET")
    assert status(mount, "OPTIONS", "/a") == (405, "GET")


@pytest.mark.parametrize("path", ["/a/", "/A", "/a/b", "/", "/runs/", "/runs"])
def test_what_only_looks_like_a_rules_path_is_not_found(path: str) -> None:
    assert status(Mount("/m", "GET /a", "GET /runs/{id}"), "GET", path) == (404, None)


def test_the_mounts_own_path_and_the_one_with_a_slash_are_two() -> None:
    mount = Mount("/m", "GET ", "PUT /")
    assert Routes([mount]).route(mount, "GET", ()).rule.name == ""
    assert find(mount, "PUT", "/") == ("/", {})
    assert status(mount, "GET", "/") == (405, "PUT")


def test_the_mount_with_the_longest_path_answers() -> None:
    root, rest, events = Mount("", "GET /{all:path}"), Mount("/rest/v1", "GET /a"), Mount("/rest/v1/events", "GET /b")
    routes = Routes([rest, root, events])
    assert routes.mount_of(("rest", "v1", "events", "x")) == (events, 3)
    assert routes.mount_of(("rest", "v1", "event")) == (rest, 2)
    assert routes.mount_of(("rest", "v1")) == (rest, 2)
    assert routes.mount_of(("rest", "v10", "a")) == (root, 0)
    assert Routes([rest]).mount_of(("other",)) == (None, 0)


@pytest.mark.parametrize(
    ("rules", "what"),
    [
        (["GET /a/{x}", "GET,PUT /a/{y}"], "another rule matches GET of the same path: '/a/{x}'"),
        (["GET /{x:path}", "GET /{y:path}"], "another rule matches GET of the same path"),
        (["GET /a", "GET /a"], "another rule matches GET"),
        (["GET /{x:path}/a"], "must be the last segment"),
        (["GET /{x}/{x}"], "a name twice"),
        (["GET /a{x}"], "expected text"),
        (["GET a"], "begins with '/'"),
        (["GET /a?b"], "without query"),
        (["get /a"], "upper case"),
    ],
)
def test_rules_that_contradict_or_mean_nothing_are_refused_with_their_place(rules: list[str], what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Routes([Mount("/m", *rules)])
    assert len(caught.value.problems) == 1
    assert what in str(caught.value.problems[0])
    assert "Mount /m" in str(caught.value.problems[0])


@pytest.mark.parametrize("path", ["m", "/m/", "/", "/{x}", "//m", "/m?"])
def test_a_mount_path_is_plain_text(path: str) -> None:
    with pytest.raises(ConfigurationError, match="mount path"):
        Routes([Mount(path)])


def test_two_mounts_at_one_path_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="belongs to"):
        Routes([Mount("/m"), Mount("/m")])
