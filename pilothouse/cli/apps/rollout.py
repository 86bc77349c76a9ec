"""From an applied App to its URL: shows the build's log as it comes and says when it serves, or why it does not."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from pilothouse.aio.tasks import scope
from pilothouse.cli import output
from pilothouse.cli.apps.lookup import is_current
from pilothouse.cli.session import copyable
from pilothouse.client.client import Client
from pilothouse.model import kinds, meta
from pilothouse.model.errors import ApiError, BadRequest, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.pod import pod_name
from pilothouse.platform.builds.resource import BUILDS

WAITING = frozenset({"Building", "Releasing", "RollingOut", ""})
POLL_S = 0.2
WRITE_TRIES = 10


class Rollout:
    """wanted: the App to apply; before: as it was, None for a new one.

    expected: resourceVersions of Secrets, by name, that the status must speak of before it counts; set it before `follow`.
    was_taken_back: the deploy was interrupted, and the App is as it was.
    """

    def __init__(self, client: Client, wanted: Object, before: Object | None) -> None:
        self.client = client
        self.wanted = wanted
        self.before = before
        self.name = meta.name(wanted)
        self.namespace = meta.namespace(wanted)
        self._shown: set[str] = set()
        self.expected: dict[str, str] = {}
        self.was_taken_back = False
        self._begun = time.time() - 2  # event times are whole seconds
        self._waiting = output.Waiting()
        self._is_streaming = False
        self._is_over = False

    async def apply(self) -> bool:
        """Write the App; False when it was there already, just so."""
        if self.before is None:
            await self.client.create(APPS, self.wanted)
            return True
        written = await self._replace(self.wanted["spec"], meta.annotations(self.wanted))
        return bool(written["metadata"]["generation"] != self.before["metadata"]["generation"])

    async def _replace(self, spec: Object, marks: Mapping[str, str]) -> Object:
        """Write the whole spec and the given annotations; the platform may write the status meanwhile."""
        for number in range(WRITE_TRIES):
            # A write that is on its way to the disk already counts, and cannot be read yet.
            await asyncio.sleep(POLL_S / 4 * number)
            current = await self.client.get(APPS, self.name, self.namespace)
            metadata = current["metadata"] | {"annotations": meta.annotations(current) | dict(marks)}
            with contextlib.suppress(Conflict):
                return await self.client.update(APPS, current | {"metadata": metadata, "spec": spec})
        raise click.ClickException(f"{self.name} is being changed by somebody else: try again")

    async def follow(self, timeout_s: float) -> Object:
        """Until it serves; raises ClickException with the reason when it does not. Ctrl-C takes the change back. Returns the App."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s) as deadline, scope() as tasks:
                tasks.spawn(self._follow_builds(), name="build log")
                try:
                    app = await self._settled()
                except asyncio.CancelledError:
                    # Before the log is let go: it ends by itself when its build does.
                    if not deadline.expired():
                        await asyncio.shield(self._take_back())
                    raise
                finally:
                    self._is_over = True
                tasks.cancel()
        except TimeoutError as error:
            raise click.ClickException(
                f"{self.name} does not serve after {timeout_s:g} s: `{copyable(f'why {self.name}', self.namespace)}` says what it waits for"
            ) from error
        finally:
            self._waiting.clear()
        condition = meta.condition(app, "Ready")
        assert condition is not None
        if condition["status"] != "True":
            raise click.ClickException(f"{self.name} is not deployed: {condition['message'] or condition['reason']}")
        done = output.good(f"{self.name} {'serves' if app['status'].get('url') else 'runs'}")
        output.note(f"{done} revision {app['status']['revision']} after {time.monotonic() - begun:.1f} s")
        return app

    async def _settled(self) -> Object:
        """The app once its newest generation serves or has failed for good."""
        while True:
            app = await self.client.get(APPS, self.name, self.namespace)
            condition = meta.condition(app, "Ready")
            is_decided = condition is not None and (condition["status"] == "True" or condition["reason"] not in WAITING)
            if is_decided and self._is_current(app):
                return app
            if not self._is_streaming:
                self._waiting.show((condition or {}).get("message") or "waiting for the platform")
            await asyncio.sleep(POLL_S)

    def _is_current(self, app: Object) -> bool:
        """Whether the status speaks of the spec and of the Secrets as they were written."""
        seen = {each["name"]: each["resourceVersion"] for each in (app.get("status") or {}).get("observedSecrets") or ()}
        newer = all(int(seen.get(name, "0")) >= int(version) for name, version in self.expected.items())
        return is_current(app) and newer

    async def _follow_builds(self) -> None:
        while not self._is_over:
            app = await self.client.get_or_none(APPS, self.name, self.namespace)
            name = ((app or {}).get("status") or {}).get("build", "")
            observed = app is not None and (app.get("status") or {}).get("observedGeneration") == app["metadata"].get("generation")
            build = await self.client.get_or_none(BUILDS, name, self.namespace) if name and observed else None
            if build is not None:
                await self._show_preparations(name)
            if build is not None and name not in self._shown and (build.get("status") or {}).get("phase") in ("Pending", "Running", None):
                await self._show_log(build)
            await asyncio.sleep(POLL_S)

    async def _show_preparations(self, build: str) -> None:
        """What is made before the build can begin, said once each."""
        selector = f"involvedObject.kind=Build,involvedObject.name={build},reason=Preparing"
        for event in (await self.client.list(kinds.EVENTS, self.namespace, field_selector=selector)).items:
            said = event.get("lastTimestamp")
            if said and meta.uid(event) not in self._shown and meta.parse_rfc3339(said) > self._begun:
                self._shown.add(meta.uid(event))
                self._waiting.clear()
                output.note(event.get("message", ""))

    async def _show_log(self, build: Object) -> None:
        """Both containers' output, line by line, as it arrives."""
        pod = pod_name(build)
        for container in ("source", "build"):
            if not await self._started(pod, container):
                return
            try:
                await self._stream(pod, container)
            except (NotFound, BadRequest):
                return
        self._shown.add(meta.name(build))

    async def _stream(self, pod: str, container: str) -> None:
        self._is_streaming = True
        self._waiting.clear()
        try:
            async with self.client.logs(pod, self.namespace, container=container, follow=True) as pieces:
                async for piece in pieces:
                    sys.stderr.buffer.write(piece)
                    sys.stderr.flush()
        finally:
            self._is_streaming = False

    async def _started(self, pod: str, container: str) -> bool:
        """Wait until the container has a log to follow; False when its pod is gone or has ended without it."""
        while not self._is_over:
            await self._show_preparations(pod.removesuffix("-build"))
            found = await self.client.get_or_none(kinds.PODS, pod, self.namespace)
            status = (found or {}).get("status") or {}
            states = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
            state: Any = next((s.get("state") or {} for s in states if s["name"] == container), {})
            if "running" in state or "terminated" in state:
                return True
            if status.get("phase") in ("Failed", "Succeeded"):
                break
            await asyncio.sleep(POLL_S / 2)
        return False

    async def _take_back(self) -> None:
        """An interrupted deploy leaves what was there before: the build stops, the app is as it was."""
        app = await self.client.get_or_none(APPS, self.name, self.namespace)
        if app is None or meta.condition(app, "Ready") is None or (meta.condition(app, "Built") or {}).get("status") == "True":
            return
        name = (app.get("status") or {}).get("build")
        try:
            if name:
                await self.client.patch(BUILDS, name, {"spec": {"cancelled": True}}, namespace=self.namespace)
            if self.before is None:
                await self.client.delete(APPS, self.name, self.namespace, propagation="Background")
            else:
                await self._replace(self.before["spec"], meta.annotations(self.before))
        except ApiError as error:
            output.note(f"the change could not be taken back: {error.message}")
        else:
            self.was_taken_back = True
            output.note("cancelled; everything is as it was before")
