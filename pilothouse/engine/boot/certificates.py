"""Keeps the certificates of a process that runs for longer than they are valid."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import structlog

from pilothouse.aio.clock import Clock
from pilothouse.wire.tls import load_again

log = structlog.get_logger("boot")
EVERY_S = 6 * 3600.0
"""How often certificates are looked at; they are renewed weeks before their end."""
AGAIN_S = 60.0
"""After a failure: another process may be writing the files, or there was no room for them."""


async def keep_certificates(
    renew: Callable[[], Awaitable[bool]], context: ssl.SSLContext, pair: tuple[Path, Path], clock: Clock
) -> NoReturn:
    """Connections that come find the new certificate, those that are open go on.

    renew: renews what is due; whether there was anything. context: of the listeners. pair: its certificate's and key's files.
    """
    pause_s = EVERY_S
    while True:
        await clock.sleep(pause_s)
        try:
            renewed = await renew()
            # Each time: a renewal may have been interrupted before it was loaded.
            await asyncio.to_thread(load_again, context, *pair)
        except OSError as error:
            # The one that is served is valid for weeks.
            log.warning("certificates not renewed", certificate=str(pair[0]), error=str(error))
            pause_s = AGAIN_S
            continue
        pause_s = EVERY_S
        if renewed:
            log.info("certificates renewed", certificate=str(pair[0]))
