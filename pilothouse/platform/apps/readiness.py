"""Keeps the readiness gate of apps' replicas: a new one takes part once it has answered a request.

A port that accepts proves little: servers with a master process accept before a worker has loaded the application. As long as the
gate is shut, the replicas of the revision before go on serving.
"""

import asyncio
import time

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.model import kinds, meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.platform.apps import objects
from pilothouse.platform.apps.answers import ANSWER_S, ask, is_good
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.apps.workloads import ANSWERS, is_gated

ASKED_AT_ONCE = 128
"""More than a node has pods, so that replicas which do not answer keep no others waiting."""
LEAST_PAUSE_S, MOST_PAUSE_S = 0.2, 2.0


class ReadinessController:
    """Must run where pods can be reached. Once open, a gate stays open for the life of its pod."""

    def __init__(self, client: Client, informers: Informers, around: objects.Surroundings) -> None:
        self.client = client
        self.around = around
        self.pods = informers.of(kinds.PODS, label_selector=objects.APP_LABEL)
        self.apps = informers.of(APPS)
        self.controller = Controller("readiness", self.reconcile, workers=ASKED_AT_ONCE)
        self.controller.watches(self.pods)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self.controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        pod = self.pods.get(key)
        if pod is None or meta.is_deleting(pod) or not is_gated(pod) or meta.is_true(pod, ANSWERS):
            return None
        port = _port(pod)
        if port is None:
            return None  # no pod of an app: anybody may make one with the gate
        since = meta.condition(pod, "ContainersReady") or {}
        if since.get("status") != "True":
            return None
        status, reason, message = await self._asked(pod, port)
        try:
            await self._write(pod, status, reason, message)
        except NotFound:
            return None
        return None if status == "True" else _pause_s(since)

    async def _asked(self, pod: Object, port: int) -> tuple[str, str, str]:
        """Status, reason and message of the condition."""
        try:
            status = await ask(pod["status"]["podIP"], port, self._host(pod))
        except TimeoutError:
            return "False", "NotAnswered", f"GET / is not answered within {ANSWER_S:g} s"
        except OSError as error:
            return "False", "NotAnswered", f"GET / is not answered: {error.strerror or error}"
        if is_good(status):
            return "True", "AnswerReceived", f"GET / was answered with {status}"
        return "False", "ServerError", f"GET / is answered with {status}"

    def _host(self, pod: Object) -> str:
        """Of the app's first route: some programs answer no other."""
        app = self.apps.get(f"{meta.namespace(pod)}/{meta.labels(pod)[objects.APP_LABEL]}")
        return objects.hosts(app, self.around)[0] if app is not None else "localhost"

    async def _write(self, pod: Object, status: str, reason: str, message: str) -> None:
        old = meta.condition(pod, ANSWERS) or {}
        if (old.get("status"), old.get("reason"), old.get("message")) == (status, reason, message):
            return
        changed = old.get("lastTransitionTime") if old.get("status") == status else None
        condition = {"type": ANSWERS, "status": status, "reason": reason, "message": message}
        condition["lastTransitionTime"] = changed or meta.rfc3339(time.time())
        # By uid: another pod of the same name has not been asked.
        patch = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [condition]}}
        await self.client.patch(
            kinds.PODS, meta.name(pod), patch, namespace=meta.namespace(pod), type=STRATEGIC_PATCH, subresource="status"
        )


def _port(pod: Object) -> int | None:
    """The first of the first container."""
    ports = pod["spec"]["containers"][0].get("ports") or ()
    return int(ports[0]["containerPort"]) if ports else None


def _pause_s(containers_ready: Object) -> float:
    """The longer a replica has not answered, the more rarely it is asked."""
    since = containers_ready.get("lastTransitionTime")
    waited = time.time() - meta.parse_rfc3339(since) if since else 0.0
    return min(MOST_PAUSE_S, max(LEAST_PAUSE_S, waited / 4))
