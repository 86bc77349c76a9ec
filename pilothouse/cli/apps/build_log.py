"""Follows the builds of an app while it is being deployed."""

import asyncio
import time
from typing import Any

from pilothouse.aio.tasks import first_of
from pilothouse.cli import output
from pilothouse.cli.apps.build_view import BuildView
from pilothouse.client.client import Client
from pilothouse.model import kinds, meta
from pilothouse.model.errors import BadRequest, NotFound, Timeout, Unavailable
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.plan import interruptions
from pilothouse.platform.builds.pod import pod_name
from pilothouse.platform.builds.resource import BUILDS

POLL_S = 0.2
LOOK_S = 2.0
"""How often a build whose log is being shown is looked at."""
SHOWN = ("Preparing", "Interrupted")
"""Reasons of a Build's events that are shown."""
LAST_LINES_S = 3.0
"""So long after the end of a build its log may still arrive."""


class BuildLog:
    """is_streaming: whether a log is being shown, so that nothing else should be."""

    def __init__(self, client: Client, name: str, namespace: str, waiting: output.Waiting, *, verbose: bool) -> None:
        self.client = client
        self.name = name
        self.namespace = namespace
        self.is_streaming = False
        self._waiting = waiting
        self._view = BuildView(waiting, verbose=verbose)
        self._shown: set[str] = set()
        self._begun = time.time() - 2  # event times are whole seconds
        self._is_over = False

    async def follow(self) -> None:
        """Until `end`."""
        while not self._is_over:
            app = await self.client.get_or_none(APPS, self.name, self.namespace)
            name = ((app or {}).get("status") or {}).get("build", "")
            observed = app is not None and (app.get("status") or {}).get("observedGeneration") == app["metadata"].get("generation")
            build = await self.client.get_or_none(BUILDS, name, self.namespace) if name and observed else None
            if build is not None:
                await self._show_preparations(name)
            is_new = build is not None and _attempt(build) not in self._shown
            if build is not None and is_new and (build.get("status") or {}).get("phase") in ("Pending", "Running", None):
                await first_of(self._show_log(build), self._until_interrupted(build))
            await asyncio.sleep(POLL_S)

    def end(self) -> None:
        self._is_over = True

    def show_running(self) -> None:
        """Called while a log is being shown."""
        self._view.show_running()

    async def show_failure(self) -> None:
        """How the build that failed ended, as soon as its log has come."""
        try:
            async with asyncio.timeout(LAST_LINES_S):
                while self.is_streaming:
                    await asyncio.sleep(POLL_S / 4)
        except TimeoutError:
            pass
        self._view.show_failure()

    async def _show_preparations(self, build: str) -> None:
        """What is made before the build can begin, and what made it begin anew, said once each."""
        selector = f"involvedObject.kind=Build,involvedObject.name={build}"
        for event in (await self.client.list(kinds.EVENTS, self.namespace, field_selector=selector)).items:
            if event.get("reason") not in SHOWN:
                continue
            said = event.get("lastTimestamp")
            if said and meta.uid(event) not in self._shown and meta.parse_rfc3339(said) > self._begun:
                self._shown.add(meta.uid(event))
                self._waiting.clear()
                output.note(event.get("message", ""))

    async def _show_log(self, build: Object) -> None:
        """Both containers' output, as it arrives."""
        pod = pod_name(build)
        for container in ("source", "build"):
            if not await self._started(pod, container):
                return
            try:
                await self._stream(pod, container)
            except (NotFound, BadRequest):
                return
            except (Unavailable, Timeout):
                output.note("the connection to the log of the build is lost; the build goes on")
                break
        self._shown.add(_attempt(build))

    async def _until_interrupted(self, build: Object) -> None:
        """A log whose node is gone may never end."""
        while True:
            await asyncio.sleep(LOOK_S)
            found = await self.client.get_or_none(BUILDS, meta.name(build), self.namespace)
            if found is not None and interruptions(found) > interruptions(build):
                return

    async def _stream(self, pod: str, container: str) -> None:
        self.is_streaming = True
        self._waiting.clear()
        try:
            async with self.client.logs(pod, self.namespace, container=container, follow=True) as pieces:
                async for piece in pieces:
                    self._view.feed(piece)
        finally:
            self.is_streaming = False

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


def _attempt(build: Object) -> str:
    return f"{meta.uid(build)}/{interruptions(build)}"
