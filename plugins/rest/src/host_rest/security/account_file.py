"""``accounts.json``: how accounts are kept, for a host and the command line at the same time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host.errors import InvalidRequestError, StoreCorruptError, WireError
from host.wire import from_json, to_wire
from host_rest.security.accounts import Account, AccountBook, check_name, check_roles
from host_rest.security.private_files import locked, read_private, replace_private

FILE_NAME = "accounts.json"
FORMAT = "jobhost-accounts"
VERSION = 1

Edit = Callable[[AccountBook], AccountBook]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFileState:
    """What was in the file, and which file that was."""

    book: AccountBook
    stat: os.stat_result | None
    """None where there is no file yet."""


class AccountFile:
    """Reads and changes the accounts of a data directory; every call does file I/O.

    A file that is damaged, foreign or of a newer version raises StoreCorruptError and is left untouched.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> AccountFileState:
        """Give what the file holds now; without one, no accounts."""
        found = read_private(self.path)
        if found is None:
            return AccountFileState(book=AccountBook(), stat=None)
        data, stat = found
        return AccountFileState(book=self.parse(data), stat=stat)

    def change(self, edit: Edit) -> AccountBook:
        """Put in place what ``edit`` makes of the accounts; durable when the call returns.

        No change of another process is lost. What ``edit`` raises passes through, and changes nothing.
        """
        with locked(self.path):
            old = self.read().book
            new = edit(old)
            if new != old:
                replace_private(self.path, _text(new).encode())
            return new

    def parse(self, data: bytes) -> AccountBook:
        """Give the accounts in a file's content."""
        try:
            head = from_json(data, _Head)
        except WireError as error:
            raise self._damaged(error) from error
        if head.format != FORMAT:
            raise StoreCorruptError(f"is no file of accounts: its format is not {FORMAT}", where=str(self.path))
        if head.version != VERSION:
            message = f"has version {head.version}; this host reads version {VERSION}"
            raise StoreCorruptError(message, where=str(self.path), hint="start the newer host that wrote it")
        try:
            book = AccountBook(from_json(data, _Content).accounts)
            for account in book.accounts:
                check_name(account.name)
                check_roles(account.roles)
        except (WireError, InvalidRequestError) as error:
            raise self._damaged(error) from error
        if len({account.name.casefold() for account in book.accounts}) < len(book.accounts):
            raise StoreCorruptError("holds two accounts of the same name", where=str(self.path))
        return book

    def _damaged(self, error: Exception) -> StoreCorruptError:
        reason = getattr(error, "message", str(error))
        hint = "it was left untouched; bring back a copy of it, or move it away and add the accounts again"
        return StoreCorruptError(f"is damaged: {reason}", where=str(self.path), hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    format: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    accounts: tuple[Account, ...]


def _text(book: AccountBook) -> str:
    content = {"format": FORMAT, "version": VERSION, "accounts": book.accounts}
    return json.dumps(to_wire(content), indent=2) + "\n"
