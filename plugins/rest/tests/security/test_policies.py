"""Policies: what roles grant, against an oracle that knows nothing of our code, and what a configuration may say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.errors import ConfigurationError
from host.kernel.config import bind_settings, read_configuration
from host.model.security import Decision, Policy, Principal, PrincipalKind
from host_rest.security.policies import RolePolicyService
from host_rest.security.policy_settings import Grant, PolicySettings, Role

ROOT = "1.3.6.1.4.1.33349.3.1.5.9.2"
OIDS = ["1.3", ROOT, f"{ROOT}.0", f"{ROOT}.0.2", f"{ROOT}.0.22", *(f"{ROOT}.0.22.{last}" for last in range(4))]


def decide(service: RolePolicyService, policy: object, *roles: str, scopes: tuple[str, ...] = ()) -> Decision:
    who = Principal(name="x", kind=PrincipalKind.USER, roles=roles, scopes=scopes)
    return asyncio.run(service.decide(who, policy))  # type: ignore[arg-type]


def service(*roles: Role) -> RolePolicyService:
    return RolePolicyService(PolicySettings(roles=roles))


def test_the_built_in_roles_grant_what_they_say() -> None:
    built_in = service()
    granted = {
        role: {policy for policy in Policy if decide(built_in, policy, role) is Decision.GRANT}
        for role in ("reader", "operator", "administrator", "unheard of")
    }

    assert granted == {
        "reader": {Policy.READ_SYSTEM_JOBS},
        "operator": {Policy.READ_SYSTEM_JOBS, Policy.START_SYSTEM_JOB, Policy.ALTER_SYSTEM_JOB_SCHEDULE},
        "administrator": set(Policy),
        "unheard of": set(),
    }


def test_without_roles_and_for_unknown_policies_the_answer_is_deny() -> None:
    assert decide(service(), Policy.READ_SYSTEM_JOBS) is Decision.DENY
    assert decide(service(), f"{ROOT}.0.99", "administrator") is Decision.DENY
    assert decide(service(), f"{Policy.READ_SYSTEM_JOBS}", "administrator") is Decision.DENY


def test_roles_are_compared_without_regard_to_case() -> None:
    assert decide(service(), Policy.READ_SYSTEM_JOBS, "READER") is Decision.GRANT


def test_an_oid_covers_others_only_at_a_dot() -> None:
    near = Role(name="near", grants=(Grant(oid=f"{ROOT}.0.2", decision=Decision.GRANT),))

    assert decide(service(near), Policy.UNRESTRICTED_JOB_MANAGEMENT, "near") is Decision.DENY


def test_a_role_of_the_configuration_takes_the_place_of_a_built_in_one() -> None:
    weaker = Role(name="Operator", grants=(Grant(oid=Policy.READ_SYSTEM_JOBS, decision=Decision.GRANT),))

    assert decide(service(weaker), Policy.START_SYSTEM_JOB, "operator") is Decision.DENY


def test_scopes_narrow_and_never_widen() -> None:
    read = (Policy.READ_SYSTEM_JOBS.value,)

    assert decide(service(), Policy.READ_SYSTEM_JOBS, "administrator", scopes=read) is Decision.GRANT
    assert decide(service(), Policy.START_SYSTEM_JOB, "administrator", scopes=read) is Decision.DENY
    assert decide(service(), Policy.READ_SYSTEM_JOBS, "nothing", scopes=read) is Decision.DENY
    assert decide(service(), Policy.START_SYSTEM_JOB, "operator", scopes=(ROOT,)) is Decision.GRANT
    assert decide(service(), Policy.READ_SYSTEM_JOBS, "reader", scopes=("openid",)) is Decision.DENY


_grants = st.dictionaries(st.sampled_from(OIDS), st.sampled_from(Decision), max_size=6)


@given(
    roles=st.lists(_grants, max_size=4),
    scopes=st.lists(st.sampled_from(OIDS), max_size=2),
    policy=st.sampled_from(Policy),
)
def test_decisions_agree_with_a_naive_oracle(
    roles: list[dict[str, Decision]], scopes: list[str], policy: Policy
) -> None:
    made = [
        Role(name=f"r{number}", grants=tuple(Grant(oid=oid, decision=decision) for oid, decision in grants.items()))
        for number, grants in enumerate(roles)
    ]

    decision = decide(service(*made), policy, *(role.name for role in made), scopes=tuple(scopes))

    assert decision is _oracle(roles, scopes, policy)


def _oracle(roles: list[dict[str, Decision]], scopes: list[str], policy: Policy) -> Decision:
    """Walk up from the policy itself; the first ancestor anybody speaks of decides."""
    arcs = policy.value.split(".")
    ancestors = [".".join(arcs[:count]) for count in range(len(arcs), 0, -1)]
    if scopes and not set(scopes) & set(ancestors):
        return Decision.DENY
    for oid in ancestors:
        said = {grants[oid] for grants in roles if oid in grants}
        for strict in (Decision.DENY, Decision.ELEVATE, Decision.GRANT):
            if strict in said:
                return strict
    return Decision.DENY


CONFIGURATION = """<?xml version="1.0"?>
<SanteDBConfiguration xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <section xsi:type="PolicyConfigurationSection">
    {roles}
  </section>
