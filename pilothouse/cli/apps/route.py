"""Whether an app answers at its URL: asked once through the gateway, as a browser would."""

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import click

from pilothouse.cli.session import Session
from pilothouse.cli.settings.home import Settings

ANSWER_S = 30.0
"""So long may one answer take: some programs load what they need at the first request."""
PATIENCE_S = 10.0
"""So long an app that is ready may answer with server errors."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_MOST_BYTES = 64 * 1024


@dataclass(slots=True)
class Route:
    """The way through this machine's gateway. address: where it listens.

    fault: what came instead of an answer the last time. since: when it was asked first, seconds of the monotonic clock.
    """

    address: str
    fault: str = ""
    _since: float | None = field(default=None)

    async def is_answered(self, url: str) -> bool:
        """Any answer but a server error counts: 404 and 401 are answers of an app that works."""
        self._since = time.monotonic() if self._since is None else self._since
        split = urlsplit(url)
        try:
            async with asyncio.timeout(ANSWER_S):
                status = await _ask(self.address, split.port or 80, split.netloc)
        except TimeoutError:
            self.fault = f"nothing is answered at {url}/ within {ANSWER_S:g} s"
        except OSError as error:
            self.fault = f"the connection to {url} fails: {error.strerror or error}"
        else:
            self.fault = "" if status < 500 else f"GET {url}/ is answered with {status}"
        return not self.fault

    @property
    def is_hopeless(self) -> bool:
        return bool(self.fault) and self._since is not None and time.monotonic() - self._since > PATIENCE_S


def gateway() -> Route | None:
    """The one of the command's own instance; None for a foreign cluster, whose gateway may be out of reach."""
    context = click.get_current_context(silent=True)
    session = context.find_object(Session) if context is not None else None
    if session is None or session.kubeconfig != session.home.kubeconfig:
        return None
    settings = Settings.load(session.home)
    if settings is None or not settings.platform:
        return None
    return Route("127.0.0.1" if settings.listen in ("0.0.0.0", "::") else settings.listen)  # noqa: S104 - compared, not bound


async def _ask(address: str, port: int, host: str) -> int:
    """The status of GET /. Raises OSError when the connection ends without one."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ph\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        line = await reader.readline()
    except ValueError as error:
        raise OSError("the answer is no HTTP") from error
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    found = _STATUS.match(line[:_MOST_BYTES])
    if found is None:
        raise OSError("the answer is no HTTP" if line else "it is closed without an answer")
    return int(found[1])
