"""Safe reading of XML with line numbers, and atomic writing; the one home of lxml."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from lxml import etree

from host.errors import StoreUnavailableError, XmlError

Element: TypeAlias = etree._Element  # noqa: SLF001  # lxml names its public type so
"""An XML element; read it through the functions here."""

Schema: TypeAlias = etree.XMLSchema
"""A compiled XSD; use it through ``schema_errors``."""

MAX_BYTES = 32 * 1024 * 1024
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def parse_xml(data: bytes, *, name: str, max_bytes: int = MAX_BYTES) -> Element:
    """Parse a document and give its root; ``name`` stands in messages.

    Refuses more than ``max_bytes``, a DOCTYPE, more than 256 levels, anything malformed or wrongly encoded,
    and never reads another file. Raises XmlError with ``name:line``.
    """
    if len(data) > max_bytes:
        raise XmlError(
            f"the file has {len(data):,} bytes; at most {max_bytes:,} are read",
            where=name,
            hint="split it by <include>",
        )
    parser = etree.XMLParser(
        resolve_entities="internal", no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser, base_url=name)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise XmlError(f"not well-formed XML: {_reason(error)}", where=f"{name}:{line}") from error
    if root.getroottree().docinfo.internalDTD is not None or root.getroottree().docinfo.doctype:
        raise XmlError("a DOCTYPE is not allowed", where=f"{name}:1", hint="remove it; entities are never used")
    return root


def read_xml(path: Path, *, max_bytes: int = MAX_BYTES) -> Element:
    """Parse a file; raises XmlError, also if it cannot be read."""
    try:
        if path.stat().st_size > max_bytes:
            raise XmlError(
                f"the file has {path.stat().st_size:,} bytes; at most {max_bytes:,} are read",
                where=str(path),
                hint="split it by <include>",
            )
        data = path.read_bytes()
    except OSError as error:
        raise XmlError(f"cannot be read: {error.strerror}", where=str(path)) from error
    return parse_xml(data, name=str(path), max_bytes=max_bytes)


class SchemaError(NamedTuple):
    """One finding of a schema: the line, the element's XPath from the validated one, and libxml2's own words."""

    line: int
    path: str
    message: str


def compile_schema(root: Element) -> Schema:
    """Compile an XSD of our own; never one from outside, because compiling follows imports."""
    return etree.XMLSchema(root)


def schema_errors(schema: Schema, element: Element) -> Sequence[SchemaError]:
    """Validate an element and what is below it as a document of its own; empty when it fits."""
    if schema.validate(element):
        return ()
    return [SchemaError(entry.line, entry.path or "/*", entry.message) for entry in schema.error_log]


def line_of(element: Element) -> int:
    """Give the line an element starts on, from 1; 0 for one that was not read from a file."""
    return int(element.sourceline or 0)


def local_name(element: Element) -> str:
    """Give an element's name without its namespace."""
    return etree.QName(element).localname


def namespace(element: Element) -> str | None:
    """Give an element's namespace, or None."""
    return etree.QName(element).namespace


def elements(parent: Element) -> Iterator[Element]:
    """Give the child elements in order, without comments and processing instructions."""
    return parent.iterchildren(tag=etree.Element)


def new_element(
    name: str, *, namespace: str | None = None, prefixes: Mapping[str | None, str] | None = None
) -> Element:
    """Make an element; ``prefixes`` are namespaces it declares: ``{prefix, or None for the default: namespace}``."""
    return etree.Element(etree.QName(namespace, name), nsmap=dict(prefixes or {}))


def canonical(element: Element) -> bytes:
    """Give the exclusive canonical form of an element (W3C xml-exc-c14n): equal for equal content, without comments."""
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def serialize(root: Element, *, encoding_declared: bool = False) -> bytes:
    """Give the whole document as UTF-8, with a declaration; what stands outside the root has lines of its own."""
    nodes = (*reversed(list(root.itersiblings(preceding=True))), root, *root.itersiblings())
    body = b"\n".join(etree.tostring(node, encoding="utf-8", xml_declaration=False, with_tail=False) for node in nodes)
    head = b'<?xml version="1.0" encoding="utf-8"?>\n' if encoding_declared else b'<?xml version="1.0"?>\n'
    return head + body.strip() + b"\n"


def write_atomically(path: Path, data: bytes, *, like: Path | None = None) -> None:
    """Replace a file so that after any crash it is wholly the old one or wholly the new one.

    Its permissions stay; a new file gets those of ``like``, if that exists.
    Writes beside it, flushes to disk, renames, flushes the folder. Raises StoreUnavailableError; then the
    old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        model = path if path.exists() else like
        if model is not None and model.exists():
            temporary.chmod(model.stat().st_mode & 0o7777)
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreUnavailableError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _reason(error: Exception) -> str:
    text = error.msg if isinstance(error, etree.XMLSyntaxError) and error.msg else str(error)
    return text.split(", line ")[0]
