"""Leader election: of several processes that could do the same work, one does, as long as it can say so in time.

A Lease names the holder and is renewed by it. A candidate takes over when it has seen no renewal for the lease's duration by
its *own* clock, so clocks need not agree. The holder gives up (`LeadershipLost`) before others may take over.
Source: client-go/tools/leaderelection.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.model.errors import AlreadyExists, ApiError, Conflict
from pilothouse.model.json import Object
from pilothouse.model.kinds import LEASES
from pilothouse.model.meta import rfc3339_micro

log = structlog.get_logger("client.leases")


class LeadershipLost(Exception):
    """The lease could not be renewed in time, or somebody else holds it."""


class LeaderElection:
    """identity: of this process, different from every other candidate's. duration_s > renew_within_s > retry_s."""

    def __init__(
        self,
        client: Client,
        name: str,
        namespace: str,
        identity: str,
        *,
        duration_s: float = 15.0,
        renew_within_s: float = 10.0,
        retry_s: float = 2.0,
    ) -> None:
        self.identity = identity
        self.is_leader = False
        self._client = client
        self._name = name
        self._namespace = namespace
        self._duration_s = duration_s
        self._renew_within_s = renew_within_s
        self._retry_s = retry_s
        self._seen: Object | None = None
        self._seen_at = 0.0

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait to become the leader, then do the work; the lease is given back at its end.

        Raises LeadershipLost (in an exception group) after the work has been cancelled because the lease was lost.
        """
        renewed_at = await self._acquire()
        log.info("leads", lease=self._name, identity=self.identity)
        try:
            async with scope() as tasks:
                tasks.spawn(self._keep(renewed_at), name=f"lease {self._name}")
                await work()
                tasks.cancel()
        finally:
            self.is_leader = False
            await self._release()

    async def _acquire(self) -> float:
        """Returns from when on the lease is held."""
        waits_for = None
        while True:
            tried_at = self._now()
            if await self._try() and self._now() - tried_at < self._renew_within_s:
                self.is_leader = True
                return tried_at
            if self._holder() and self._holder() != waits_for:
                waits_for = self._holder()
                log.info("waits", lease=self._name, holder=waits_for)
            await asyncio.sleep(self._retry_s * (1 + random.random() / 5))

    async def _keep(self, renewed_at: float) -> None:
        while True:
            await asyncio.sleep(self._retry_s)
            tried_at = self._now()  # The others count from when the server wrote it, which may be long before its answer.
            left_s = self._renew_within_s - (tried_at - renewed_at)
            try:
                async with asyncio.timeout(max(left_s, 0)):
                    renewed = await self._try()
            except TimeoutError:
                renewed = False
            if renewed:
                renewed_at = tried_at
            elif self._now() - renewed_at >= self._renew_within_s or self._holder() not in ("", self.identity):
                self.is_leader = False
                raise LeadershipLost(f"lease {self._namespace}/{self._name} {self._why_lost()}")

    async def _try(self) -> bool:
        """One attempt to take or renew the lease; False when it is another's, or the server does not answer."""
        try:
            lease = await self._client.get_or_none(LEASES, self._name, self._namespace)
            self._observe(lease)
            if lease is None:
                taken = await self._client.create(LEASES, self._lease(self._spec(None)), self._namespace)
            elif self._may_take(lease):
                taken = await self._client.update(LEASES, lease | {"spec": self._spec(lease)}, self._namespace)
            else:
                return False
        except (Conflict, AlreadyExists):
            return False
        except ApiError as error:
            log.warning("lease not renewed", lease=self._name, error=error.message)
            return False
        self._observe(taken)
        return True

    def _observe(self, lease: Object | None) -> None:
        spec = None if lease is None else lease.get("spec")
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._now()

    def _may_take(self, lease: Object) -> bool:
        spec = lease.get("spec") or {}
        if spec.get("holderIdentity") in (None, "", self.identity):
            return True
        return self._now() >= self._seen_at + (spec.get("leaseDurationSeconds") or self._duration_s)

    def _why_lost(self) -> str:
        holder = self._holder()
        return f"is held by {holder} now" if holder not in ("", self.identity) else f"could not be renewed for {self._renew_within_s:g} s"

    def _holder(self) -> str:
        return (self._seen or {}).get("holderIdentity") or ""

    def _spec(self, lease: Object | None) -> dict[str, Any]:
        old = (lease or {}).get("spec") or {}
        now = rfc3339_micro(time.time())
        ours = old.get("holderIdentity") == self.identity
        transitions = old.get("leaseTransitions") or 0
        return old | {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._duration_s)),
            "acquireTime": old.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": transitions if ours or lease is None else transitions + 1,
        }

    def _lease(self, spec: dict[str, Any]) -> Object:
        return {"metadata": {"name": self._name, "namespace": self._namespace}, "spec": spec}

    async def _release(self) -> None:
        """Let the next candidate take over at once. A lease that is another's is left alone."""
        try:
            async with asyncio.timeout(self._retry_s):
                lease = await self._client.get_or_none(LEASES, self._name, self._namespace)
                if lease is None or (lease.get("spec") or {}).get("holderIdentity") != self.identity:
                    return
                spec = self._spec(lease) | {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._client.update(LEASES, lease | {"spec": spec}, self._namespace)
        except (ApiError, TimeoutError):
            log.info("lease not given back", lease=self._name)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
