"""Auditing in the control plane's process: the policy and the log that it was set up with, and who says when they do not work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pilothouse.aio.supervisor import Supervisor
from pilothouse.engine.apiserver.audit.auditor import Auditor
from pilothouse.engine.apiserver.audit.files import Bounds
from pilothouse.engine.apiserver.audit.log import AuditLog, Unwritten
from pilothouse.engine.apiserver.audit.policy_source import NAME as POLICY
from pilothouse.engine.apiserver.audit.policy_source import PolicySource
from pilothouse.engine.apiserver.audit.strangers import Share

LOG = "audit log"
LOOKED_AT_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """policy: the file with the policy, which need not be there. folder: of the log. is_strict: see `apiserver.audit.auditor`."""

    policy: Path
    folder: Path
    bounds: Bounds
    is_strict: bool = False


@asynccontextmanager
async def auditing(config: AuditConfig | None, supervisor: Supervisor) -> AsyncIterator[Auditor | None]:
    """What the API server records with; None when nothing is to be recorded. Raises PolicyError."""
    if config is None:
        yield None
        return
    policy = await asyncio.to_thread(PolicySource, config.policy)
    async with AuditLog.open(config.folder, config.bounds) as log:
        supervisor.start(POLICY, policy.run)
        supervisor.start(LOG, LogHealth(log).run)
        yield Auditor(policy, log, config.is_strict, Share(config.bounds.largest_bytes // 2))


class LogHealth:
    """Says that events do not reach the disk: a component that fails until they do again, so that `ph status` names it."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._said = ""

    async def run(self, ready: asyncio.Event) -> NoReturn:
        """Works until it is cancelled. Raises Unwritten when the log cannot be written.

        WHY once for each trouble: the pauses between failures grow, and the trouble would be named long after its end.
        """
        while True:
            if not self._log.trouble:
                self._said = ""
                ready.set()
            elif self._log.trouble != self._said:
                self._said = self._log.trouble
                raise Unwritten(self._said)
            await asyncio.sleep(LOOKED_AT_EVERY_S)
