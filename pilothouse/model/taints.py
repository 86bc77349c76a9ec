"""Which taints of a node a pod bears. The scheduler and the eviction of pods have to agree on it.

Source: Kubernetes 1.36, staging/src/k8s.io/component-helpers/scheduling/corev1, ToleratesTaint.
"""

from pilothouse.model.json import Object


def tolerates(toleration: Object, taint: Object) -> bool:
    """An effect or a key that the toleration does not name is any; without an operator its value has to be the taint's."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if (toleration.get("operator") or "Equal") == "Exists":
        return True
    return bool((toleration.get("value") or "") == (taint.get("value") or ""))
