"""The keys that tokens are signed with: made when needed, renewed, and kept as long as a token may need them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from host.errors import StoreCorruptError, WireError
from host.wire import from_json, to_wire
from host_rest.security.private_files import read_private, replace_private

if TYPE_CHECKING:  # it takes long to import, and few commands sign
    from joserfc.jwk import ECKey

FILE_NAME = "signing-keys.json"
FORMAT = "jobhost-signing-keys"
VERSION = 1
ALGORITHM = "ES256"
CURVE = "P-256"
RENEWED_AFTER = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key pair."""

    id: str
    """Its thumbprint (RFC 7638)."""
    created_at: datetime
    key: ECKey

    def public(self) -> dict[str, object]:
        """Give the public half (RFC 7517)."""
        return {**self.key.as_dict(private=False), "kid": self.id, "use": "sig", "alg": ALGORITHM}


class SigningKeys:
    """The keys in a data directory; one process at a time writes them.

    A file that is damaged, foreign or of a newer version raises StoreCorruptError and is left untouched.
    """

    def __init__(self, path: Path, *, kept_for: timedelta) -> None:
        self._path = path
        self._kept_for = kept_for
        self._keys: tuple[SigningKey, ...] = ()

    def load(self) -> None:
        """Read the file, if there is one."""
        found = read_private(self._path)
        self._keys = () if found is None else tuple(self.parse(found[0]))

    def current(self, now: datetime) -> SigningKey:
        """Give the key to sign with now: a new one after 90 days, written to the disk before it is used."""
        if not self._keys or now - self._keys[0].created_at >= RENEWED_AFTER:
            self._renew(now)
        return self._keys[0]

    def all(self) -> tuple[SigningKey, ...]:
        """Give every key that a valid token may have, newest first."""
        return self._keys

    def find(self, id: str) -> ECKey | None:
        """Give the key of this id, or None."""
        return next((each.key for each in self._keys if each.id == id), None)

    def parse(self, data: bytes) -> list[SigningKey]:
        """Give the keys in a file's content, newest first."""
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey

        try:
            content = from_json(data, _Content)
        except WireError as error:
            raise self._damaged("it cannot be read") from error
        if content.format != FORMAT or content.version != VERSION:
            raise self._damaged(f"expected format {FORMAT}, version {VERSION}")
        try:
            keys = [(each.created_at, ECKey.import_key({**each.key})) for each in content.keys]
            found = [SigningKey(key.thumbprint(), created_at, key) for created_at, key in keys]
        except (JoseError, ValueError, TypeError, KeyError):
            raise self._damaged("a key is unusable") from None  # the cause may quote the key
        if any(not each.key.is_private or each.key.curve_name != CURVE for each in found):
            raise self._damaged(f"expected private keys on the curve {CURVE}")
        if any(each.created_at.tzinfo is None for each in found):
            raise self._damaged("expected instants with an offset")
        return sorted(found, key=lambda each: each.created_at, reverse=True)

    def _renew(self, now: datetime) -> None:
        from joserfc.jwk import ECKey

        key = ECKey.generate_key(CURVE, private=True)
        new = SigningKey(key.thumbprint(), now, key)
        # A key was in use until its successor was made, and tokens of it for as long as they may last.
        kept = [
            old
            for old, successor in zip(self._keys, (new, *self._keys), strict=False)
            if now - successor.created_at < self._kept_for
        ]
        keys = (new, *kept)
        content = {
            "format": FORMAT,
            "version": VERSION,
            "keys": [{"created_at": each.created_at, "key": each.key.as_dict(private=True)} for each in keys],
        }
        replace_private(self._path, (json.dumps(to_wire(content), indent=2) + "\n").encode())
        self._keys = keys

    def _damaged(self, reason: str) -> StoreCorruptError:
        hint = "it was left untouched; move it away, and the host makes a new key: everybody must sign in again"
        return StoreCorruptError(f"holds no usable signing keys: {reason}", where=str(self._path), hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredKey:
    created_at: datetime
    key: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    format: str
    version: int
    keys: tuple[_StoredKey, ...]