</SanteDBConfiguration>
"""


def read(folder: Path, roles: str) -> PolicySettings:
    path = folder / "host.config.xml"
    path.write_text(CONFIGURATION.format(roles=roles))
    return bind_settings(PolicySettings, read_configuration(path, environment={}))


def test_roles_are_read_by_oid_by_our_names_and_by_santedbs(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        f"""<role name="clinical">
          <grant policy="ReadSystemJobs"/><deny policy="START_SYSTEM_JOB"/><elevate policy="{ROOT}.0.22"/>
        </role>
        <role name="empty"/>""",
    )

    made = RolePolicyService(settings)
    decided = {policy.name: decide(made, policy, "clinical").value for policy in Policy}
    assert decided == {
        "UNRESTRICTED_ADMINISTRATION": "deny",
        "UNRESTRICTED_JOB_MANAGEMENT": "elevate",
        "READ_SYSTEM_JOBS": "grant",
        "START_SYSTEM_JOB": "deny",
        "ALTER_SYSTEM_JOB_SCHEDULE": "elevate",
        "REGISTER_SYSTEM_JOB": "elevate",
    }


@pytest.mark.parametrize(
    ("roles", "line", "words"),
    [
        ('<role name="a"><grant policy="ReadSystemJob"/></role>', 4, "did you mean READ_SYSTEM_JOBS"),
        ('<role name="a">\n<grant policy="1.2.3"/></role>', 5, "unknown policy '1.2.3'"),
        ('<role name="a"><grant/></role>', 4, "needs the attribute 'policy'"),
        ('<role name="a"><grant policy="ReadSystemJobs" to="x"/></role>', 4, "no attribute 'to'"),
        ('<role name="a"><grnat policy="ReadSystemJobs"/></role>', 4, "did you mean <grant>"),
        ("<role/>", 4, "needs the attribute 'name'"),
        ('<role name="\t"/>', 4, "needs the attribute 'name'"),
        ('<role name="a;b"/>', 4, "cannot be the name of a role"),
        ('<role name="a"/>\n<role name="A"/>', 5, "declared twice"),
        ('<roles name="a"/>', 4, "did you mean <role>"),
        (
            '<role name="a"><grant policy="ReadSystemJobs"/>\n<deny policy="READ_SYSTEM_JOBS"/></role>',
            5,
            "says two things",
        ),
    ],
)
def test_a_bad_role_is_told_with_its_line(tmp_path: Path, roles: str, line: int, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, roles)

    assert f"host.config.xml:{line}: " in str(caught.value)
    assert words in str(caught.value)


def test_every_bad_role_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, '<role/>\n<role name="b"><grant policy="x"/></role>')

    assert len(caught.value.problems) == 2
