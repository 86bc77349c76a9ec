"""Asks a ClusterIP over and over with new connections, as a client of a Service does."""

import asyncio

from bench.rig.figures import now

TRY_S = 0.2
PAUSE_S = 0.002


async def ask(address: str, port: int = 80, *, host: str = "") -> str | None:
    """The body of a 200, None for anything else: refused, silent, another status."""
    writer = None
    try:
        async with asyncio.timeout(TRY_S):
            reader, writer = await asyncio.open_connection(address, port)
            writer.write(f"GET / HTTP/1.0\r\nHost: {host or address}\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return body.decode(errors="replace").strip() if head[9:12] == b"200" else None
    except (OSError, TimeoutError):
        return None
    finally:
        if writer is not None:
            writer.transport.abort()


async def until_answer(address: str, port: int = 80, *, host: str = "", wanted: str = "", deadline_s: float = 60.0) -> float:
    """When the first answer came that contains `wanted`; raises TimeoutError."""
    async with asyncio.timeout(deadline_s):
        while True:
            answer = await ask(address, port, host=host)
            if answer is not None and wanted in answer:
                return now()
            await asyncio.sleep(PAUSE_S)


async def last_answer(address: str, name: str, watched_s: float) -> float | None:
    """When the last request was sent that `name` answered, of those sent within the time; None when it never answered."""
    last, end = None, now() + watched_s
    while (sent := now()) < end:
        if await ask(address) == name:
            last = sent
    return last
