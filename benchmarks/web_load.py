"""Load on a host's HTTP server, from a process of its own: requests at a steady rate, and streams that only listen.

python benchmarks/web_load.py BASE_URL TOKEN RATE STREAMS SECONDS STREAM_QUERY PATH [PATH …]
Prints one JSON line: how many requests were answered, how long they took, how many streams were open in the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

CONNECTIONS = 20


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> int:
    """Send a request and read its whole answer; gives the status."""
    writer.write(head)
    status = int((await reader.readline()).split()[1])
    length = 0
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    await reader.readexactly(length)
    return status


async def connection(
    host: str,
    port: int,
    heads: list[bytes],
    start: float,
    step: float,
    end: float,
    took: list[float],
    statuses: dict[int, int],
) -> None:
    """Ask at this connection's own times."""
    reader, writer = await asyncio.open_connection(host, port)
    number = 0
    while (due := start + number * step) < end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        status = await ask(reader, writer, heads[number % len(heads)])
        took.append(time.monotonic() - due)
        statuses[status] = statuses.get(status, 0) + 1
        number += 1
    writer.close()


async def stream(host: str, port: int, head: bytes, end: float) -> bool:
    """Listen until the end; whether it was still open then."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(head)
    try:
        async with asyncio.timeout(end - time.monotonic()):
            while await reader.read(65536):
                pass
    except TimeoutError:
        return True
    finally:
        writer.close()
    return False


async def main() -> None:
    """Run and print the line."""
    base, token, rate, streams, seconds, query, *paths = sys.argv[1:]
    parts = urlsplit(base)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    head = f"Host: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
    heads = [f"GET {path} HTTP/1.1\r\n{head}Accept: application/json\r\n\r\n".encode() for path in paths]
    listen = f"GET /rest/v1/events{query} HTTP/1.1\r\n{head}Accept: text/event-stream\r\n\r\n".encode()
    end = time.monotonic() + float(seconds)
    listeners = []
    for _ in range(int(streams)):
        listeners.append(asyncio.create_task(stream(host, port, listen, end)))
        await asyncio.sleep(0.002)
    took: list[float] = []
    statuses: dict[int, int] = {}
    start, step = time.monotonic(), CONNECTIONS / float(rate)
    if float(rate):
        await asyncio.gather(
            *(
                connection(
                    host,
                    port,
                    heads[n % len(heads) :] + heads[: n % len(heads)],
                    start + n * step / CONNECTIONS,
                    step,
                    end,
                    took,
                    statuses,
                )
                for n in range(CONNECTIONS)
            )
        )
    still_open = sum(await asyncio.gather(*listeners))
    took.sort()
    at = lambda share: round(took[min(len(took) - 1, int(len(took) * share))] * 1000, 2) if took else None  # noqa: E731
    print(
        json.dumps(
            {
                "requests": len(took),
                "statuses": statuses,
                "p50_ms": at(0.5),
                "p95_ms": at(0.95),
                "p99_ms": at(0.99),
                "streams_open": still_open,
            }
        )
    )


asyncio.run(main())
