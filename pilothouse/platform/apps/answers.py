"""Whether something answers HTTP at an address: GET / is asked once, and only the status line is read."""

import asyncio
import re
from contextlib import suppress

ANSWER_S = 30.0
"""So long may one answer take: some programs load what they need at the first request."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_NO_HTTP = "the answer is no HTTP"


async def ask(address: str, port: int, host: str, *, timeout_s: float = ANSWER_S) -> int:
    """The status of the answer. Raises TimeoutError after timeout_s, OSError when the connection fails or ends without an answer."""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(address, port)
        try:
            writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: pilothouse\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            line = await reader.readline()
        except ValueError as error:
            raise OSError(_NO_HTTP) from error
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    found = _STATUS.match(line)
    if found is None:
        raise OSError(_NO_HTTP if line else "it is closed without an answer")
    return int(found[1])


def is_good(status: int) -> bool:
    """Any answer but a server error counts: 404 and 401 are answers of an app that works."""
    return status < 500
