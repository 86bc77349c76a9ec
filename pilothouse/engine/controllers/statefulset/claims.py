"""The claims of a set's pods: their names, and who takes them along when it goes.

A claim outlives its pod, so that the next pod of that name finds what the last one has stored. By the set's retention policy it is
owned by the set (and goes with it), or by a pod that is scaled away (and goes with that). Pure.
Source: Kubernetes 1.36, stateful_set_utils.go (getPersistentVolumeClaims, updateClaimOwnerRefForSetAndPod); KEP-1847.
"""

from collections.abc import Sequence

from pilothouse.engine.controllers.statefulset import facts
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS


def templates(stateful_set: Object) -> Sequence[Object]:
    found: list[Object] = facts.spec(stateful_set).get("volumeClaimTemplates") or []
    return found


def name(stateful_set: Object, template: Object, ordinal: int) -> str:
    return f"{meta.name(template)}-{facts.pod_name(stateful_set, ordinal)}"


def volumes(stateful_set: Object, ordinal: int) -> list[Object]:
    """Of the pod of an ordinal, each named as the claim's template."""
    return [
        {"name": meta.name(each), "persistentVolumeClaim": {"claimName": name(stateful_set, each, ordinal)}}
        for each in templates(stateful_set)
    ]


def build(stateful_set: Object, template: Object, ordinal: int) -> Object:
    """The claim of a pod that is not there yet; it is found by the set's selector as the pod is."""
    given = template.get("metadata") or {}
    kept = {key: given[key] for key in ("annotations", "finalizers") if given.get(key)}
    labels = (given.get("labels") or {}) | ((facts.spec(stateful_set).get("selector") or {}).get("matchLabels") or {})
    metadata = kept | {"name": name(stateful_set, template, ordinal), "namespace": meta.namespace(stateful_set)}
    if labels:
        metadata["labels"] = labels
    claim: Object = {
        "apiVersion": PERSISTENTVOLUMECLAIMS.api_version,
        "kind": PERSISTENTVOLUMECLAIMS.kind,
        "metadata": metadata,
        "spec": template.get("spec") or {},
    }
    owners = wanted_owners(stateful_set, claim, None, is_scaled_away=False)
    return claim if not owners else claim | {"metadata": metadata | {"ownerReferences": owners}}


def wanted_owners(stateful_set: Object, claim: Object, pod: Object | None, *, is_scaled_away: bool) -> list[Object]:
    """The owner references that a claim is to have; what it has of others stays.

    pod: the one that uses it, None while there is none. is_scaled_away: whether its ordinal is beyond the set's replicas.
    A claim that another controller manages keeps what it has.
    """
    present = meta.owner_references(claim)
    ours = {meta.uid(stateful_set)} | ({meta.uid(pod)} if pod is not None else set())
    controller = meta.controller_of(claim)
    if controller is not None and controller.get("uid") not in ours:
        return present
    policy = facts.spec(stateful_set).get("persistentVolumeClaimRetentionPolicy") or {}
    owner: Object | None = None
    if is_scaled_away and policy.get("whenScaled") == "Delete":
        owner = None if pod is None else _reference(pod, PODS.api_version, PODS.kind)
    elif policy.get("whenDeleted") == "Delete":
        owner = _reference(stateful_set, STATEFULSETS.api_version, STATEFULSETS.kind)
    kept = [each for each in present if each.get("uid") not in ours or (owner is not None and each.get("uid") == owner["uid"])]
    if owner is None or any(each.get("uid") == owner["uid"] for each in kept):
        return kept
    return [*kept, owner]


def _reference(owner: Object, api_version: str, kind: str) -> Object:
    """Of one that does not wait for the claim's end when it is deleted in the foreground."""
    return {"apiVersion": api_version, "kind": kind, "name": meta.name(owner), "uid": meta.uid(owner)}


def is_stale(claim: Object, pod_name: str, live_uid: str) -> bool:
    """Whether the claim goes with an earlier pod of that name: a new pod must wait for its end and get another.

    live_uid: of the pod that has the name, "" for none.
    """
    return any(
        each.get("kind") == PODS.kind and each.get("name") == pod_name and each.get("uid") != live_uid
        for each in meta.owner_references(claim)
    )
