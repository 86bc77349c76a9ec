"""Revisions of a Deployment: which ReplicaSet is the current template's, what a new one looks like, how revisions are numbered.

Source: Kubernetes 1.36, deployment_util.go. The template's hash is ours: upstream's hashes a Go dump; it only has to be stable.
"""

import zlib
from collections.abc import Sequence

from pilothouse.engine.controllers.deployment import facts
from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS

HISTORY_LIMIT = 2_000
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    facts.REVISION,
    facts.REVISION_HISTORY,
    facts.DESIRED,
    facts.MAXIMUM,
)


def current(deployment: Object, sets: Sequence[Object]) -> Object | None:
    """The oldest set whose template is the Deployment's."""
    template = _without_hash(facts.spec(deployment).get("template") or {})
    same = (each for each in sets if _without_hash(facts.spec(each).get("template") or {}) == template)
    return min(same, key=facts.age_order, default=None)


def is_same_template(deployment: Object, replica_set: Object) -> bool:
    return current(deployment, [replica_set]) is not None


def _without_hash(template: Object) -> Object:
    """Compared without what is only ours; empty maps and absent ones are the same."""
    given = template.get("metadata") or {}
    labels = {key: value for key, value in (given.get("labels") or {}).items() if key != facts.HASH_LABEL}
    metadata = {key: value for key, value in (given | {"labels": labels}).items() if value}
    return template | {"metadata": metadata}


def template_hash(deployment: Object) -> str:
    """Ten characters or fewer that differ when the template does; collisionCount tells apart templates that collide."""
    collisions = facts.status(deployment).get("collisionCount")
    text = repr((_canonical(facts.spec(deployment).get("template")), collisions))
    letters = meta.NAME_ALPHABET
    return "".join(letters[ord(digit) % len(letters)] for digit in str(zlib.crc32(text.encode())))


def _canonical(value: object) -> object:
    """Independent of the order of keys."""
    if isinstance(value, dict):
        return [(key, _canonical(value[key])) for key in sorted(value)]
    return [_canonical(each) for each in value] if isinstance(value, list) else value


def build(deployment: Object, revision: int, replicas: int) -> Object:
    """The ReplicaSet of the Deployment's template."""
    hash_ = template_hash(deployment)
    spec = facts.spec(deployment)
    template = spec["template"]
    metadata = template.get("metadata") or {}
    labels = (metadata.get("labels") or {}) | {facts.HASH_LABEL: hash_}
    selector = spec["selector"] | {"matchLabels": (spec["selector"].get("matchLabels") or {}) | {facts.HASH_LABEL: hash_}}
    new: Object = {
        "metadata": {
            "name": f"{meta.name(deployment)}-{hash_}",
            "namespace": meta.namespace(deployment),
            "labels": labels,
            "ownerReferences": [meta.owner_reference(deployment, DEPLOYMENTS.api_version, DEPLOYMENTS.kind)],
        },
        "spec": {
            "replicas": replicas,
            "selector": selector,
            "template": template | {"metadata": metadata | {"labels": labels}},
        },
    }
    if spec.get("minReadySeconds"):
        new["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    return annotated(deployment, new, revision)


def next_revision(old: Sequence[Object]) -> int:
    return max((facts.revision(each) for each in old), default=0) + 1


def annotated(deployment: Object, replica_set: Object, revision: int) -> Object:
    """The set with the Deployment's annotations, its revision and (when it is new) its sizes; the set itself when nothing changes."""
    found = meta.annotations(replica_set)
    copied = {key: value for key, value in meta.annotations(deployment).items() if key not in _NOT_COPIED}
    wanted = found | copied | _numbered(found, revision)
    if not meta.uid(replica_set):
        wanted |= sizes(deployment)
    return replica_set if wanted == found else with_annotations(replica_set, wanted)


def _numbered(found: dict[str, str], revision: int) -> dict[str, str]:
    old = found.get(facts.REVISION)
    if old is not None and (natural(old) or 0) >= revision:
        return {}
    numbered = {facts.REVISION: str(revision)}
    if old is None or old == str(revision):
        return numbered
    history = [each for each in found.get(facts.REVISION_HISTORY, "").split(",") if each]
    while history and len(",".join([*history, old])) > HISTORY_LIMIT:
        history.pop(0)
    return numbered | {facts.REVISION_HISTORY: ",".join([*history, old])}


def sizes(deployment: Object) -> dict[str, str]:
    wanted = facts.size(deployment)
    return {facts.DESIRED: str(wanted), facts.MAXIMUM: str(wanted + facts.max_surge(deployment))}


def with_annotations(obj: Object, annotations: dict[str, str]) -> Object:
    return obj | {"metadata": obj["metadata"] | {"annotations": annotations}}


def with_size(deployment: Object, replica_set: Object, replicas: int) -> Object:
    """The set at another size, with the Deployment's size noted on it; the set itself when nothing changes."""
    annotations = meta.annotations(replica_set) | sizes(deployment)
    if replicas == facts.size(replica_set) and annotations == meta.annotations(replica_set):
        return replica_set
    return with_annotations(replica_set, annotations) | {"spec": facts.spec(replica_set) | {"replicas": replicas}}


def as_current(deployment: Object, replica_set: Object, revision: int) -> Object:
    """An existing set that the Deployment has (again) come to: renumbered, its readiness delay the Deployment's."""
    renewed = annotated(deployment, replica_set, revision)
    delay_s = facts.spec(deployment).get("minReadySeconds") or 0
    if delay_s == (facts.spec(replica_set).get("minReadySeconds") or 0):
        return renewed
    return renewed | {"spec": facts.spec(replica_set) | {"minReadySeconds": delay_s}}
