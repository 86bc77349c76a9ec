"""On which nodes a DaemonSet has a pod. The controller decides that itself and binds each pod to its node by an affinity.

Source: Kubernetes 1.36, pkg/controller/daemon (NodeShouldRunDaemonPod, AddOrUpdateDaemonPodTolerations,
ReplaceDaemonSetPodNodeNameNodeAffinity).
"""

from collections.abc import Iterable
from typing import NamedTuple

from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.daemonset import facts
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import DAEMONSETS
from pilothouse.model.node_selector import term_matches
from pilothouse.model.taints import tolerates

_NODE = "node.kubernetes.io/"
_TOLERATED = (
    *((f"{_NODE}{name}", "NoExecute") for name in ("not-ready", "unreachable")),
    *((f"{_NODE}{name}", "NoSchedule") for name in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")),
)
"""What a daemon's pods bear beside what their template says: they are there for as long as their node is."""
_OF_HOST_NETWORK = (f"{_NODE}network-unavailable", "NoSchedule")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class Fit(NamedTuple):
    """runs: a pod is to be there. stays: one that is there already may go on."""

    runs: bool
    stays: bool


def fit(daemon_set: Object, node: Object) -> Fit:
    spec = facts.spec(facts.template(daemon_set))
    if spec.get("nodeName") not in (None, "", meta.name(node)) or not _is_selected(spec, node):
        return Fit(False, False)
    taints = [taint for taint in (node.get("spec") or {}).get("taints") or () if taint["effect"] in ("NoSchedule", "NoExecute")]
    refused = [taint for taint in taints if not any(tolerates(each, taint) for each in tolerations(spec))]
    return Fit(not refused, all(taint["effect"] != "NoExecute" for taint in refused))


def _is_selected(spec: Object, node: Object) -> bool:
    labels = meta.labels(node)
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED)
    return required is None or any(term_matches(term, node) for term in required.get("nodeSelectorTerms") or ())


def tolerations(spec: Object) -> list[Object]:
    """The template's, then the standard ones that it does not state itself."""
    given: list[Object] = spec.get("tolerations") or []
    wanted: Iterable[tuple[str, str]] = (*_TOLERATED, _OF_HOST_NETWORK) if spec.get("hostNetwork") else _TOLERATED
    added = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in wanted]
    return [*given, *(each for each in added if each not in given)]


def build(daemon_set: Object, node: str, hash_: str) -> Object:
    """The pod of a node. hash_: of the revision of the template."""
    template = facts.template(daemon_set)
    spec = facts.spec(template)
    labels = (template.get("metadata") or {}).get("labels") or {}
    labels = labels | {facts.HASH_LABEL: hash_, facts.GENERATION_LABEL: meta.annotations(daemon_set).get(facts.GENERATION, "1")}
    made = pods.from_template(template, daemon_set, DAEMONSETS.api_version, DAEMONSETS.kind, labels=labels)
    return made | {"spec": spec | {"affinity": _bound_to(spec.get("affinity") or {}, node), "tolerations": tolerations(spec)}}


def _bound_to(affinity: Object, node: str) -> Object:
    """The affinity with the node in the place of what it required: that was looked at when the node was chosen."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return affinity | {"nodeAffinity": (affinity.get("nodeAffinity") or {}) | {_REQUIRED: {"nodeSelectorTerms": [term]}}}
