"""Restarts that the node has decided, kept until they are done: an agent that begins anew would go by restart policies alone.

Kept in a file of the pod's folder, by the ids of containers, which no clock can mix up: those that were to be ended and started again
since their definition had changed, those that a restart of the whole pod has left behind, and those that were ended since their
sandbox had died.
"""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from pilothouse.engine.node.files import durable
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.restarts import begin_again, lasting, leave_behind, restart_source
from pilothouse.engine.node.work.context import Handle
from pilothouse.model.json import JSONError, dumps, loads

log = structlog.get_logger("node.restarting")

FILE = "restarts.json"


@dataclass(frozen=True, slots=True)
class Decided:
    """Ids. redo: to be started again whatever their policy says.

    left: of before a restart of the whole pod. source: of the one whose end asked for that.
    cut: of those that outlived their sandbox, and were ended for that.
    """

    redo: frozenset[str] = field(default_factory=frozenset)
    left: frozenset[str] = field(default_factory=frozenset)
    source: str = ""
    cut: frozenset[str] = field(default_factory=frozenset)


class Restarting:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._state = handle.state
        self._decided = Decided()
        # Containers are ended beside each other.
        self._lock = asyncio.Lock()

    @property
    def _file(self) -> Path:
        return self._handle.context.config.pod_dir(self._handle.uid) / FILE

    async def recall(self) -> None:
        """Goes on with what an earlier agent had decided. What was to be ended and runs nevertheless is decided anew."""
        self._decided = found = await asyncio.to_thread(_read, self._file)
        leave_behind(self._handle.object, self._state, found.left, found.source)
        for tracked in self._state.containers.values():
            tracked.redo = tracked.exited and tracked.latest is not None and tracked.latest.id in found.redo
            tracked.cut = tracked.latest is not None and tracked.latest.id in found.cut
        redo = frozenset(each.latest.id for each in self._state.containers.values() if each.redo and each.latest is not None)
        if redo != found.redo:
            await self._keep(replace(found, redo=redo))

    async def will_redo(self, id: str) -> None:
        """The container is about to be ended, to be started again."""
        async with self._lock:
            known = {each.latest.id for each in self._state.containers.values() if each.latest is not None}
            await self._keep(replace(self._decided, redo=self._decided.redo & known | {id}))

    async def will_cut(self) -> None:
        """What runs is about to be ended, since its sandbox has died; what ended for that at an earlier try stays noted."""
        for tracked in self._state.containers.values():
            tracked.cut = tracked.cut or tracked.alive
        ids = frozenset(each.latest.id for each in self._state.containers.values() if each.cut and each.latest is not None)
        async with self._lock:
            await self._keep(replace(self._decided, cut=ids))

    async def begin_again(self) -> None:
        """All containers have ended and are to run again."""
        pod, source = self._handle.object, restart_source(self._handle.object, self._state)
        ids = frozenset(tracked.latest.id for tracked in lasting(pod, self._state) if tracked.latest is not None)
        if source is not None and source.latest is not None:
            async with self._lock:
                await self._keep(Decided(left=ids, source=source.latest.id))
        begin_again(pod, self._state)

    async def _keep(self, decided: Decided) -> None:
        """That it cannot be kept holds nothing up: it is needed only by an agent that takes this one's place in the meantime."""
        self._decided = decided
        content = dumps({"redo": sorted(decided.redo), "left": sorted(decided.left), "source": decided.source, "cut": sorted(decided.cut)})
        try:
            await asyncio.to_thread(durable.write, self._file, content)
        except OSError as error:
            log.warning("a restart is not kept", pod=podspec.key_of(self._handle.object), why=str(error))


def _read(file: Path) -> Decided:
    """Nothing where there is no file, or one that nobody can read any more."""
    try:
        found = loads(file.read_bytes())
    except (FileNotFoundError, JSONError):
        return Decided()
    if not isinstance(found, dict) or not all(isinstance(found.get(name) or [], list) for name in ("redo", "left", "cut")):
        return Decided()
    redo, left, cut = (frozenset(map(str, found.get(name) or ())) for name in ("redo", "left", "cut"))
    return Decided(redo, left, str(found.get("source") or ""), cut)
