"""What makes a pod a certain one of its set: its name, its labels, its host name and its volumes.

Source: Kubernetes 1.36, pkg/controller/statefulset/stateful_set_utils.go (initIdentity, updateIdentity, updateStorage).
"""

from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.statefulset import claims, facts
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import STATEFULSETS


def build(stateful_set: Object, template: Object, ordinal: int, revision: str) -> Object:
    """The pod of an ordinal. template, revision: of the revision that the pod is to be of, and its name."""
    metadata = template.get("metadata") or {}
    labels = (metadata.get("labels") or {}) | own_labels(stateful_set, ordinal) | {facts.REVISION_LABEL: revision}
    name = facts.pod_name(stateful_set, ordinal)
    made = pods.from_template(template, stateful_set, STATEFULSETS.api_version, STATEFULSETS.kind, name=name, labels=labels)
    spec = made["spec"] | {"hostname": name, "subdomain": facts.spec(stateful_set).get("serviceName") or ""}
    volumes = _volumes(stateful_set, spec.get("volumes") or [], ordinal)
    return made | {"spec": spec | ({"volumes": volumes} if volumes else {})}


def own_labels(stateful_set: Object, ordinal: int) -> dict[str, str]:
    return {facts.POD_NAME_LABEL: facts.pod_name(stateful_set, ordinal), facts.POD_INDEX_LABEL: str(ordinal)}


def _volumes(stateful_set: Object, given: list[Object], ordinal: int) -> list[Object]:
    """Those of the claims, then those of the template that no claim takes the place of."""
    claimed = claims.volumes(stateful_set, ordinal)
    names = {each["name"] for each in claimed}
    return [*claimed, *(each for each in given if each.get("name") not in names)]


def missing_labels(stateful_set: Object, pod: Object) -> dict[str, str]:
    """Labels that the pod should have and somebody took off or changed, or that it was adopted without."""
    ordinal = facts.ordinal_of(stateful_set, pod)
    if ordinal is None:
        return {}
    found = meta.labels(pod)
    return {key: value for key, value in own_labels(stateful_set, ordinal).items() if found.get(key) != value}
