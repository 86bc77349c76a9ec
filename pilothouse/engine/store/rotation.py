"""Follows the file of keys while the store is in use: what was written with another key than the first, or with none, is written anew."""

import asyncio
from pathlib import Path

import structlog

from pilothouse.engine.store import keyring
from pilothouse.engine.store.encryption import Encryption
from pilothouse.engine.store.errors import StorageFailed, StoreBroken, StoreClosed
from pilothouse.engine.store.keyring import KeyringError
from pilothouse.engine.store.sealing import SealError
from pilothouse.engine.store.store import Store

_log = structlog.get_logger("store")

LOOKED_AT_EVERY_S = 5.0


class Rotation:
    def __init__(self, store: Store, encryption: Encryption, path: Path) -> None:
        self._store = store
        self._encryption = encryption
        self._path = path
        self._seen = _signature(path)
        self._is_due = False

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Works until it is cancelled or the store is closed. ready: set when the first look is over."""
        while True:
            try:
                await self.look()
            except (StoreClosed, StoreBroken):
                return
            except (StorageFailed, SealError, KeyringError) as error:
                _log.warning("the keys of the store are tried again", error=str(error))
            if ready is not None:
                ready.set()
            await asyncio.sleep(LOOKED_AT_EVERY_S)

    async def look(self) -> None:
        """Take over a changed file. Raises KeyringError (the keys of before stay in use), SealError, StorageFailed, StoreClosed."""
        signature = _signature(self._path)
        if signature != self._seen:
            self._encryption.use(await asyncio.to_thread(keyring.read, self._path))
            self._seen, self._is_due = signature, True
        rewritten = await self._store.seal_anew(all_rows=self._is_due)
        self._is_due = False
        if rewritten:
            _log.info("stored values are encrypted with the first key", rewritten=rewritten, keys=str(self._path))


def _signature(path: Path) -> tuple[int, int]:
    """Differs once the file is another one; a missing file has one too."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns
