"""Keeps the certificates of a process that runs for longer than they are valid."""

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import structlog

from pilothouse.aio.clock import Clock

log = structlog.get_logger("boot")
EVERY_S = 6 * 3600.0
"""How often certificates are looked at; they are renewed weeks before their end."""


async def keep_certificates(
    renew: Callable[[], Awaitable[bool]], context: ssl.SSLContext, pair: tuple[Path, Path], clock: Clock
) -> NoReturn:
    """Connections that come find the new certificate, those that are open go on.

    renew: renews what is due; whether there was anything. context: of the listeners. pair: its certificate's and key's files.
    """
    while True:
        await clock.sleep(EVERY_S)
        renewed = await renew()
        # Each time: a renewal may have been interrupted before it was loaded.
        context.load_cert_chain(*pair)
        if renewed:
            log.info("certificates renewed", certificate=str(pair[0]))
