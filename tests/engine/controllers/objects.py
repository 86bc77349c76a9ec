"""Objects for plans, as small as the plans need them."""

from typing import Any

from pilothouse.model import meta

NOW = 1_800_000_000.0


def ago(seconds: float) -> str:
    return meta.rfc3339(NOW - seconds)


def pod(name: str, **facts: Any) -> dict[str, Any]:
    """facts: ready_s (ready since), node, phase, labels, ip, deleting, age_s, cost, restarts, ports, finalizers."""
    labels = facts.get("labels", {"app": "web"})
    metadata: dict[str, Any] = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": labels}
    metadata["creationTimestamp"] = ago(facts.get("age_s", 100))
    if facts.get("deleting"):
        metadata["deletionTimestamp"] = ago(0)
    if "cost" in facts:
        metadata["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": facts["cost"]}
    if "finalizers" in facts:
        metadata["finalizers"] = facts["finalizers"]
    status: dict[str, Any] = {"phase": facts.get("phase", "Running")}
    if "ready_s" in facts:
        status["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": ago(facts["ready_s"])}]
    if "ip" in facts:
        status["podIP"], status["podIPs"] = facts["ip"], [{"ip": facts["ip"]}]
    if "restarts" in facts:
        status["containerStatuses"] = [{"name": "c", "restartCount": facts["restarts"]}]
    spec: dict[str, Any] = {"containers": [{"name": "c", "ports": facts.get("ports", [])}]}
    if facts.get("node", "n1"):
        spec["nodeName"] = facts.get("node", "n1")
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def template(image: str = "web:1") -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def deployment(replicas: int = 4, surge: int | str = "25%", unavailable: int | str = "25%", **spec: Any) -> dict[str, Any]:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "uid": "uid-web", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(),
            "strategy": rolling,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        }
        | spec,
        "status": {},
    }


def replica_set(name: str, replicas: int, available: int | None = None, age_s: float = 100, **annotations: str) -> dict[str, Any]:
    have = replicas if available is None else available
    keys = {"desired": "desired-replicas", "maximum": "max-replicas", "revision": "revision"}
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "generation": 1,
            "creationTimestamp": ago(age_s),
            "annotations": {f"deployment.kubernetes.io/{keys[key]}": value for key, value in annotations.items()},
        },
        "spec": {"replicas": replicas, "template": template(name)},
        "status": {"replicas": replicas, "availableReplicas": have, "readyReplicas": have, "observedGeneration": 1},
    }


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    wanted = {"selector": {"app": "web"}, "ports": ports, "ipFamilies": ["IPv4"], "clusterIP": "10.96.0.9", "type": "ClusterIP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": wanted | spec,
    }


def job(**spec: Any) -> dict[str, Any]:
    status = spec.pop("status", {"startTime": ago(10)})
    wanted = {"completions": 1, "parallelism": 1, "backoffLimit": 6, "template": {"spec": {"restartPolicy": "Never"}}}
    return {
        "metadata": {"name": "once", "namespace": "default", "uid": "uid-once", "generation": 1},
        "spec": wanted | spec,
        "status": status,
    }
