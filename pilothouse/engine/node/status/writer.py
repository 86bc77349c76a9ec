"""Writes a pod's status: the newest wins, only when it differs, and never in the way of the work itself.

It is compared with what was written last and with the API's own copy: when somebody else has written into what is the node's to
say (the node controller declares the pods of a silent node unready), it is said again.
"""

import asyncio

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.clock import Steady
from pilothouse.aio.pace import Budget, Pace
from pilothouse.client.client import Client
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.state import PodState
from pilothouse.engine.node.static.manifest import is_static
from pilothouse.engine.node.status import pod as pod_status
from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS

log = structlog.get_logger("node.status")

OPTIONAL = (
    *("reason", "message", "podIP", "podIPs", "hostIP", "hostIPs", "startTime"),
    *("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"),
)
PASSING = ("PodResizePending", "PodResizeInProgress")
"""Conditions that are there only while they hold."""
REPAIRS = Budget(burst=3, refill_s=30.0)


class StatusWriter:
    """For one pod. `publish` builds and notes, `observe` compares with the API's copy, `run` writes."""

    def __init__(self, client: Client, host_ips: tuple[str, ...], clock: Steady | None = None) -> None:
        self._client = client
        self._host_ips = host_ips
        self._clock = Steady() if clock is None else clock
        self._pod: Object = {}
        self._present: Object = {}
        self._uid: str | None = None
        self._wanted: Object | None = None
        self._written: Object | None = None
        self._revision = 0
        self._dirty = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._gone = False
        self._repairs = Pace(REPAIRS)
        self._repair: asyncio.TimerHandle | None = None

    def publish(self, pod: Object, state: PodState) -> None:
        self._pod = pod
        if not is_static(pod):
            self._uid, self._present = meta.uid(pod), pod
        known = self._with_own_conditions(pod)
        status = pod_status.build(known, state, self._clock(), self._host_ips, pod["metadata"].get("generation"), stamp=self._clock.stamp())
        if status != self._wanted and not self._gone:
            self._wanted = status
            self._mark()

    def mirrored(self, mirror: Object | None) -> None:
        """A static pod has its status in another object, None while there is none: then it waits for the next one."""
        uid = None if mirror is None else meta.uid(mirror)
        if uid != self._uid:
            self._uid, self._written, self._revision, self._present = uid, None, 0, mirror or {}
            if self._wanted is not None:
                self._mark()
        elif mirror is not None:
            self.observe(mirror)

    def observe(self, pod: Object) -> None:
        """A copy of the pod from the API. Copies from before our last write are old news."""
        revision = _order(pod)
        if self._wanted is None or self._written is None or self._gone or revision <= self._revision:
            return
        self._revision, self._present = revision, pod
        if self._idle.is_set() and disagrees(self._wanted, pod.get("status") or {}):
            self._repair_later()

    def _repair_later(self) -> None:
        if self._repair is not None:
            return
        loop = asyncio.get_running_loop()
        # Two writers that never agree must not keep the API busy.
        self._repair = loop.call_later(self._repairs.round(loop.time()), self._write_again)

    def _write_again(self) -> None:
        self._repair = None
        log.info("status was changed by somebody else and is written again", pod=podspec.key_of(self._pod))
        self._written = None
        self._mark()

    def _mark(self) -> None:
        self._idle.clear()
        self._dirty.set()

    def _with_own_conditions(self, pod: Object) -> Object:
        """The pod with the conditions last built for it, since the API's news of them may not have come back yet."""
        if self._wanted is None:
            return pod
        present = pod.get("status") or {}
        own = {each["type"]: each for each in self._wanted["conditions"]}
        others = [each for each in present.get("conditions") or () if each["type"] not in own]
        return pod | {"status": present | {"conditions": [*others, *own.values()]}}

    async def flush(self, timeout_s: float) -> None:
        """Until what was published last is written, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning("status not written", pod=self._pod["metadata"]["name"])

    async def run(self) -> None:
        """Until cancelled, or the pod is gone from the API."""
        try:
            await self._run()
        finally:
            if self._repair is not None:
                self._repair.cancel()

    async def _run(self) -> None:
        backoff = Backoff(0.1, cap_s=10.0)
        while not self._gone:
            await self._dirty.wait()
            self._dirty.clear()
            status = self._wanted
            if status is None or status == self._written or self._uid is None:
                self._idle.set()
                continue
            try:
                await self._write(status)
            except (NotFound, Conflict):
                # Gone, or another pod under the same name: there is nothing left to write to, but a mirror comes again.
                self._uid, self._gone = None, not is_static(self._pod)
                self._idle.set()
            except ApiError as error:
                log.warning("status write failed", pod=self._pod["metadata"]["name"], error=error.message)
                self._dirty.set()
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.reset()
                if not self._dirty.is_set():
                    self._idle.set()

    async def _write(self, status: Object) -> None:
        metadata = self._pod["metadata"]
        patch = {"metadata": {"uid": self._uid}, "status": changes(status, self._written, self._present)}
        answer = await self._client.patch(
            PODS, metadata["name"], patch, namespace=metadata["namespace"], type=STRATEGIC_PATCH, subresource="status"
        )
        if _order(answer) >= self._revision:
            self._revision, self._present = _order(answer), answer
        self._written = status
        if disagrees(status, answer.get("status") or {}):
            # What was changed meanwhile is not in what we took for known.
            self._repair_later()


def changes(status: Object, written: Object | None, pod: Object | None = None) -> Object:
    """A strategic merge patch of the status. Lists that are merged by key are replaced where they shrink.

    written: by this agent. pod: as the API showed it last, with what agents before this one wrote.
    """
    known, present = written or {}, (pod or {}).get("status") or {}
    patch = {key: value for key, value in status.items() if known.get(key) != value}
    for key in OPTIONAL:
        if key in {**known, **present} and key not in status:
            patch[key] = None
    if "conditions" in patch:
        # Merged by type, field by field: what a condition no longer has must be said.
        patch["conditions"] = [{"reason": None, "message": None} | each for each in patch["conditions"]]
        wanted = {each["type"] for each in status["conditions"]}
        shown = {each["type"] for each in [*(known.get("conditions") or ()), *(present.get("conditions") or ())]}
        patch["conditions"] += [{"$patch": "delete", "type": each} for each in PASSING if each in shown - wanted]
    for key in ("podIPs", "hostIPs"):
        if key in patch and patch[key] is not None:
            patch[key] = [{"$patch": "replace"}, *patch[key]]
    return patch


def disagrees(wanted: Object, present: Object) -> bool:
    """Whether the API's copy says something else about what is the node's to say. Times, and how values are spelt, do not count."""
    if any(wanted.get(key) != present.get(key) for key in ("phase", "podIP")):
        return True
    known = {each["type"]: each for each in present.get("conditions") or ()}
    if any(_facts(each, CONDITION) != _facts(known.get(each["type"]), CONDITION) for each in wanted["conditions"]):
        return True
    return any(_containers(wanted, key) != _containers(present, key) for key in podspec.STATUSES)


CONDITION = ("status", "reason", "message")
CONTAINER = ("ready", "restartCount", "started", "containerID")


def _facts(value: Object | None, keys: tuple[str, ...]) -> list[object]:
    return [(value or {}).get(key) or None for key in keys]


def _containers(status: Object, key: str) -> dict[str, list[object]]:
    return {each["name"]: [*_facts(each, CONTAINER), *sorted(each.get("state") or {})] for each in status.get(key) or ()}


def _order(obj: Object) -> int:
    """Of the object's revision; revisions compare as integers (Kubernetes 1.35 promises it, KEP-5504)."""
    revision = meta.resource_version(obj) if obj.get("metadata") else ""
    return natural(revision) or 0
