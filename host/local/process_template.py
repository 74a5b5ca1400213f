"""The host's end of the template process: it has loaded every plugin, and each child is a fork of it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from host.errors import ProviderStartError
from host.local.process_frames import MAX_MESSAGE_BYTES, ChildLimits, ForkOrder, ForkWord
from host.wire import from_json, to_json

OnEnd: TypeAlias = Callable[[int | None, str], None]

BOOT_SECONDS = 90.0
CLOSE_SECONDS = 5.0
RETRY_SECONDS = 0.05


class Template:
    """One template process.

    ``on_end`` of a child is told its exit status (below 0 the signal that killed it), or None and why there is none.
    """

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[ForkWord] = self._loop.create_future()
        self._children: dict[int, OnEnd] = {}
        self._count = 0
        self.is_alive = True
        self._is_ready = False
        self.threads: tuple[str, ...] = ()
        """Threads that a plugin started in it; a fork beside them is not safe."""
        self._loop.add_reader(control, self._read)

    @classmethod
    async def boot(cls, command: Sequence[str], document: bytes, limits: ChildLimits, lock: int | None) -> Template:
        """Start one and wait until it can fork; raises ProviderStartError with what it says if it cannot."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            held = () if lock is None else (lock,)
            numbers = map(str, (os.getpid(), theirs.fileno(), *held))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *command, *numbers),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *held),
                start_new_session=True,  # what a terminal sends to its processes is for the host to pass on
            )
        template = cls(process, ours)
        try:
            async with asyncio.timeout(BOOT_SECONDS):
                await template._hand_over(to_json(limits) + b"\n" + document)
        except BaseException as error:
            await template.close()
            if isinstance(error, TimeoutError):
                raise ProviderStartError(f"the process for jobs did not start within {BOOT_SECONDS:g} s") from error
            raise
        return template

    def fork(self, descriptors: Sequence[int], on_end: OnEnd) -> int:
        """Have a child forked that gets these descriptors; gives its number."""
        self._count += 1
        socket.send_fds(self._control, [to_json(ForkOrder(fork=self._count))], descriptors)
        self._children[self._count] = on_end
        return self._count

    def kill(self, child: int) -> None:
        """Kill a child and all that is in its process group; nothing if it has ended."""
        # Invariant: only its parent kills it, because only that knows whether the process id is still the child's.
        if child in self._children and self.is_alive:
            try:
                self._control.send(to_json(ForkOrder(kill=child)))
            except BlockingIOError:
                self._loop.call_later(RETRY_SECONDS, self.kill, child)
            except OSError:
                self._end()  # it has died, and its children with it

    async def close(self) -> None:
        """Kill what is left of its children, and end it; safe twice."""
        self._end()
        if not self._is_ready and self._process.returncode is None:
            self._process.kill()  # it has no children, and may be busy with a plugin's import
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _hand_over(self, document: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # it says why it ended, or dies without a word
            stdin.write(document)
            await stdin.drain()
        stdin.close()
        word = await self._ready
        if word.failed is not None:
            raise ProviderStartError(f"the process for jobs could not start: {word.failed}")
        self.threads, self._is_ready = word.threads, True

    def _read(self) -> None:
        while self.is_alive:
            try:
                data = self._control.recv(MAX_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            if not data:
                self._end()
                return
            self._hear(from_json(data, ForkWord))

    def _hear(self, word: ForkWord) -> None:
        if word.ended is not None:
            on_end = self._children.pop(word.ended)
            on_end(word.code, word.failed or "")
        elif not self._ready.done():
            self._ready.set_result(word)

    def _end(self) -> None:
        if not self.is_alive:
            return
        self.is_alive = False
        self._loop.remove_reader(self._control)
        self._control.close()
        if not self._ready.done():
            self._ready.set_result(ForkWord(failed="it died; the host's error output may say why"))
        children, self._children = self._children, {}
        for on_end in children.values():
            on_end(None, "the process it was forked from ended")
