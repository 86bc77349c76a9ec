"""What keeps an app from serving, looked at again and again while somebody waits for it, and when waiting is of no more use."""

import time
from collections.abc import Callable

from pilothouse.cli.apps.lookup import earlier_revision, is_current
from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.finding import State
from pilothouse.cli.why.inside import telling_lines
from pilothouse.cli.why.look import look
from pilothouse.cli.why.peek import LINES, last_lines, peek
from pilothouse.cli.why.scene import Scene, count, newest, restarts
from pilothouse.cli.why.sentence import Why
from pilothouse.cli.why.standing import old_revision, release_failed
from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

LOOK_EVERY_S = 1.0
"""The least time between two looks: each asks the API server a dozen times."""


class Outlook:
    """Of one app. After `refresh`: why it does not serve (None before the first look), and since when that has been so."""

    def __init__(self, client: Client, name: str, namespace: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.client = client
        self.name = name
        self.namespace = namespace
        self.why: Why | None = None
        self._clock = clock
        self._scene: Scene | None = None
        self._looked_at = float("-inf")
        self._since = 0.0
        self._subject: tuple[str, ...] = ()

    async def refresh(self) -> None:
        """Look, unless that was done a moment ago. What the user may not see is not known."""
        now = self._clock()
        if now < self._looked_at + LOOK_EVERY_S:
            return
        try:
            scene = await look(self.client, "App", self.name, self.namespace, time.time(), ())
            found = explain(scene)
            if found.chain:
                scene = await peek(self.client, scene)
                found = explain(scene)
        except ApiError:
            return
        finally:
            self._looked_at = self._clock()
        subject = (found.state, *(meta.name(each) for part in (scene, *scene.processes) if (each := newest(part.replica_sets))))
        if subject != self._subject or not found.chain:
            self._since, self._subject = now, subject
        self.why, self._scene = found, scene

    @property
    def sentence(self) -> str:
        """The causes; "" while there are none, and of an earlier state while the new one is being built."""
        if self.why is None or self._scene is None or (self._scene.waits_for_build and self.why.state != State.BUILDING):
            return ""
        causes = ", so ".join(self.why.chain)
        return f"process {self.why.process}: {causes}" if self.why.process and causes else causes

    @property
    def is_building(self) -> bool:
        return self.why is not None and self.why.state == State.BUILDING

    def is_hopeless(self, generation: int) -> bool:
        """Whether the state of this generation of the App will not serve, however long one waits."""
        if self.why is None or self._scene is None or self.why.certain_after_s is None:
            return False
        # The App is read before what is made for it: once it says so, its Deployments have the wanted state.
        app = self._scene.app or {}
        if (meta.condition(app, "Ready") or {}).get("reason") != "RollingOut" or not is_current(app) or meta.generation(app) < generation:
            return False
        parts = [each for each in (self._scene, *self._scene.processes) if each.deployment is not None]
        is_of_newest = bool(parts) and all(each.shows_newest_state for each in parts)
        return is_of_newest and self._looked_at - self._since >= self.why.certain_after_s

    @property
    def still_serving(self) -> str:
        """What goes on serving meanwhile, such as `revision 3`; "" for nothing."""
        scene = self._scene
        if scene is None or not count(scene.owner, "readyReplicas"):
            return ""
        has_new = any(pod for pod in scene.current_pods if _is_ready(pod))
        return "" if has_new and not scene.waits_for_build and not release_failed(scene) else old_revision(scene)

    @property
    def earlier_revision(self) -> int:
        """The one that `ph rollback` leads to; 0 for none."""
        return earlier_revision(((self._scene.app if self._scene is not None else None) or {}).get("status") or {})

    async def last_lines(self, number: int) -> list[str]:
        """What the replica that is worst off printed last, its error among them; at most `number`."""
        scene = self._scene
        if scene is None:
            return []
        pods = [pod for each in (scene, *scene.processes) for pod in each.current_pods if not _is_ready(pod)]
        worst = max(pods or scene.current_pods, key=restarts, default=None)
        return telling_lines(await last_lines(self.client, worst, LINES), number) if worst is not None else []


def _is_ready(pod: Object) -> bool:
    return meta.is_true(pod, "Ready")
