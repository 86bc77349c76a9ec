"""The objects of every cluster, as values. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Network

from pilothouse.engine.apiserver.bootstrap.bindings import cluster_role_bindings, role_bindings
from pilothouse.engine.apiserver.bootstrap.roles import cluster_roles, roles
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.model.json import Object

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_RBAC = "rbac.authorization.k8s.io"
RETIRED = (f"/clusterrolebindings.{_RBAC}//system:gateway", f"/clusterroles.{_RBAC}//system:gateway")
"""What earlier versions made and this one must not leave: the gateway's right to read every Secret."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """owned: the fields that are set at every start. Roles and bindings have rules of their own (`reconcile`); others are only made."""

    key: str
    value: Object
    owned: tuple[str, ...] = ()


def wanted_objects(settings: Settings, network: IPv4Network) -> list[Wanted]:
    found = [namespace(name) for name in NAMESPACES]
    found += [_at(f"clusterroles.{_RBAC}", "", role) for role in (*cluster_roles(), *settings.cluster_roles)]
    bindings = (*cluster_role_bindings(), *settings.cluster_role_bindings)
    found += [_at(f"clusterrolebindings.{_RBAC}", "", binding) for binding in bindings]
    found += [_at(f"roles.{_RBAC}", role["metadata"]["namespace"], role) for role in roles()]
    found += [_at(f"rolebindings.{_RBAC}", binding["metadata"]["namespace"], binding) for binding in role_bindings()]
    found += [_at("priorityclasses.scheduling.k8s.io", "", each) for each in _priority_classes()]
    return found + _api_service(settings, network)


def _at(resource: str, namespace: str, value: Object, owned: tuple[str, ...] = ()) -> Wanted:
    return Wanted(f"/{resource}/{namespace}/{value['metadata']['name']}", value, owned)


def namespace(name: str) -> Wanted:
    metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
    value = {"metadata": metadata, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    return Wanted(f"/namespaces//{name}", value)


def _priority_classes() -> list[Object]:
    described = (
        ("system-node-critical", 2000001000, "Used for system critical pods that must not be moved from their current node."),
        (
            "system-cluster-critical",
            2000000000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
    )
    return [
        {"metadata": {"name": name, "generation": 1}, "value": value, "description": text, "preemptionPolicy": "PreemptLowerPriority"}
        for name, value, text in described
    ]


def _api_service(settings: Settings, network: IPv4Network) -> list[Wanted]:
    """The Service `kubernetes` at the network's first address, and where it leads."""
    address = str(network[1])
    port = {"name": "https", "protocol": "TCP", "port": settings.port}
    labels = {"component": "apiserver", "provider": "kubernetes"}
    spec = {
        "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": settings.port}],
        "clusterIP": address,
        "clusterIPs": [address],
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
    }
    metadata = {"name": "kubernetes", "namespace": "default"}
    mirrored = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    return [
        _at("services", "default", {"metadata": metadata | {"labels": labels}, "spec": spec, "status": {"loadBalancer": {}}}, ("spec",)),
        _at(
            "endpoints",
            "default",
            {"metadata": metadata | {"labels": mirrored}, "subsets": [{"addresses": [{"ip": settings.host}], "ports": [port]}]},
            ("subsets",),
        ),
        _at(
            "endpointslices.discovery.k8s.io",
            "default",
            {
                "metadata": metadata | {"generation": 1, "labels": {"kubernetes.io/service-name": "kubernetes"}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [settings.host], "conditions": {"ready": True}}],
                "ports": [port],
            },
            ("endpoints", "ports"),
        ),
    ]
