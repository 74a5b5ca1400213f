"""Words for what nobody offers: names that were mistyped, and plugins that could not be loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from host.errors import Problem
from host.kernel.catalogue import Catalogue
from host.model.suggest import suggest

LIKENESS = 0.7
"""How alike two class names must be for one to be proposed instead of the other."""


def broken_plugins(catalogue: Catalogue) -> Sequence[Problem]:
    """Say of each plugin that could not be loaded why, by name."""
    return [
        Problem(message=f"plugin {plugin.name} ({plugin.distribution}) could not be loaded: {plugin.error}")
        for plugin in catalogue.plugins
        if plugin.error
    ]


def causes_of(names: Iterable[str], catalogue: Catalogue) -> Sequence[Problem]:
    """Give those of ``broken_plugins`` whose own these type names are."""
    owners = {_owner(name, catalogue) for name in names}
    broken = [plugin.name for plugin in catalogue.plugins if plugin.error]
    return [cause for name, cause in zip(broken, broken_plugins(catalogue), strict=True) if name in owners]


def unknown_name(kind: str, name: str, where: str, catalogue: Catalogue) -> Problem:
    """Say that no plugin offers a provider or a job, whose it is if that plugin is broken, else what was meant."""
    known: Sequence[str] = [*catalogue.providers] if kind == "provider" else [*catalogue.names]
    owner = _owner(name, catalogue)
    if owner is not None:
        hint = f"plugin {owner!r} could not be loaded"
    else:
        close = _meant(name, known)
        hint = f"did you mean {close}?" if close else "jobhost plugins lists what is installed"
    return Problem(message=f"unknown {kind} {name}", where=where, hint=hint)


def _owner(name: str, catalogue: Catalogue) -> str | None:
    """Give the broken plugin in whose package a type name lies; an alias says nothing of where its class is."""
    module, colon, _ = name.partition(":")
    for plugin in catalogue.plugins:
        package = catalogue.packages.get(plugin.name)
        if plugin.error and colon and package and f"{module}.".startswith(f"{package}."):
            return plugin.name
    return None


def _meant(name: str, known: Iterable[str]) -> str | None:
    """Give what was probably meant; a long common namespace alone makes no likeness."""
    close = suggest(name, known)
    if close is None or SequenceMatcher(None, _last_word(name), _last_word(close)).ratio() < LIKENESS:
        return None
    return close


def _last_word(name: str) -> str:
    return name.partition(",")[0].replace(":", ".").rpartition(".")[2].casefold()
