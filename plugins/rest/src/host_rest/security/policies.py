"""What roles may do."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from host.contracts.security import PolicyService
from host.model.security import Decision, Policy, Principal
from host_rest.security.policy_settings import Grant, PolicySettings, Role
from host_rest.security.scopes import covers, is_covered

BUILT_IN_ROLES = (
    Role(name="reader", grants=(Grant(oid=Policy.READ_SYSTEM_JOBS, decision=Decision.GRANT),)),
    Role(
        name="operator",
        grants=tuple(
            Grant(oid=policy, decision=Decision.GRANT)
            for policy in (Policy.READ_SYSTEM_JOBS, Policy.START_SYSTEM_JOB, Policy.ALTER_SYSTEM_JOB_SCHEDULE)
        ),
    ),
    Role(
        name="administrator",
        grants=(Grant(oid=Policy.UNRESTRICTED_ADMINISTRATION, decision=Decision.GRANT),),
    ),
)
_STRICTNESS = (Decision.DENY, Decision.ELEVATE, Decision.GRANT)
"""The most restrictive first."""


class RolePolicyService(PolicyService):
    """Decides by the grants of all of a principal's roles; those it does not know grant nothing.

    The grant on the longest OID counts (SanteDB: DefaultPolicyDecisionService), of equally long ones the most
    restrictive. Roles are compared without regard to case.
    """

    is_default = True

    def __init__(self, settings: PolicySettings) -> None:
        self._roles: Mapping[str, Role] = {role.name.casefold(): role for role in (*BUILT_IN_ROLES, *settings.roles)}
        self._decided = lru_cache(maxsize=4096)(self._by_roles)

    async def decide(self, principal: Principal, policy: Policy) -> Decision:
        """Say whether a principal may."""
        if not isinstance(policy, Policy) or (principal.scopes and not is_covered(policy, principal.scopes)):
            return Decision.DENY
        return self._decided(principal.roles, policy)

    def _by_roles(self, roles: tuple[str, ...], policy: Policy) -> Decision:
        known = [self._roles[name.casefold()] for name in roles if name.casefold() in self._roles]
        grants = [grant for role in known for grant in role.grants if covers(grant.oid, policy)]
        if not grants:
            return Decision.DENY
        longest = max(len(grant.oid) for grant in grants)
        return min((grant.decision for grant in grants if len(grant.oid) == longest), key=_STRICTNESS.index)
