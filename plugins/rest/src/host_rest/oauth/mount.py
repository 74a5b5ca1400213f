"""``/auth``: tokens, keys, sessions, and the first sign-in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from host.contracts.clock import Clock
from host.contracts.contract import Service
from host.contracts.host import DataDirectory
from host.contracts.http import HttpMount, HttpRefusal, HttpRule, Receive, Scope, Send
from host.contracts.security import Authenticator, TokenService
from host.errors import HostError
from host_rest.oauth.first_sign_in import FirstSignIn
from host_rest.oauth.rules import RULES
from host_rest.security.account_store import AccountStore
from host_rest.security.contracts import Accounts
from host_rest.security.token_settings import TokenSettings

if TYPE_CHECKING:  # its library takes long to import, and few commands answer requests
    from host_rest.oauth.face import OAuthFace

logger = structlog.get_logger(__name__)

URL_NAME = "http.url"
"""Where the HTTP server tells its address, in the data directory."""
LOOK_SECONDS = 0.1
INVITATION = """
This host has no users yet. Create its administrator within an hour by this link,
or at any time by `jobhost users add NAME --role administrator`:
  {link}

"""


class OAuthMount(AccountStore, HttpMount, Service):
    """Answers at ``/auth``; member names are SanteDB's, which are those of the RFCs.

    Where it is configured, accounts and signing keys are in the host's backups.

    While the host has no users, it says once at start by what link its administrator can be made.
    """

    path = "/auth"

    def __init__(
        self,
        authenticator: Authenticator,
        tokens: TokenService,
        accounts: Accounts,
        directory: DataDirectory,
        clock: Clock,
        settings: TokenSettings,
    ) -> None:
        super().__init__(directory.path())
        self._authenticator, self._tokens, self._clock, self._settings = authenticator, tokens, clock, settings
        self._url = directory.path() / URL_NAME
        self._first = FirstSignIn(accounts, clock)
        self._inviting: asyncio.Task[None] | None = None
        self._answering: OAuthFace | None = None

    async def start(self) -> None:
        """Begin to wait for the HTTP server, to tell the link of the first sign-in."""
        if self._inviting is None:
            self._inviting = asyncio.create_task(self._invite(_identity(self._url)))

    async def stop(self) -> None:
        """Make the link void."""
        inviting, self._inviting = self._inviting, None
        self._first.close()
        if inviting is not None:
            inviting.cancel()
            await asyncio.gather(inviting, return_exceptions=True)

    def rules(self) -> Sequence[HttpRule]:
        """Give one rule a kind of request."""
        return RULES

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that a rule let in."""
        await self._oauth_face().handle(scope, receive, send)

    async def refuse(self, scope: Scope, receive: Receive, send: Send, refusal: HttpRefusal) -> None:
        """Answer as the token endpoint answers errors."""
        await self._oauth_face().refuse(scope, receive, send, refusal)

    def _oauth_face(self) -> OAuthFace:
        if self._answering is None:
            from host_rest.oauth.face import OAuthFace

            self._answering = OAuthFace(self._authenticator, self._tokens, self._first, self._clock, self._settings)
        return self._answering

    async def _invite(self, before: tuple[int, ...]) -> None:
        """Tell the link once the server listens, if somebody is needed."""
        try:
            token = self._first.open()
        except HostError as error:
            logger.error("no first sign-in: accounts cannot be read", where=error.where, reason=error.message)
            return
        if token is None:
            return
        while _identity(self._url) in ((), before):  # noqa: ASYNC110  # the server starts later, and tells by the file
            await asyncio.sleep(LOOK_SECONDS)
        link = f"{self._url.read_text().strip()}/auth/first?token={token}"
        logger.warning("no users yet; standard output tells how to create the administrator")
        sys.stdout.write(INVITATION.format(link=link))
        sys.stdout.flush()


def _identity(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
