"""How a body is packed: compressed as SanteDB's clients send it (``optimizeRequests``), and in which characters."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from email.message import Message

from host.errors import InvalidRequestError
from host_rest.ami.faults import AmiError

MAX_LAYERS = 2
"""Codings that one body may have been through."""
_AUTO, _GZIP, _RAW = 15, 31, -15  # zlib's names for its containers
_WINDOWS: Mapping[str, Sequence[int]] = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_AUTO, _RAW)}
"""``deflate`` is zlib's container (RFC 9110 §8.4.1.2); .NET's DeflateStream sends it bare."""
_UTF_8 = frozenset({"", "utf-8", "utf8", "us-ascii"})
_CHARSETS = frozenset({"utf-16", "utf-16le", "utf-16be", "iso-8859-1"})
_BOM_8, _BOMS_16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


def unpacked(body: bytes, coding: str, *, at_most: int) -> bytes:
    """Undo a ``Content-Encoding``; never more than ``at_most`` bytes are made.

    Raises AmiError: 415 for a coding that is not known, 413 for a body that becomes larger; InvalidRequestError for
    one that is damaged.
    """
    layers = [name for each in coding.split(",") if (name := each.strip().lower()) not in ("", "identity")]
    if len(layers) > MAX_LAYERS or any(name not in _WINDOWS for name in layers):
        raise AmiError(
            f"Content-Encoding is {coding[:80]!r}",
            status=415,
            exception="FormatException",
            hint="send gzip, deflate, or no coding",
            headers={"Accept-Encoding": "gzip, deflate"},
        )
    for name in reversed(layers):
        body = _inflated(body, name, at_most)
    return body


def utf8_json(body: bytes, content_type: str) -> bytes:
    """Give a JSON body in UTF-8, without a byte order mark: that, else the media type's charset, says what it is in.

    Raises AmiError (415) for a charset that is not known, InvalidRequestError for bytes that are not in it.
    """
    if body.startswith(_BOM_8):
        return body[len(_BOM_8) :]
    charset = "utf-16" if body.startswith(_BOMS_16) else _charset(content_type)
    if charset in _UTF_8:
        return body
    if charset not in _CHARSETS:
        raise AmiError(f"charset is {charset[:40]!r}", status=415, exception="FormatException", hint="send UTF-8")
    try:
        return body.decode(charset).encode()
    except UnicodeError as error:
        raise InvalidRequestError(f"the body is not in {charset}") from error


def _inflated(body: bytes, name: str, at_most: int) -> bytes:
    failure: zlib.error | None = None
    for window in _WINDOWS[name]:
        inflater = zlib.decompressobj(window)
        try:
            plain = inflater.decompress(body, at_most + 1)
        except zlib.error as error:
            failure = error
            continue
        if len(plain) > at_most:
            message = f"the body is larger than {at_most:,} bytes once it is unpacked"
            raise AmiError(message, status=413, exception="LimitExceededException")
        if not inflater.eof or inflater.unused_data:
            break
        return plain
    raise InvalidRequestError(f"the body is not whole {name}") from failure


def _charset(content_type: str) -> str:
    message = Message()
    message["content-type"] = content_type
    return str(message.get_param("charset", "")).strip().lower()
