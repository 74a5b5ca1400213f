"""A request's target as path segments, decoded once; what two readers could read differently is refused."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from host_rest.server.errors import malformed

_PLAIN = re.compile(rb"/[A-Za-z0-9_~!$&'()*+,;=:@/.-]*")
_SEGMENT = re.compile(rb"(?:[A-Za-z0-9_~!$&'()*+,;=:@.-]|%[0-9A-Fa-f]{2})*")
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f-\x9f]")


def segments_of(raw_path: bytes) -> tuple[str, ...]:
    """Give the segments of a path as it was sent, without its query: ``/a/b%20c`` is ``("a", "b c")``.

    A slash at the end is an empty last segment. Raises Refused (400) for what is no absolute path, for empty segments
    before the last one, ``.`` and ``..``, and for escapes that are not UTF-8 or stand for slashes, backslashes or
    control characters (RFC 3986 §3.3, §6.2.2; what is escaped twice stays escaped once).
    """
    if b"//" in raw_path:
        raise malformed("the path has an empty segment")
    if b"/." not in raw_path and _PLAIN.fullmatch(raw_path):
        return tuple(raw_path[1:].decode("ascii").split("/"))
    if raw_path[:1] != b"/":
        raise malformed("the request's target is not a path", hint="send the path alone, as in 'GET /health/live'")
    return tuple(map(_decoded, raw_path[1:].split(b"/")))


def _decoded(segment: bytes) -> str:
    if not _SEGMENT.fullmatch(segment):
        raise malformed("the path has characters that must be escaped", hint="escape them as %XX, in UTF-8")
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("the path has an escape that is not UTF-8") from None
    if text in (".", ".."):
        raise malformed("the path has a segment '.' or '..'")
    if _FORBIDDEN.search(text):
        raise malformed("the path has an escaped slash, backslash or control character")
    return text
