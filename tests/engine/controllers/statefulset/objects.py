"""StatefulSets and their pods for plans, as small as the plans need them."""

from typing import Any

from pilothouse.engine.controllers.statefulset import facts
from pilothouse.engine.controllers.statefulset.plan import Revisions
from pilothouse.model.json import Object
from tests.engine.controllers.objects import pod, template

SAME = Revisions("new", "new")
ROLLING = Revisions("old", "new")


def stateful_set(replicas: int = 3, **spec: Any) -> Object:
    """strategy: the rolling update's numbers, or "OnDelete". policy: of the management of pods."""
    strategy = spec.pop("strategy", {})
    chosen = {"type": "OnDelete"} if strategy == "OnDelete" else {"type": "RollingUpdate", "rollingUpdate": {"partition": 0} | strategy}
    return {
        "metadata": {"name": "db", "namespace": "default", "uid": "uid-db", "generation": 1},
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "web"}},
            "podManagementPolicy": spec.pop("policy", "OrderedReady"),
            "updateStrategy": chosen,
            "template": template(),
        }
        | spec,
        "status": {},
    }


def member(ordinal: int, revision: str = "new", ready_s: float | None = 100, **given: Any) -> Object:
    """A pod of the set, ready since so many seconds; None for one that is not ready."""
    name = f"db-{ordinal}"
    labels = {"app": "web", facts.POD_NAME_LABEL: name, facts.POD_INDEX_LABEL: str(ordinal), facts.REVISION_LABEL: revision}
    if ready_s is not None:
        given["ready_s"] = ready_s
    return pod(name, labels=labels, **given)
