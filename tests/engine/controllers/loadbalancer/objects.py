"""Nodes, pools and Services for tests of load balancers."""

from typing import Any

from pilothouse.model.json import Object
from pilothouse.model.load_balancers import NAMESPACE, NODE_ADDRESSES, PORTS_IN_USE

READY: Object = {"type": "Ready", "status": "True", "reason": "x", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def node(name: str = "n1", addresses: str = "192.0.2.7", used: str = "", labels: Object | None = None) -> Object:
    annotations = {NODE_ADDRESSES: addresses, PORTS_IN_USE: used}
    return {"metadata": {"name": name, "annotations": annotations, "labels": labels or {}}, "status": {"conditions": [READY]}}


def pool(name: str = "lan", *addresses: str, for_whom: Object | None = None, labels: Object | None = None, **spec: Any) -> Object:
    spec = {"addresses": list(addresses), **spec} | ({"serviceAllocation": for_whom} if for_whom else {})
    return {"metadata": {"name": name, "namespace": NAMESPACE, "labels": labels or {}}, "spec": spec}


def service(
    name: str = "web", *ports: int, annotations: Object | None = None, labels: Object | None = None, namespace: str = "default", **spec: Any
) -> Object:
    listed = [{"port": port, "protocol": "TCP", "name": f"p{port}"} for port in ports or (80,)]
    shown = {f"metallb.io/{key}": value for key, value in (annotations or {}).items()}
    metadata = {"name": name, "namespace": namespace, "annotations": shown, "labels": labels or {}}
    return {"metadata": metadata, "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": listed, **spec}}


def ips(obj: Object) -> list[str]:
    return [each["ip"] for each in obj["status"]["loadBalancer"].get("ingress") or ()]
