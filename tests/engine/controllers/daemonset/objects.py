"""DaemonSets, nodes and pods on them, as small as the plans need them."""

from collections.abc import Collection
from typing import Any

from pilothouse.engine.controllers.daemonset import facts
from pilothouse.engine.controllers.daemonset.fit import fit
from pilothouse.engine.controllers.daemonset.plan import Scene
from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.engine.controllers.objects import NOW, pod, template


def daemon_set(unavailable: int | str = 1, surge: int | str = 0, **spec: Any) -> Object:
    """strategy: "OnDelete" for updates by hand. pod: fields of the template's spec."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}}
    made = template()
    made["spec"] |= spec.pop("pod", {})
    strategy = {"type": "OnDelete"} if spec.pop("strategy", "") == "OnDelete" else rolling
    return {
        "metadata": {"name": "agent", "namespace": "default", "uid": "uid-agent", "generation": 1, "annotations": {facts.GENERATION: "3"}},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": made, "updateStrategy": strategy} | spec,
        "status": {},
    }


def node(name: str, *taints: Object, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": list(taints)} if taints else {}}


def taint(key: str, effect: str = "NoSchedule") -> Object:
    return {"key": key, "effect": effect}


def daemon(name: str, where: str, hash_: str = "new", ready_s: float | None = 100, **given: Any) -> Object:
    """A pod that runs on a node, ready since so many seconds; None for one that is not ready."""
    if ready_s is not None:
        given["ready_s"] = ready_s
    return pod(name, node=where, labels={"app": "web", facts.HASH_LABEL: hash_}, **given)


def scene(owner: Object, nodes: Collection[Object], *pods: Object, **more: Any) -> Scene:
    leaving = {meta.uid(each) for each in pods if meta.is_deleting(each)}
    fits = {meta.name(each): fit(owner, each) for each in nodes}
    return Scene(owner, fits, facts.by_node(pods), leaving, "new", NOW, **more)
