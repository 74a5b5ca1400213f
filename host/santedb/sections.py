"""SanteDB's configuration file in names: its namespace, its sections and what each is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from host.xmlfile import Element

NAMESPACE = "http://santedb.org/configuration"
ROOT = "SanteDBConfiguration"
APPLICATION_SECTION = "ApplicationServiceContextConfigurationSection"
JOB_SECTION = "JobConfigurationSection"
SCHEMAS = Path(__file__).parent / "xsd"
"""One ``<section type>.xsd`` for each section that is validated, with ``section`` as its root."""

SANTEDB_SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "AdoConfigurationSection": "a database of a SanteDB plugin",
        "AdoPersistenceConfigurationSection": "SanteDB's database",
        "AmiConfigurationSection": "SanteDB's administrative interface",
        "AppletConfigurationSection": "SanteDB's applets",
        "AuditAccountabilityConfigurationSection": "what SanteDB audits",
        "ClientConfigurationSection": "SanteDB's client hosts",
        "DataConfigurationSection": "SanteDB's database connections",
        "DiagnosticsConfigurationSection": "SanteDB's trace writers",
        "FileSystemDispatcherQueueConfigurationSection": "SanteDB's queue folder",
        "OAuthConfigurationSection": "SanteDB's token service",
        "OrmConfigurationSection": "SanteDB's database providers",
        "RestClientConfigurationSection": "SanteDB's REST clients",
        "RestConfigurationSection": "SanteDB's REST services",
        "SanteDBProtectedConfigurationSectionWrapper": "an encrypted section, which only SanteDB can read",
        "SecurityConfigurationSection": "SanteDB's security policies and signing keys",
        "UpstreamConfigurationSection": "SanteDB's upstream realm",
    }
)
"""Sections of SanteDB that mean nothing here unless a plugin binds them: ``{type: what it is}``."""


@runtime_checkable
class XmlSection(Protocol):
    """A settings element that can give the XML beneath it, for sections with very many children.

    In that XML references are substituted already.
    """

    @property
    def xml(self) -> Element:
        """The element itself."""

    @property
    def file(self) -> str:
        """The file that holds it, as messages name it."""
