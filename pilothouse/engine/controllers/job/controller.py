"""Runs a Job's pods to completion, within its limits, counting each exactly once."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller, owner_key
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.controllers import batches, pods, refusal
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.job import facts, index_backoff
from pilothouse.engine.controllers.job import plan as job_plan
from pilothouse.engine.controllers.job import pods as job_pods
from pilothouse.engine.controllers.job import status as job_status
from pilothouse.engine.controllers.job.plan import Tally, Verdict
from pilothouse.engine.controllers.ownership import Owner
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import JOBS, PODS
from pilothouse.model.selector import from_label_selector

WORKERS = 5


@dataclass(slots=True)
class Failures:
    """Failures in a row, for the back-off. Lost with the process: a restart begins it anew."""

    count: int = 0
    last: float | None = None


class JobController:
    """expiry: the client that deletes Jobs whose time to live is over; they are otherwise only written."""

    def __init__(
        self, client: Client, expiry: Client, informers: Informers, recorder: Recorder, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._expiry = expiry
        self._recorder = recorder
        self._clock = clock
        self._failures: dict[str, Failures] = {}
        self._jobs = Fresh(informers.of(JOBS))
        self._pods = Fresh(informers.of(PODS), "controller", pods.by_controller_uid)
        self._owner = Owner(client, JOBS, self._pods, finalizer=facts.FINALIZER)
        self._controller = Controller("job", self.reconcile, workers=WORKERS)
        self._strays = Controller("job-strays", self.release_stray)
        self._controller.watches(self._jobs.informer)
        self._controller.watches(self._pods.informer, owner_key(JOBS))
        self._strays.watches(self._jobs.informer, lambda _: ())
        self._strays.watches(self._pods.informer, lambda pod: meta.key(pod) if facts.is_tracked(pod) else None)
        self._jobs.informer.on_change(self._job_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        async with scope() as tasks:
            tasks.spawn(self._controller.run(ready), name="job")
            tasks.spawn(self._strays.run(), name="job-strays")

    async def reconcile(self, key: str) -> float | None:
        job = self._jobs.get(key)
        if job is None:
            return None
        if facts.is_foreign(job):
            # Another runs it; that its time to live is kept is no part of that.
            return None if facts.finished(job) is None else await self._expire(job)
        if facts.finished(job) is not None:
            await self._release_all(self._owned(job))
            return await self._expire(job)
        if meta.is_deleting(job):
            return None
        await self._owner.claim(job, from_label_selector(facts.spec(job).get("selector")))
        return await self._advance(job)

    async def _advance(self, job: Object) -> float | None:
        """Note what has finished, decide by that, act on the difference, and show where it leads.

        What finishes while this runs is not seen before the next round: a verdict is never given on pods that are not counted.
        """
        now = self._clock()
        tally = job_plan.tally(job, self._owned(job))
        verdict = job_plan.verdict(job, tally, now)
        job = await self._count(job, job_plan.countable(job, self._owned(job), tally, verdict))
        again_s = None
        errors: list[ApiError] = []
        if verdict is not None:
            await self._end(job, tally.active)
        else:
            # Not failures: without the finalizer nobody counts them.
            victims = job_plan.surplus(job, tally)
            await self._release_all(victims)
            await self._end(job, victims)
            again_s, errors = await self._fill(job, tally)
        await self._show(job, verdict)
        if errors and not refusal.is_namespace_ending(errors[0]):
            raise refusal.retry(self._controller.queue, meta.key(job), errors[0])
        # A job whose fate is decided waits for its pods' ends, not for its deadline, which may have passed long ago.
        left_s = None if verdict is not None else job_plan.deadline_left_s(job, now)
        return min((each for each in (again_s, left_s) if each is not None), default=None)

    async def _count(self, job: Object, tally: Tally) -> Object:
        """Take newly finished pods into the status, then their finalizers off, then their uids into the counts."""
        self._note_failures(job, tally)
        noted = job_status.note(facts.status(job), tally, indexed=facts.is_indexed(job))
        job = await self._write(before := job, job_status.started(job, noted, self._clock()))
        self._say_suspended(before, job)
        waiting = facts.status(job).get("uncountedTerminatedPods") or {}
        uids = {*(waiting.get("succeeded") or ()), *(waiting.get("failed") or ())}
        counted = [*tally.ignored, *(tally.new_succeeded if facts.is_indexed(job) else [])]
        await self._release_all([pod for pod in self._owned(job) if meta.uid(pod) in uids] + counted)
        held = {meta.uid(pod) for pod in self._owned(job) if facts.is_tracked(pod)}
        return job | {"status": job_status.settle(job, held)}

    def _note_failures(self, job: Object, tally: Tally) -> None:
        failures = self._failures.setdefault(meta.uid(job), Failures())
        if tally.new_succeeded:
            failures.count = 0
        for pod in (*tally.new_failed, *tally.ignored):
            failures.count += 1
            failures.last = max(failures.last or 0.0, facts.finish_time(pod) or self._clock())

    async def _fill(self, job: Object, tally: Tally) -> tuple[float | None, list[ApiError]]:
        lacking = job_plan.lacking(job, tally)
        if lacking == 0:
            return None, []
        if index_backoff.limit(job) is not None:
            return await self._fill_indexes(job, tally, lacking)
        failures = self._failures.get(meta.uid(job), Failures())
        wait_s = job_plan.backoff_left_s(failures.count, failures.last, self._clock())
        if wait_s > 0:
            self._recorder.decide(job, "BackOff", f"Waits {wait_s:.0f} s after {failures.count} failures in a row", failures=failures.count)
            return wait_s, []
        indexes = job_plan.next_indexes(job, tally, lacking) if facts.is_indexed(job) else [None] * lacking
        return None, await batches.slow_start(indexes, lambda index: self._create(job, index))

    async def _fill_indexes(self, job: Object, tally: Tally, lacking: int) -> tuple[float | None, list[ApiError]]:
        """With a limit for each index each has a back-off of its own."""
        every = job_plan.next_indexes(job, tally, facts.completions(job) or 0)
        ready, again_s = index_backoff.ready(tally.backoff, every, self._clock())
        failures = tally.backoff.failures
        return again_s, await batches.slow_start(
            ready[:lacking], lambda index: self._create(job, index, failures.get(index, index_backoff.Failures()))
        )

    async def _create(self, job: Object, index: int | None, failures: index_backoff.Failures | None = None) -> None:
        pod = job_pods.build(job, index)
        try:
            created = await self._client.create(PODS, pod if failures is None else index_backoff.annotate(pod, failures))
        except ApiError as error:
            if not refusal.is_namespace_ending(error):
                self._recorder.say(job, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._pods.wrote(created)
        self._recorder.say(job, "Normal", "SuccessfulCreate", f"Created pod: {meta.name(created)}")

    async def _end(self, job: Object, victims: list[Object]) -> None:
        async def delete(pod: Object) -> None:
            try:
                await self._client.delete(PODS, meta.name(pod), meta.namespace(pod), uid=meta.uid(pod))
            except NotFound:
                return
            self._pods.deleted(pod)
            self._recorder.say(job, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name(pod)}")

        errors = await batches.each([pod for pod in victims if not self._pods.is_leaving(pod)], delete)
        if errors:
            raise errors[0]

    async def _show(self, job: Object, verdict: Verdict | None) -> None:
        """Counts as they are now; the verdict first as decided, and for good once no pod is left and all are counted."""
        found = job_plan.tally(job, self._owned(job))
        owned = [pod for pod in self._owned(job) if not pods.is_finished(pod)]
        active = [pod for pod in owned if not self._pods.is_leaving(pod)]
        now, before = self._clock(), job
        status = job_status.with_counts(facts.status(job), len(active), job_status.ready(active), len(owned) - len(active))
        if verdict is not None:
            is_over = not owned and not found.new_succeeded and not found.new_failed and not status.get("uncountedTerminatedPods")
            status = (job_status.concluded if is_over else job_status.decided)(status, verdict, now)
        job = await self._write(job, status)
        self._say_news(before, job)

    def _say_news(self, before: Object, job: Object) -> None:
        verdict = facts.finished(job)
        if verdict is not None and facts.finished(before) is None:
            if verdict["type"] == "Complete":
                self._recorder.say(job, "Normal", "Completed", "Job completed")
            else:
                self._recorder.say(job, "Warning", verdict["reason"], verdict["message"])

    def _say_suspended(self, before: Object, job: Object) -> None:
        was, is_now = (meta.is_true(each, "Suspended") for each in (before, job))
        if is_now and not was:
            self._recorder.say(job, "Normal", "Suspended", "Job suspended")
        elif was and not is_now:
            self._recorder.say(job, "Normal", "Resumed", "Job resumed")

    async def _write(self, job: Object, status: Object) -> Object:
        """The job as written, or as it is when nothing changes."""
        current = self._jobs.get(meta.key(job)) or job
        if status == facts.status(current):
            return job | {"status": status}
        written = await self._client.update_status(JOBS, current | {"status": status})
        self._jobs.wrote(written)
        return written

    async def _expire(self, job: Object) -> float | None:
        """Delete a finished job when its time to live is over."""
        ttl_s = facts.spec(job).get("ttlSecondsAfterFinished")
        ended = (facts.finished(job) or {}).get("lastTransitionTime")
        self._failures.pop(meta.uid(job), None)
        if ttl_s is None or ended is None or meta.is_deleting(job):
            return None
        left_s = meta.parse_rfc3339(ended) + float(ttl_s) - self._clock()
        if left_s > 0:
            return left_s
        self._recorder.decide(job, "TimeToLiveOver", f"Deleted {ttl_s} s after it finished", ttl_s=ttl_s)
        try:
            await self._expiry.delete(JOBS, meta.name(job), meta.namespace(job), propagation="Foreground", uid=meta.uid(job))
        except NotFound:
            return None
        return None

    async def release_stray(self, key: str) -> float | None:
        """A pod whose job is gone, or that no job owns, must not be held by a finalizer that nobody takes off."""
        pod = self._pods.get(key)
        if pod is None or not facts.is_tracked(pod):
            return None
        owner = meta.controller_of(pod)
        job = None if owner is None else self._jobs.get(f"{meta.namespace(pod)}/{owner['name']}")
        if job is not None and owner is not None and meta.uid(job) == owner["uid"] and not meta.is_deleting(job):
            return None
        await self._release(pod)
        return None

    async def _release_all(self, tracked: list[Object]) -> None:
        errors = await batches.each([pod for pod in tracked if facts.is_tracked(pod)], self._release)
        if errors:
            raise errors[0]

    async def _release(self, pod: Object) -> None:
        change = {"metadata": {"uid": meta.uid(pod), "$deleteFromPrimitiveList/finalizers": [facts.FINALIZER]}}
        try:
            released = await self._client.patch(PODS, meta.name(pod), change, namespace=meta.namespace(pod), type=STRATEGIC_PATCH)
        except NotFound:
            return
        self._pods.wrote(released)

    def _owned(self, job: Object) -> list[Object]:
        return self._pods.indexed(meta.uid(job))

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._failures.pop(meta.uid(old), None)
            for pod in self._pods.informer.by_index("controller", meta.uid(old)):
                self._strays.queue.add(meta.key(pod))
