"""Validating a known section against its schema, and saying what is wrong in an operator's words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from host.model.suggest import did_you_mean
from host.santedb.sections import SCHEMAS
from host.xmlfile import (
    Element,
    Schema,
    SchemaError,
    compile_schema,
    elements,
    line_of,
    local_name,
    namespace,
    read_xml,
    schema_errors,
)

MAX_PASSES = 20
_XS = "{http://www.w3.org/2001/XMLSchema}"
_SUBJECT = re.compile(r"Element '(?:\{[^}]*\})?(?P<element>[^']*)'(?:, attribute '(?P<attribute>[^']*)')?: ", re.DOTALL)
_NOT_ALLOWED = re.compile(r"The attribute '(.*)' is not allowed\.", re.DOTALL)
_REQUIRED = re.compile(r"The attribute '(.*)' is required but missing\.", re.DOTALL)
_CHOICE = re.compile(r"\[facet 'enumeration'\] The value '(.*)' is not an element of the set \{(.*)\}\.", re.DOTALL)
_EMPTY = re.compile(r"\[facet 'minLength'\] The value '' ", re.DOTALL)
_TYPE = re.compile(r"'(.*)' is not a valid value of the .*? type(?: '(?:xs:)?([^']*)')?\.", re.DOTALL)
_TEXT = re.compile(r"Character content .*is not allowed", re.DOTALL)
_UNEXPECTED = "This element is not expected."
_NAMESPACE = re.compile(r"\{[^}]*\}(?=\w)")
_EXPECTED = {
    "boolean": "'true' or 'false'",
    "int": "a whole number",
    "long": "a whole number",
    "dateTime": "a date and time, e.g. '2026-01-31T03:00:00' or '2026-01-31T03:00:00+01:00'",
}


class SchemaFinding(NamedTuple):
    """One thing that does not fit."""

    line: int
    message: str
    hint: str | None = None


def has_schema(section_type: str) -> bool:
    """Say whether sections of this type are validated."""
    return section_type in _types()


def check_section(section_type: str, xml: Element) -> Sequence[SchemaFinding]:
    """Give everything in a section that its schema does not allow; empty when it fits.

    Unexpected elements hide their later siblings from a schema, so they are taken out of ``xml`` and it is
    validated again: after a finding, ``xml`` is fit for nothing else.
    """
    definition, schema = _load(section_type)
    findings: list[SchemaFinding] = []
    for _ in range(MAX_PASSES):
        errors = schema_errors(schema, xml)
        unexpected: dict[Element, SchemaFinding] = {}
        for error in errors:
            if _UNEXPECTED in error.message:
                unexpected.update(_unexpected(_locate(xml, error.path), definition, xml))
        findings += unexpected.values()
        if not unexpected:
            findings += _describe_all(errors, xml, definition)
            break
        for node in unexpected:
            parent = node.getparent()
            if parent is not None:
                parent.remove(node)
    return findings


@cache
def _types() -> frozenset[str]:
    return frozenset(path.stem for path in SCHEMAS.glob("*.xsd"))


@cache
def _load(section_type: str) -> tuple[Element, Schema]:
    definition = read_xml(SCHEMAS / f"{section_type}.xsd")
    return definition, compile_schema(definition)


def _describe_all(errors: Sequence[SchemaError], xml: Element, definition: Element) -> Iterator[SchemaFinding]:
    seen: set[tuple[str, str | None]] = set()
    for error in errors:
        subject = _SUBJECT.match(error.message)
        attribute = subject["attribute"] if subject else None
        if (error.path, attribute) in seen and _TYPE.search(error.message):
            continue  # libxml2 tells of a bad value twice: by its facet, then by its type
        seen.add((error.path, attribute))
        detail = error.message[subject.end() :] if subject else error.message
        node = _locate(xml, error.path)
        declared = _declaration(definition, node, xml)
        message, hint = _describe(detail, attribute, node, declared)
        yield SchemaFinding(error.line, message, hint or _documentation(declared))


def _describe(detail: str, attribute: str | None, node: Element, declared: Element | None) -> tuple[str, str | None]:
    tag = f"<{local_name(node)}>"
    if found := _NOT_ALLOWED.match(detail):
        name = _NAMESPACE.sub("", found[1])
        known = _names(declared, "attribute")
        return f"{tag} has no attribute {name!r}; expected {_listed(known)}", did_you_mean(name, known)
    if found := _REQUIRED.match(detail):
        return f"{tag} needs the attribute {found[1]!r}", None
    if _TEXT.match(detail):
        return f"{tag} may not hold text", None
    message, hint = _describe_value(detail)
    return f"{tag}, attribute {attribute!r}: {message}" if attribute else f"{tag}: {message}", hint


def _describe_value(detail: str) -> tuple[str, str | None]:
    if found := _CHOICE.match(detail):
        choices = re.findall(r"'([^']*)'", found[2])
        return f"'{found[1]}' is none of {_listed(choices)}", did_you_mean(found[1], choices)
    if _EMPTY.match(detail):
        return "must not be empty", None
    if found := _TYPE.match(detail):
        expected = _EXPECTED.get(found[2] or "", f"a value of type {found[2]}" if found[2] else "another value")
        return f"expected {expected}, not '{found[1]}'", None
    return _NAMESPACE.sub("", detail).rstrip("."), None


def _unexpected(node: Element, definition: Element, xml: Element) -> Iterator[tuple[Element, SchemaFinding]]:
    """Give the finding of an unexpected element, and of its later siblings with unknown names."""
    parent = node.getparent()
    assert parent is not None
    declared = _declaration(definition, parent, xml)
    known = _names(declared, "element")
    for child in (node, *node.itersiblings("{*}*")):
        if child is node or (namespace(child) == namespace(parent) and local_name(child) not in known):
            message, hint = _describe_unexpected(child, parent, known)
            yield child, SchemaFinding(line_of(child), message, hint or _documentation(declared))


def _describe_unexpected(node: Element, parent: Element, known: Sequence[str]) -> tuple[str, str | None]:
    name, place = local_name(node), f"in <{local_name(parent)}>"
    if name not in known:
        return f"<{name}> is not expected {place}; expected {_listed(known, '<{}>')}", did_you_mean(name, known)
    if namespace(node) != namespace(parent):
        return f"<{name}> {place} is in the wrong namespace", "it belongs to the namespace of the root element"
    return f"<{name}> may stand only once {place}", "put what it holds into the first one"


def _locate(xml: Element, path: str) -> Element:
    """Follow libxml2's path, e.g. ``/*/*[1]/*[2]``; the first step is ``xml`` itself."""
    for step in path.split("/")[2:]:
        index = re.search(r"\[(\d+)\]", step)
        xml = list(elements(xml))[int(index[1]) - 1 if index else 0]
    return xml


def _declaration(definition: Element, node: Element, xml: Element) -> Element | None:
    """Find the schema's declaration of an element; declarations are nested as the elements are."""
    if node is xml:
        return next(_declared(definition, "element"), None)
    parent = node.getparent()
    outer = None if parent is None else _declaration(definition, parent, xml)
    if outer is None:
        return None
    return next((found for found in _declared(outer, "element") if found.get("name") == local_name(node)), None)


def _declared(declaration: Element, kind: str) -> Iterator[Element]:
    """Give the elements or attributes declared directly inside a declaration."""
    for child in declaration:
        if child.tag == f"{_XS}{kind}":
            yield child
        elif child.tag != f"{_XS}element":
            yield from _declared(child, kind)


def _names(declaration: Element | None, kind: str) -> list[str]:
    return [] if declaration is None else [found.get("name", "") for found in _declared(declaration, kind)]


def _documentation(declaration: Element | None) -> str | None:
    """Give what the schema says for operators about an element."""
    return None if declaration is None else declaration.findtext(f"{_XS}annotation/{_XS}documentation")


def _listed(names: Sequence[str], form: str = "'{}'") -> str:
    return ", ".join(form.format(name) for name in names) or "none"
