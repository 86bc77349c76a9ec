"""Makes Jobs at the times of CronJobs' schedules, and clears up after those that have finished.

Each CronJob waits in the queue for its next time: nothing looks at it before, unless it or one of its Jobs changes.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller, owner_key
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers import pods, refusal
from pilothouse.engine.controllers.cronjob import facts, plan, timetable
from pilothouse.engine.controllers.cronjob.timetable import Timetable, Unusable
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRONJOBS, JOBS

WORKERS = 5
MOST_WAIT_S = 600.0
"""A wait is measured on the loop's clock, and the machine's own may be set meanwhile."""


class CronJobController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._changed_at: dict[str, float] = {}
        self._cron_jobs = Fresh(informers.of(CRONJOBS))
        self._jobs = Fresh(informers.of(JOBS), "controller", pods.by_controller_uid)
        self._controller = Controller("cronjob", self.reconcile, workers=WORKERS)
        self._controller.watches(self._cron_jobs.informer)
        self._controller.watches(self._jobs.informer, owner_key(CRONJOBS))
        self._cron_jobs.informer.on_change(self._note_change)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        cron_job = self._cron_jobs.get(key)
        if cron_job is None:
            return None
        owned = self._jobs.indexed(meta.uid(cron_job))
        seen = plan.observe(cron_job, owned, leaving={meta.uid(job) for job in owned if self._jobs.is_leaving(job)})
        self._say(cron_job, seen.remarks)
        status = plan.without(seen.status, await self._missing(cron_job, seen.unknown))
        await self._delete(cron_job, plan.outlived(cron_job, [job for job in owned if not self._jobs.is_leaving(job)]))
        again_s: float | None = None
        refused: ApiError | None = None
        if not meta.is_deleting(cron_job):
            status, again_s, refused = await self._schedule(cron_job, status)
        await self._write(cron_job, status)
        if refused is not None:
            raise refusal.retry(self._controller.queue, key, refused)
        return again_s

    async def _missing(self, cron_job: Object, unknown: Iterable[Object]) -> list[Object]:
        """Those of the listed Jobs that are neither in the cache nor on the server."""
        gone = []
        for each in unknown:
            found = await self._client.get_or_none(JOBS, each.get("name", ""), meta.namespace(cron_job))
            if found is None or meta.uid(found) != each.get("uid"):
                self._recorder.say(cron_job, "Normal", "MissingJob", f"Active job went missing: {each.get('name', '')}")
                gone.append(each)
        return gone

    async def _schedule(self, cron_job: Object, status: Object) -> tuple[Object, float | None, ApiError | None]:
        """The status after it, when to look again, and why the Job could not be made, where it is worth another try."""
        if facts.is_suspended(cron_job):
            return status, None, None
        try:
            times = timetable.of(cron_job)
        except Unusable as error:
            self._recorder.say(cron_job, "Warning", error.reason, str(error))
            return status, None, None
        now = self._clock()
        found = plan.start(cron_job, status, times, timetable.since(cron_job, self._changed_at.get(meta.uid(cron_job)), now), now)
        self._say(cron_job, found.remarks)
        refused = None
        if found.at is not None:
            status, refused = await self._start(cron_job, status, times, found.at, found.replaced)
        return status, self._wait_s(cron_job, times), refused

    def _wait_s(self, cron_job: Object, times: Timetable) -> float | None:
        wait_s = times.wait_s(self._clock())
        if wait_s is None:
            words = f"invalid schedule: {facts.spec(cron_job).get('schedule')} : it has no next time"
            self._recorder.say(cron_job, "Warning", "InvalidSchedule", words)
            return None
        return min(wait_s, MOST_WAIT_S)

    async def _start(
        self, cron_job: Object, status: Object, times: Timetable, at: float, replaced: list[Object]
    ) -> tuple[Object, ApiError | None]:
        try:
            for each in replaced:
                await self._replace(cron_job, each)
                status = plan.without(status, [each])
            made = await self._create(cron_job, plan.job(cron_job, at, times))
        except ApiError as error:
            return status, None if refusal.is_namespace_ending(error) else error
        return (status if made is None else plan.started(status, made, at)), None

    async def _create(self, cron_job: Object, job: Object) -> Object | None:
        """The Job, which an earlier round may have made without noting it; None when its name is another's."""
        try:
            made = await self._client.create(JOBS, job)
        except AlreadyExists:
            present = await self._client.get_or_none(JOBS, meta.name(job), meta.namespace(job))
            owner = None if present is None else meta.controller_of(present)
            return present if owner is not None and owner["uid"] == meta.uid(cron_job) else None
        except ApiError as error:
            if not refusal.is_namespace_ending(error):
                self._recorder.say(cron_job, "Warning", "FailedCreate", f"Error creating job: {error.message}")
            raise
        self._jobs.wrote(made)
        self._recorder.say(cron_job, "Normal", "SuccessfulCreate", f"Created job {meta.name(made)}")
        return made

    async def _replace(self, cron_job: Object, reference: Object) -> None:
        job = await self._client.get_or_none(JOBS, reference.get("name", ""), meta.namespace(cron_job))
        if job is not None and meta.uid(job) == reference.get("uid"):
            await self._delete_one(cron_job, job)

    async def _delete(self, cron_job: Object, outlived: Iterable[Object]) -> None:
        """One that cannot be deleted is no reason to make no other."""
        for job in outlived:
            try:
                await self._delete_one(cron_job, job)
            except ApiError:
                continue

    async def _delete_one(self, cron_job: Object, job: Object) -> None:
        try:
            await self._client.delete(JOBS, meta.name(job), meta.namespace(job), propagation="Background", uid=meta.uid(job))
        except NotFound:
            return
        except ApiError as error:
            self._recorder.say(cron_job, "Warning", "FailedDelete", f"Deleted job: {error.message}")
            raise
        self._jobs.deleted(job)
        self._recorder.say(cron_job, "Normal", "SuccessfulDelete", f"Deleted job {meta.name(job)}")

    async def _write(self, cron_job: Object, status: Object) -> None:
        if status == facts.status(cron_job):
            return
        try:
            self._cron_jobs.wrote(await self._client.update_status(CRONJOBS, cron_job | {"status": status}))
        except NotFound:
            return

    def _say(self, cron_job: Object, remarks: Iterable[plan.Remark]) -> None:
        for remark in remarks:
            self._recorder.say(cron_job, *remark)

    def _note_change(self, old: Object | None, new: Object | None) -> None:
        """When schedule or zone change. Lost with the process, as upstream's."""
        if new is None:
            if old is not None:
                self._changed_at.pop(meta.uid(old), None)
            return
        if old is not None and any(facts.spec(old).get(name) != facts.spec(new).get(name) for name in ("schedule", "timeZone")):
            self._changed_at[meta.uid(new)] = self._clock()
