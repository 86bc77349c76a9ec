"""A server whose requests are recorded, and what is recorded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pilothouse.engine.apiserver.audit.auditor import Auditor
from pilothouse.engine.apiserver.audit.files import CURRENT, Bounds
from pilothouse.engine.apiserver.audit.log import AuditLog
from pilothouse.engine.apiserver.audit.policy_source import PolicySource
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object, loads

HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
EVERYTHING = "rules: [{level: RequestResponse}]"


class Mark:
    size = 0

    def encoded(self) -> bytes:
        return b"{}"


class Trail:
    """policy: the file with the policy."""

    def __init__(self, server: ApiServer, auditor: Auditor, policy: Path) -> None:
        self.server = server
        self.auditor = auditor
        self.policy = policy

    async def text(self) -> str:
        """All that is in the log once what has happened is in it."""
        await self.auditor.log.written(Mark())
        return (self.auditor.log.folder / CURRENT).read_text()

    async def events(self, stage: str = "ResponseComplete", **fields: str) -> list[Object]:
        """Of one stage, "" for all, and with these values at their top level, in order."""
        found = [loads(line) for line in (await self.text()).splitlines() if line != "{}"]
        return [
            event for event in found if stage in ("", event["stage"]) and all(event.get(name) == value for name, value in fields.items())
        ]

    async def last(self, stage: str = "ResponseComplete", **fields: str) -> Object:
        return (await self.events(stage, **fields))[-1]

    async def use(self, rules: str) -> None:
        self.policy.write_text(HEAD + rules)
        await self.auditor.policy.look()


@asynccontextmanager
async def recorded(store: Store, state: Path, folder: Path, rules: str = EVERYTHING, *, is_strict: bool = False) -> AsyncIterator[Trail]:
    policy = folder / "audit-policy.yaml"
    policy.write_text(HEAD + rules)
    async with AuditLog.open(folder / "audit", Bounds()) as log:
        auditor = Auditor(PolicySource(policy), log, is_strict)
        async with ApiServer.open(store, Settings(state, auditor=auditor)) as server:
            yield Trail(server, auditor, policy)
