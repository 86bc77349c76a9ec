"""The audit policy that is in force: the file's, followed while the server runs, or the default one while there is no file."""

import asyncio
from pathlib import Path
from typing import NoReturn

import structlog

from pilothouse.engine.apiserver.audit import policy_file
from pilothouse.engine.apiserver.audit.policy import Policy
from pilothouse.engine.apiserver.audit.policy_file import PolicyError

_log = structlog.get_logger("audit")

NAME = "audit policy"
LOOKED_AT_EVERY_S = 2.0


class Ignored(Exception):
    """Why a changed policy is not in force."""


class PolicySource:
    """policy: what counts now."""

    def __init__(self, path: Path) -> None:
        """Raises PolicyError: nothing is served without the records that somebody has asked for."""
        self._path = path
        self._seen = _signature(path)
        self._said = ""
        self.policy = self._read()

    async def run(self, ready: asyncio.Event) -> NoReturn:
        """Follows the file until it is cancelled. Raises Ignored for a file that cannot be used.

        WHY once for each fault: the pauses between failures grow, and a mended file would wait for the end of one.
        """
        while True:
            try:
                await self.look()
            except PolicyError as error:
                if str(error) != self._said:
                    self._said = str(error)
                    raise Ignored(f"{error}; the policy before it stays in force") from error
            else:
                self._said = ""
                ready.set()
            await asyncio.sleep(LOOKED_AT_EVERY_S)

    async def look(self) -> None:
        """Raises PolicyError, again and again while the file stays as it is."""
        signature = _signature(self._path)
        if signature == self._seen:
            return
        self.policy = await asyncio.to_thread(self._read)
        self._seen = signature
        _log.warning("the audit policy has changed", path=str(self._path), rules=len(self.policy.rules), is_default=signature == _MISSING)

    def _read(self) -> Policy:
        try:
            return policy_file.read(self._path)
        except FileNotFoundError:
            return policy_file.read(policy_file.DEFAULT)


_MISSING = (0, 0, 0)


def _signature(path: Path) -> tuple[int, int, int]:
    """Differs once the file is another one."""
    try:
        found = path.stat()
    except OSError:
        return _MISSING
    return found.st_ino, found.st_mtime_ns, found.st_size
