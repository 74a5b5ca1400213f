"""SanteDB's names of the policies that this host knows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from host.model.security import Policy

POLICY_NAMES: Mapping[Policy, str] = MappingProxyType(
    {
        Policy.UNRESTRICTED_ADMINISTRATION: "Unrestricted Administration",
        Policy.UNRESTRICTED_JOB_MANAGEMENT: "Unrestricted Job Management",
        Policy.READ_SYSTEM_JOBS: "Read System Jobs",
        Policy.START_SYSTEM_JOB: "Start/Run System Job",
        Policy.ALTER_SYSTEM_JOB_SCHEDULE: "Alter System Job Schedule",
        Policy.REGISTER_SYSTEM_JOB: "Register System Job",
    }
)
