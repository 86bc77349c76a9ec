"""Asks each other server whether it answers, at intervals and when something of it changes; a few at a time, none twice a second.

One that does not answer is asked again soon, at growing intervals, and holds up none of the others.
Source: kube-aggregator pkg/controllers/status/remote, whose resync this interval is.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.tasks import Scope, scope
from pilothouse.engine.apiserver.aggregator import resource_list
from pilothouse.engine.apiserver.aggregator.asking import Asker
from pilothouse.engine.apiserver.aggregator.described import MOST_BYTES as MOST_DESCRIBED_BYTES
from pilothouse.engine.apiserver.aggregator.described import Described, described
from pilothouse.engine.apiserver.aggregator.findings import Finding, Findings
from pilothouse.engine.apiserver.resources.registration import Registration
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object, dumps

EVERY_S = 30.0
DESCRIBED_AGAIN_S = 180.0
"""Between two readings of a description whose hash nobody says, or that could not be used: it may be large."""
FLOOR_S = 1.0
AT_A_TIME = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 15.0
_log = structlog.get_logger("apiserver.aggregator")


@dataclass(slots=True)
class _Turn:
    """due_at, began_at, described_at: in the loop's time, the last when its description was read. is_running: whether it is being asked.

    is_changed: whether something about it has changed since its description was read.
    """

    due_at: float
    began_at: float = float("-inf")
    is_running: bool = False
    described_at: float = float("-inf")
    is_changed: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S))


class Checks:
    """registered: the APIService of a name, None without one that names a service. told: called with the name once something is found.

    encode: writes descriptions of version 2; what it cannot write is not taken.
    """

    def __init__(
        self,
        registered: Callable[[str], Registration | None],
        asker: Asker,
        findings: Findings,
        told: Callable[[str], None],
        encode: Callable[[Object], bytes] = dumps,
    ) -> None:
        self._encode = encode
        self._registered = registered
        self._asker = asker
        self._findings = findings
        self._told = told
        self._turns: dict[str, _Turn] = {}
        self._changed = asyncio.Event()

    def ask(self, name: str) -> None:
        """Soon: something about it has changed. Returns at once."""
        now = _now()
        turn = self._turns.setdefault(name, _Turn(now))
        turn.due_at = min(turn.due_at, max(now, turn.began_at + FLOOR_S))
        turn.is_changed = True
        self._changed.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        async with scope() as tasks:
            while True:
                self._changed.clear()
                self._begin_due(tasks)
                try:
                    async with asyncio.timeout_at(self._next_at()):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    def _begin_due(self, tasks: Scope) -> None:
        now = _now()
        places = AT_A_TIME - sum(turn.is_running for turn in self._turns.values())
        for name, turn in sorted(self._turns.items(), key=lambda item: item[1].due_at):
            if turn.due_at > now or places <= 0:
                return
            if not turn.is_running:
                places -= 1
                turn.is_running, turn.began_at, turn.due_at = True, now, now + EVERY_S
                tasks.spawn(self._check(name, turn))

    def _next_at(self) -> float | None:
        """None: not before something changes."""
        waiting = [turn.due_at for turn in self._turns.values() if not turn.is_running]
        is_full = len(self._turns) - len(waiting) >= AT_A_TIME
        return None if is_full or not waiting else min(waiting)

    async def _check(self, name: str, turn: _Turn) -> None:
        try:
            registration = self._registered(name)
            if registration is None:
                del self._turns[name]
                self._findings.keep(self._turns.keys() - {name})
                return
            finding = await self._found(registration, turn)
            self._findings.put(name, finding)
            if finding.failure:
                turn.due_at = min(turn.due_at, _now() + turn.backoff.next_s())
            else:
                turn.backoff.reset()
            self._told(name)
        except Exception:  # Whatever is wrong with one must not end the asking of all others.
            _log.exception("another server could not be asked", apiservice=name)
        finally:
            turn.is_running = False
            self._changed.set()

    async def _found(self, registration: Registration, turn: _Turn) -> Finding:
        before = self._findings.of(registration) or Finding(registration)
        try:
            answer = await self._asker.get(registration, registration.path)
        except ApiError as error:
            return _failed(before, registration, error.message)
        if not 200 <= answer.status < 300:
            return _failed(before, registration, f"bad status from {registration.url}: {answer.status}")
        resources = resource_list.entries(answer.value, registration.group, registration.version)
        openapi = await self._openapi(registration)
        return Finding(registration, "", resources, openapi, await self._described(registration, openapi, before, turn))

    async def _openapi(self, registration: Registration) -> str:
        """Where its document of version 3 is, as its index says."""
        name = registration.path.strip("/")
        try:
            index = (await self._asker.get(registration, "/openapi/v3")).value or {}
        except ApiError:
            return ""
        return description_in(index, name)

    async def _described(self, registration: Registration, openapi: str, before: Finding, turn: _Turn) -> Described | None:
        """Asked again when the hash of its description has changed, and seldom where there is none or it was of no use."""
        is_same = before.openapi == openapi
        if is_same and openapi and before.described is not None:
            return before.described
        if is_same and not turn.is_changed and _now() < turn.described_at + DESCRIBED_AGAIN_S:
            return before.described
        turn.is_changed, turn.described_at = False, _now()
        try:
            document = (await self._asker.get(registration, "/openapi/v2", most_bytes=MOST_DESCRIBED_BYTES)).value
        except ApiError:
            return before.described if is_same else None
        if document is None:
            return None
        return await asyncio.to_thread(described, document, registration.name, registration.path, self._encode)


def _failed(before: Finding, registration: Registration, why: str) -> Finding:
    """What was known of what it serves stays so."""
    said = f"failing or missing response from {registration.url}: {why}"
    return replace(before, of=registration, failure=said, is_outdated=False)


def description_in(index: Object, name: str) -> str:
    """ "" where the index has none, or leads elsewhere."""
    paths = index.get("paths")
    stated = paths.get(name) if isinstance(paths, dict) else None
    url = stated.get("serverRelativeURL") if isinstance(stated, dict) else None
    own = f"/openapi/v3/{name}"
    return url if isinstance(url, str) and url.partition("?")[0] == own and len(url) < 1024 else ""


def _now() -> float:
    return asyncio.get_running_loop().time()
