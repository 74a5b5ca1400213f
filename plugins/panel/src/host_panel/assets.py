"""What pages load: styles and scripts, each under an address that changes with its content."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.responses import Response

from host.errors import InvalidRequestError

FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is sent."""

    media_type: str
    body: bytes
    packed: bytes
    """The same by gzip."""
    digest: str


@cache
def asset(name: str) -> Asset:
    """Give a file by its name; raises InvalidRequestError for what is none of the panel's."""
    path = FOLDER / name
    if path.parent != FOLDER or path.suffix not in _TYPES or not path.is_file():
        raise InvalidRequestError("the panel has no such file")
    body = path.read_bytes()
    packed = gzip.compress(body, 9, mtime=0)
    return Asset(_TYPES[path.suffix], body, packed, sha256(body).hexdigest()[:16])


def address(name: str) -> str:
    """Give the path of a file, below the panel's own."""
    return f"/assets/{asset(name).digest}/{name}"


def send_asset(digest: str, name: str, *, accepts_gzip: bool) -> Response:
    """Answer with a file; one of another version is given, too, but not to be kept."""
    found = asset(name)
    headers = {"Cache-Control": _FOR_EVER if digest == found.digest else "no-cache", "Vary": "Accept-Encoding"}
    if accepts_gzip:
        headers["Content-Encoding"] = "gzip"
    return Response(found.packed if accepts_gzip else found.body, media_type=found.media_type, headers=headers)
