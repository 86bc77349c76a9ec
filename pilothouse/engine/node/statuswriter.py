"""Writes a pod's status: the newest wins, only when it differs, and never in the way of the work itself."""

import asyncio
import time

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.client.client import Client
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.node import status as pod_status
from pilothouse.engine.node.podstate import PodState
from pilothouse.model.errors import ApiError, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS

log = structlog.get_logger("node.status")

OPTIONAL = ("reason", "message", "podIP", "podIPs", "hostIP", "hostIPs", "initContainerStatuses", "startTime")


class StatusWriter:
    """For one pod. `publish` builds and notes, `run` writes."""

    def __init__(self, client: Client, host_ips: tuple[str, ...]) -> None:
        self._client = client
        self._host_ips = host_ips
        self._pod: Object = {}
        self._wanted: Object | None = None
        self._written: Object | None = None
        self._dirty = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._gone = False

    def publish(self, pod: Object, state: PodState) -> None:
        self._pod = pod
        known = self._with_own_conditions(pod)
        status = pod_status.build(known, state, time.time(), self._host_ips, pod["metadata"].get("generation"))
        if status != self._wanted and not self._gone:
            self._wanted = status
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
        backoff = Backoff(0.1, cap_s=10.0)
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            status = self._wanted
            if status is None or status == self._written:
                self._idle.set()
                continue
            try:
                await self._write(status)
            except (NotFound, Conflict):
                # Gone, or another pod under the same name: nobody is left to be told.
                self._gone = True
                self._idle.set()
                return
            except ApiError as error:
                log.warning("status write failed", pod=self._pod["metadata"]["name"], error=error.message)
                self._dirty.set()
                await asyncio.sleep(backoff.next_s())
                continue
            backoff.reset()
            self._written = status
            if not self._dirty.is_set():
                self._idle.set()

    async def _write(self, status: Object) -> None:
        metadata = self._pod["metadata"]
        patch = {"metadata": {"uid": metadata["uid"]}, "status": changes(status, self._written)}
        await self._client.patch(PODS, metadata["name"], patch, namespace=metadata["namespace"], type=STRATEGIC_PATCH, subresource="status")


def changes(status: Object, written: Object | None) -> Object:
    """A strategic merge patch of the status. Lists that are merged by key are replaced where they shrink."""
    known = written or {}
    patch = {key: value for key, value in status.items() if known.get(key) != value}
    for key in OPTIONAL:
        if key in known and key not in status:
            patch[key] = None
    if "conditions" in patch:
        # Merged by type, field by field: what a condition no longer has must be said.
        patch["conditions"] = [{"reason": None, "message": None} | each for each in patch["conditions"]]
    for key in ("podIPs", "hostIPs"):
        if key in patch and patch[key] is not None:
            patch[key] = [{"$patch": "replace"}, *patch[key]]
    return patch
