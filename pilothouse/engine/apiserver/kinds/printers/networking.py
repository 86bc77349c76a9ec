"""Services, endpoints and ingresses in a Table."""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column
from pilothouse.engine.apiserver.kinds.printers.text import (
    AGE_COLUMN,
    NONE,
    SHOWN_MAX,
    UNKNOWN,
    UNSET,
    age,
    labels,
    name,
    selector,
    shortened,
)
from pilothouse.model.json import Object

SERVICE_COLUMNS = (
    NAME_COLUMN,
    Column("Type", "How the service is exposed."),
    Column("Cluster-IP", "The address of the service inside the cluster."),
    Column("External-IP", "Addresses of the service outside the cluster."),
    Column("Port(s)", "The ports that the service exposes."),
    AGE_COLUMN,
    Column("Selector", "Labels of the pods that the service leads to.", priority=1),
)
ENDPOINTS_COLUMNS = (NAME_COLUMN, Column("Endpoints", "The addresses and ports behind the service."), AGE_COLUMN)
SLICE_COLUMNS = (
    NAME_COLUMN,
    Column("AddressType", "The type of all addresses in this slice."),
    Column("Ports", "The ports of each endpoint in this slice."),
    Column("Endpoints", "The endpoints in this slice."),
    AGE_COLUMN,
)
INGRESS_COLUMNS = (
    NAME_COLUMN,
    Column("Class", "The name of the IngressClass resource that should be used for additional configuration"),
    Column("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
    Column("Address", "Address is a list containing ingress points for the load-balancer"),
    Column("Ports", "Ports of TLS configurations that open"),
    AGE_COLUMN,
)
CLASS_COLUMNS = (
    NAME_COLUMN,
    Column("Controller", "Controller that is responsible for handling this class"),
    Column("Parameters", "A reference to a resource with additional parameters"),
    AGE_COLUMN,
)
POLICY_COLUMNS = (NAME_COLUMN, Column("Pod-Selector", "Labels of the pods that the policy is for."), AGE_COLUMN)
SERVICECIDR_COLUMNS = (NAME_COLUMN, Column("CIDRs", "The networks from which Services get addresses."), AGE_COLUMN)
IPADDRESS_COLUMNS = (NAME_COLUMN, Column("ParentRef", "What has the address."))


def policy_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), selector((obj.get("spec") or {}).get("podSelector")), age(obj, now)]


def servicecidr_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), ",".join((obj.get("spec") or {}).get("cidrs") or ()), age(obj, now)]


def ipaddress_cells(obj: Object, now: datetime) -> list[Any]:
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    resource = ".".join(filter(None, (parent.get("resource"), parent.get("group"))))
    return [name(obj), "/".join(filter(None, (resource, parent.get("namespace"), parent.get("name")))) or NONE]


def service_cells(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    addresses = spec.get("clusterIPs") or ()
    return [
        name(obj),
        spec.get("type") or "",
        (addresses[0] if addresses else spec.get("clusterIP")) or NONE,
        _external(spec, obj.get("status") or {}),
        ",".join(_port(port) for port in spec.get("ports") or ()) or NONE,
        age(obj, now),
        labels(spec.get("selector")),
    ]


def _external(spec: Object, status: Object) -> str:
    kind, external = spec.get("type"), list(spec.get("externalIPs") or ())
    if kind in ("ClusterIP", "NodePort"):
        return ",".join(external) or NONE
    if kind == "LoadBalancer":
        return ",".join(_points(status) + external) or "<pending>"
    return (spec.get("externalName") or "") if kind == "ExternalName" else UNKNOWN


def _points(status: Object) -> list[str]:
    found = (status.get("loadBalancer") or {}).get("ingress") or ()
    shown = [point.get("ip") or point.get("hostname") or "" for point in found]
    return sorted({point for point in shown if point})


def _port(port: Object) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node}/{port.get('protocol')}"


def endpoints_cells(obj: Object, now: datetime) -> list[Any]:
    found: list[str] = []
    for subset in obj.get("subsets") or ():
        addresses = [address.get("ip") or "" for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        if not ports:
            found += addresses
        for port in ports:
            found += [f"[{ip}]:{port.get('port')}" if ":" in ip else f"{ip}:{port.get('port')}" for ip in addresses]
    return [name(obj), shortened(found) if obj.get("subsets") else NONE, age(obj, now)]


def slice_cells(obj: Object, now: datetime) -> list[Any]:
    ports = [_slice_port(port) for port in obj.get("ports") or ()]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return [name(obj), obj.get("addressType") or "", shortened(ports) or UNSET, shortened(addresses) or UNSET, age(obj, now)]


def _slice_port(port: Object) -> str:
    number, name = port.get("port"), port.get("name")
    if number is not None:
        return str(number)
    return "*" if name is None else str(name)


def _hosts(rules: list[Object]) -> str:
    """The first few; after them every rule counts, whether it names a host or not."""
    shown: list[str] = []
    for rule in rules:
        if len(shown) == SHOWN_MAX:
            return f"{','.join(shown)} + {len(rules) - SHOWN_MAX} more..."
        if rule.get("host"):
            shown.append(rule["host"])
    return ",".join(shown) or "*"


def ingress_cells(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    return [
        name(obj),
        spec.get("ingressClassName") or NONE,
        _hosts(spec.get("rules") or []),
        ",".join(_points(obj.get("status") or {})),
        "80, 443" if spec.get("tls") else "80",
        age(obj, now),
    ]


def class_cells(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    parameters = spec.get("parameters")
    shown = NONE
    if parameters:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        shown = f"{parameters.get('kind')}{group}/{parameters.get('name')}"
    return [name(obj), spec.get("controller") or "", shown, age(obj, now)]
