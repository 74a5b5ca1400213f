"""What makes a class a contract, a service or settings, for everybody who writes a provider."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    import asyncio


class Contract(ABC):  # noqa: B024  # a marker; its subclasses declare what is promised
    """Marks contracts: a class is one when ``Contract`` is among its direct bases.

    A provider is a concrete class that inherits contracts. Its constructor's annotations say what it needs:
    a contract, ``X | None``, ``Sequence[X]`` where X is ``many``, or a ``Settings`` dataclass. A contract it
    offers itself means the previous provider of it in the configuration. Constructors only take; ``start``
    acquires.
    """

    many: ClassVar[bool] = False
    """Contracts with several providers at once; wired only as ``Sequence[X]``, in configuration order."""

    aliases: ClassVar[Sequence[str]] = ()
    """Other names a configuration may use for this provider, e.g. SanteDB's ``Namespace.Type, Assembly``."""
    is_default: ClassVar[bool] = False
    """Whether this provider is used for its contracts where the configuration names none; of contracts that are
    ``many`` alone also beside those it names."""
    companions: ClassVar[Sequence[type[Contract]]] = ()
    """Contracts that a configuration which names this provider names a provider of, too; no default fits beside it."""
    lacks: ClassVar[frozenset[str]] = frozenset()
    """Operations and options (``method`` or ``method.option``) it refuses with UnsupportedOperationError."""
    process_safe: ClassVar[bool] = False
    """Whether it may be built in a process child."""


class Service(ABC):  # noqa: B024  # every method has a meaningful default
    """Something that holds resources while the host runs; any provider may also be one."""

    start_seconds: ClassVar[float] = 60
    stop_seconds: ClassVar[float] = 30

    async def start(self) -> None:  # noqa: B027  # most services acquire nothing
        """Acquire, and return when ready. A second call does nothing. A failure leaves nothing acquired."""

    async def stop(self) -> None:  # noqa: B027  # most services release nothing
        """Release. Safe without ``start``, after a failed one, and twice."""

    def background(self) -> Sequence[asyncio.Task[None]]:
        """Give the tasks that work between ``start`` and ``stop``; the end of one stops the host with an error."""
        return ()

    def check(self) -> Sequence[Finding]:
        """Say what an operator should know of its health now; quick, no I/O, empty when all is well."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One remark of a health check."""

    message: str
    is_failure: bool = False
    """True: the host cannot do its work; False: it can, but look."""


class SettingsElement(Protocol):
    """A configuration element as settings may read it."""

    @property
    def name(self) -> str:
        """Local name, without namespace."""

    @property
    def where(self) -> str:
        """``file:line``."""

    @property
    def text(self) -> str:
        """Text content, stripped."""

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes without namespace, references substituted, in file order."""

    def children(self, name: str | None = None) -> Sequence[SettingsElement]:
        """Child elements in file order, of one local name or all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Base of a provider's settings: a frozen dataclass bound to one ``<section xsi:type="…">``.

    Fields are the section's attributes in camelCase (``data_directory`` is ``dataDirectory``); supported
    types are str, int, float, bool, Path (relative to the file that holds it), timedelta (``PT5S``,
    ``hh:mm:ss`` or seconds), enums and their optionals. Every field needs a default where the section may be
    absent. A ``Path`` is made absolute.
    """

    section: ClassVar[str]
    """The section's ``xsi:type``, e.g. ``SchedulerConfigurationSection``."""

    @classmethod
    def read_children(cls, element: SettingsElement) -> dict[str, object]:
        """Give further field values from the section's child elements; override where there are any.

        Raises ConfigurationError with every problem found.
        """
        for child in element.children():
            raise _unexpected_child(element, child)
        return {}


def _unexpected_child(element: SettingsElement, child: SettingsElement) -> Exception:
    from host.errors import ConfigurationError

    return ConfigurationError(
        f"<{child.name}> is not expected in section {element.attributes.get('type', element.name)!r}",
        where=child.where,
        hint="this section takes attributes only",
    )
