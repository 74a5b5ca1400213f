"""Heads that go out with what follows them."""

from __future__ import annotations

import asyncio

from host_rest.server.joining import JoinedHeads

HEAD = b"HTTP/1.1 200 OK\r\na: b\r\n\r\n"


class Notes(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:  # type: ignore[override]  # bytes alone are written here
        self.done.append(data)

    def write_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.done.append("close")

    def is_closing(self) -> bool:
        return "close" in self.done


def test_a_head_and_its_body_are_one_write_and_nothing_is_held_for_longer_than_a_turn() -> None:
    async def check() -> None:
        notes = Notes()
        joined = JoinedHeads(notes, asyncio.get_running_loop())
        joined.write(HEAD)
        joined.write(b"body")
        joined.write(b"more")
        assert notes.done == [HEAD + b"body", b"more"]
        joined.write(HEAD)
        assert len(notes.done) == 2
        await asyncio.sleep(0)
        joined.write(b"late")
        assert notes.done[2:] == [HEAD, b"late"]

    asyncio.run(check())


def test_an_end_comes_after_what_was_held() -> None:
    async def check() -> None:
        for end in ("eof", "close"):
            notes = Notes()
            joined = JoinedHeads(notes, asyncio.get_running_loop())
            joined.write(HEAD)
            getattr(joined, "write_eof" if end == "eof" else "close")()
            await asyncio.sleep(0)
            assert notes.done == [HEAD, end]
            assert joined.is_closing() == (end == "close")

    asyncio.run(check())
