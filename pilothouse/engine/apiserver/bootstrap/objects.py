"""The objects of every cluster, as values. Pure, but for the files of certificates that they show."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from pilothouse.engine.apiserver.aggregator.front_proxy import CONFIGMAP, configuration
from pilothouse.engine.apiserver.bootstrap.bindings import cluster_role_bindings, role_bindings
from pilothouse.engine.apiserver.bootstrap.roles import cluster_roles, roles
from pilothouse.engine.apiserver.services.addresses import DEFAULT
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.model.bootstrap_tokens import NAMESPACE, NODE_CONFIG
from pilothouse.model.json import Object, dumps
from pilothouse.model.kinds import SERVICECIDRS, STORAGECLASSES
from pilothouse.model.networks import Network, family, shown, with_port
from pilothouse.model.node_objects import DNS_SERVICE
from pilothouse.model.scheduling import SCHEDULERS
from pilothouse.model.volumes import DEFAULT_CLASS, ENFORCEMENT, LOCAL_CLASS, LOCAL_PROVISIONER

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_RBAC = "rbac.authorization.k8s.io"
RETIRED = (
    f"/clusterrolebindings.{_RBAC}//system:gateway",
    f"/clusterroles.{_RBAC}//system:gateway",
    *(
        f"/{kind}.{_RBAC}/kube-system/{name}"
        for kind in ("rolebindings", "roles")
        for name in ("system:cluster-dns", "pilothouse:endpoint-reporter")
    ),
)
"""What earlier versions made and this one must not leave: the gateway's right to read every Secret, and that of every node's proxy to
write Services, EndpointSlices and Leases of kube-system."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """owned: the fields that are set at every start; of merged ones, the entries that are stated here, while others stay.

    Roles and bindings have rules of their own (`reconcile`); others are only made.
    """

    key: str
    value: Object
    owned: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()


def wanted_objects(settings: Settings, networks: Sequence[Network]) -> list[Wanted]:
    found = [namespace(name) for name in NAMESPACES]
    found += [_at(f"clusterroles.{_RBAC}", "", role) for role in (*cluster_roles(), *settings.cluster_roles)]
    bindings = (*cluster_role_bindings(), *settings.cluster_role_bindings)
    found += [_at(f"clusterrolebindings.{_RBAC}", "", binding) for binding in bindings]
    found += [_at(f"roles.{_RBAC}", role["metadata"]["namespace"], role) for role in roles()]
    found += [_at(f"rolebindings.{_RBAC}", binding["metadata"]["namespace"], binding) for binding in role_bindings()]
    found += [_at("priorityclasses.scheduling.k8s.io", "", each) for each in _priority_classes()]
    found.append(_at(STORAGECLASSES.group_resource, "", _local_class()))
    found.append(_at(SERVICECIDRS.group_resource, "", _own_networks(networks), ("spec",)))
    return found + kept_objects(settings, networks)


def kept_objects(settings: Settings, networks: Sequence[Network]) -> list[Wanted]:
    """Those that say where the API server is; kept as they are while it runs (`upkeep.own_objects`)."""
    told = _cluster_info(settings) + _authentication(settings) + _node_config(settings, networks) + _schedulers(settings)
    return _api_service(settings, networks[0]) + _dns_service(settings) + told


def _own_networks(networks: Sequence[Network]) -> Object:
    """The ServiceCIDR of the settings, which may have changed: its Services keep their addresses all the same."""
    return {"metadata": {"name": DEFAULT}, "spec": {"cidrs": [str(network) for network in networks]}, "status": {}}


def _cluster_info(settings: Settings) -> list[Wanted]:
    """Where the API server is, and by which certificate to know it, for nodes that have nothing but a bootstrap token.

    The controller `bootstrap-signer` adds signatures. A server without a certificate tells nothing.
    """
    if not settings.ca:
        return []
    cluster = {
        "certificate-authority-data": b64encode(settings.ca.encode()).decode(),
        "server": f"https://{with_port(settings.host, settings.port)}",
    }
    kubeconfig = {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", "cluster": cluster}], "contexts": None, "users": None}
    value = {"metadata": {"name": "cluster-info", "namespace": "kube-public"}, "data": {"kubeconfig": dumps(kubeconfig).decode() + "\n"}}
    return [Wanted("/configmaps/kube-public/cluster-info", value, merged=("data",))]


def _authentication(settings: Settings) -> list[Wanted]:
    """By which other API servers know this one, and whose clients it lets in: they read it at their start."""
    if settings.front_proxy is None:
        return []
    data = configuration(settings.ca, settings.front_proxy.authority.read_text())
    value = {"metadata": {"name": CONFIGMAP, "namespace": NAMESPACE}, "data": data}
    return [Wanted(f"/configmaps/{NAMESPACE}/{CONFIGMAP}", value, merged=("data",))]


def _node_config(settings: Settings, networks: Sequence[Network]) -> list[Wanted]:
    """What a machine must know of the cluster to become a node of it; readable for who has a bootstrap token for nodes."""
    if not settings.pod_cidrs:
        return []
    pods, services = shown(settings.pod_cidrs), shown(networks)
    data = {"podCIDR": pods, "serviceCIDR": services, "clusterDomain": settings.cluster_domain, **settings.node_config}
    value = {"metadata": {"name": NODE_CONFIG, "namespace": NAMESPACE}, "data": data}
    return [Wanted(f"/configmaps/{NAMESPACE}/{NODE_CONFIG}", value, ("data",))]


def _schedulers(settings: Settings) -> list[Wanted]:
    """By which names pods ask for placing, for whoever wonders why one waits."""
    if not settings.scheduler_names:
        return []
    value = {"metadata": {"name": SCHEDULERS, "namespace": "kube-public"}, "data": {"names": " ".join(settings.scheduler_names)}}
    return [Wanted(f"/configmaps/kube-public/{SCHEDULERS}", value, ("data",))]


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


def _local_class() -> Object:
    """Only made: whoever wants another class to be the default unmarks it, and it stays so."""
    described = (
        "Each volume lies on the node of its first pod, below the instance's own folder, and is kept to its size there: the volume's "
        f"annotation {ENFORCEMENT} says by what."
    )
    return {
        "metadata": {"name": LOCAL_CLASS, "annotations": {DEFAULT_CLASS: "true", "kubernetes.io/description": described}},
        "provisioner": LOCAL_PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }


def _api_service(settings: Settings, network: Network) -> list[Wanted]:
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
        "ipFamilies": [family(network)],
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
                "addressType": family(ip_address(settings.host)),
                "endpoints": [{"addresses": [settings.host], "conditions": {"ready": True}}],
                "ports": [port],
            },
            ("endpoints", "ports"),
        ),
    ]


def _dns_service(settings: Settings) -> list[Wanted]:
    """The Service by which pods know the cluster's DNS. Each node leads it to its own server, which answers the pods of that node."""
    if not settings.dns_addresses:
        return []
    families = [family(ip_address(address)) for address in settings.dns_addresses]
    labels = {"k8s-app": DNS_SERVICE, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    spec = {
        "ports": [
            {"name": name, "protocol": protocol, "port": 53, "targetPort": 53} for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
        ],
        "clusterIP": settings.dns_addresses[0],
        "clusterIPs": list(settings.dns_addresses),
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "ipFamilies": families,
        "ipFamilyPolicy": "SingleStack" if len(families) == 1 else "RequireDualStack",
        "internalTrafficPolicy": "Local",
    }
    metadata = {"name": DNS_SERVICE, "namespace": NAMESPACE, "labels": labels}
    return [_at("services", NAMESPACE, {"metadata": metadata, "spec": spec, "status": {"loadBalancer": {}}}, ("spec",))]
