"""What is different between two states of the accounts, for the audit; never a secret, nor anything made of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from host_rest.security.accounts import Account, AccountBook


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """One thing that is different about one account."""

    action: str
    """``account added``, ``account removed``, ``account disabled``, ``account enabled``, ``roles changed``, ``password
    changed`` or ``secret changed``."""
    target: str
    """``user alice``, ``client ci``."""
    detail: Mapping[str, str] = field(default_factory=dict)


def changes_between(before: AccountBook, after: AccountBook) -> Sequence[AccountChange]:
    """Give what has changed, by account in the order of ``before``, then the new ones."""
    old = {_identity(account): account for account in before.accounts}
    new = {_identity(account): account for account in after.accounts}
    told: list[AccountChange] = []
    for identity, account in old.items():
        told.extend(_of(account, new[identity]) if identity in new else [_change("account removed", account)])
    added = (account for identity, account in new.items() if identity not in old)
    return [*told, *(_change("account added", account, roles=_roles(account)) for account in added)]


def _of(old: Account, new: Account) -> Iterator[AccountChange]:
    if old.is_disabled is not new.is_disabled:
        yield _change("account disabled" if new.is_disabled else "account enabled", new)
    if old.roles != new.roles:
        yield _change("roles changed", new, before=_roles(old), after=_roles(new))
    if old.secret_hash != new.secret_hash:
        yield _change("password changed" if new.kind == "user" else "secret changed", new)


def _change(action: str, account: Account, **detail: str) -> AccountChange:
    return AccountChange(action=action, target=f"{account.kind} {account.name}", detail=detail)


def _identity(account: Account) -> tuple[object, ...]:
    return account.kind, account.name, account.created_at


def _roles(account: Account) -> str:
    return ", ".join(account.roles)
