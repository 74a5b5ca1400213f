"""Every route says what it demands, once, and the server is told so."""

from __future__ import annotations

import pytest

from host.model.security import Access, Policy
from host_rest.api.demands import demand, routes_of, rules_of
from plugins.rest.tests.api.desk import an_app


def test_a_route_without_a_demand_is_an_error() -> None:
    app = an_app()

    @app.get("/back-door")
    async def back_door() -> None: ...

    with pytest.raises(ValueError, match="/back-door says nothing of what it demands"):
        rules_of(app)


def test_every_route_has_a_rule_and_none_is_public() -> None:
    rules = rules_of(an_app())

    assert len(rules) == len(routes_of(an_app())) > 40
    assert all(rule.demand is not Access.PUBLIC for rule in rules)
    assert {rule.path for rule in rules if rule.demand is Access.AUTHENTICATED} == {"/openapi.json"}


def test_head_goes_with_get() -> None:
    assert all(("HEAD" in rule.methods) == ("GET" in rule.methods) for rule in rules_of(an_app()))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("GET /runs", Policy.READ_SYSTEM_JOBS),
        ("POST /runs", Policy.START_SYSTEM_JOB),
        ("POST /bulk", Policy.START_SYSTEM_JOB),
        ("POST /jobs", Policy.REGISTER_SYSTEM_JOB),
        ("PUT /jobs/{job}/schedules", Policy.ALTER_SYSTEM_JOB_SCHEDULE),
        ("DELETE /jobs/{job}/schedules", Policy.ALTER_SYSTEM_JOB_SCHEDULE),
        ("POST /host/drain", Policy.UNRESTRICTED_ADMINISTRATION),
        ("POST /host/reload", Policy.UNRESTRICTED_ADMINISTRATION),
        ("POST /added-jobs", Policy.UNRESTRICTED_JOB_MANAGEMENT),
        ("DELETE /stored-schedules/{job_type}", Policy.ALTER_SYSTEM_JOB_SCHEDULE),
        ("PUT /stored-schedules/{job_type}", Policy.ALTER_SYSTEM_JOB_SCHEDULE),
        ("POST /bulk/direct", Policy.START_SYSTEM_JOB),
        ("GET /audit", Policy.UNRESTRICTED_ADMINISTRATION),
    ],
)
def test_the_demand_is_the_one_of_what_is_done(name: str, wanted: Policy) -> None:
    (rule,) = [rule for rule in rules_of(an_app()) if rule.name == name]

    assert rule.demand is wanted


def test_reading_demands_reading_and_changing_more() -> None:
    for rule in rules_of(an_app()):
        if rule.is_audited is False or rule.demand is Access.AUTHENTICATED or rule.path == "/audit":
            continue
        assert (rule.demand is Policy.READ_SYSTEM_JOBS) == ("GET" in rule.methods), rule


def test_what_only_reads_by_post_is_not_audited() -> None:
    silent = {rule.name for rule in rules_of(an_app()) if rule.is_audited is False}

    assert silent == {
        "POST /schedules/preview",
        "POST /schedules/words",
        "POST /jobs/{job}/schedules/diff",
        "POST /latest-runs",
        "POST /failure-streaks",
        "POST /schedules-in-force",
        "POST /job-statistics",
    }


def test_a_demand_is_documented_as_scope() -> None:
    extra = demand(Policy.START_SYSTEM_JOB)

    assert extra == {"x-policy": "START_SYSTEM_JOB", "security": [{"oauth2": [Policy.START_SYSTEM_JOB.value]}]}
