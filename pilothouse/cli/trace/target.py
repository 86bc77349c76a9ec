"""Where the packet is to go, as the API has it: a Service, a pod or an address."""

import ipaddress
from dataclasses import dataclass, field

import click

from pilothouse.cli.why.service_causes import of_port
from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, PODS, SERVICES

ENDED = ("Succeeded", "Failed")
"""Phases of pods that have no network any more."""
_SERVICES, _PODS = ("svc", "service", "services"), ("pod", "pods", "po")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """pod: NAMESPACE/NAME, "" for what is no pod."""

    address: str
    port: int
    node: str
    pod: str
    ready: bool


@dataclass(frozen=True, slots=True)
class Target:
    """shown: for people. service: None for a pod or an address. endpoints: where the packet may end up.

    service_port: the one of the Service that is meant. slices: the Service's EndpointSlices.
    """

    shown: str
    address: str
    port: int
    protocol: str
    service: Object | None = None
    endpoints: tuple[Endpoint, ...] = field(default=())
    service_port: Object = field(default_factory=dict)
    slices: tuple[Object, ...] = ()

    def endpoint(self, address: str) -> Endpoint | None:
        return next((each for each in self.endpoints if each.address == address), None)

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.node for each in self.endpoints if each.node))


async def target(client: Client, text: str, namespace: str, source: Object, port: str | None, protocol: str | None) -> Target:
    """source: the pod that sends. Raises click.ClickException with what to write instead."""
    kind, slash, name = text.rpartition("/")
    if slash and kind.lower() in _SERVICES:
        return await _service(client, name, namespace, source, port, protocol)
    if slash and kind.lower() in _PODS:
        return await _pod(client, name, namespace, source, port, protocol)
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        raise click.UsageError(f"{text!r}: write svc/NAME, pod/NAME or an IP address") from None
    if _of_family([address], source) is None:
        family = 6 if ":" in address else 4
        raise click.ClickException(f"pod {meta.name(source)} has no IPv{family} address: it sends nothing to {address}")
    if port is None or not port.isdecimal():
        raise click.UsageError(f"which port of {address}? give it by --port NUMBER")
    if (service := await _with_address(client, address, _number(port), protocol or "tcp")) is not None:
        return await _of_service(client, service, source, port, protocol or "tcp", address)
    return Target(address, address, _number(port), protocol or "tcp")


async def _with_address(client: Client, address: str, port: int, protocol: str) -> Object | None:
    """The Service that answers there; None for the address of something else."""
    for each in (await client.list_all(SERVICES)).items:
        spec, status = each["spec"], (each.get("status") or {}).get("loadBalancer") or {}
        known = [*_clusters(spec), *(spec.get("externalIPs") or ()), *(entry.get("ip") for entry in status.get("ingress") or ())]
        if address in filter(None, known) and _chosen(spec.get("ports") or [], "port", str(port), protocol) is not None:
            return each
    return None


def _clusters(spec: Object) -> list[str]:
    return [each for each in spec.get("clusterIPs") or [spec.get("clusterIP")] if each and each != "None"]


def addresses(pod: Object) -> list[str]:
    return [each["ip"] for each in pod.get("status", {}).get("podIPs") or () if each.get("ip")]


async def sender(client: Client, text: str, namespace: str) -> Object:
    """The pod that the packet is to come from. Raises click.ClickException."""
    kind, slash, name = text.rpartition("/")
    if slash and kind.lower() not in _PODS:
        raise click.UsageError(f"--from {text}: a packet comes from a pod: write pod/NAME")
    pod = await _existing_pod(client, name, namespace)
    if pod["spec"].get("hostNetwork"):
        raise click.ClickException(f"pod {name} shares the network of its node: trace from a pod with a network of its own")
    if pod.get("status", {}).get("phase") != "Running" or not addresses(pod):
        raise click.ClickException(f"pod {name} does not run: only from a running pod can a packet be sent")
    return pod


async def _existing_pod(client: Client, name: str, namespace: str) -> Object:
    pod = await client.get_or_none(PODS, name, namespace)
    if pod is None:
        raise click.ClickException(f"there is no pod {name} in namespace {namespace}")
    return pod


async def _pod(client: Client, name: str, namespace: str, source: Object, port: str | None, protocol: str | None) -> Target:
    pod = await _existing_pod(client, name, namespace)
    if (phase := pod.get("status", {}).get("phase")) in ENDED:
        raise click.ClickException(f"pod {name} has ended ({phase}): the address that it had may be another pod's by now")
    address = _of_family(addresses(pod), source)
    if address is None:
        raise click.ClickException(f"pod {name} has no address of a family that the sender has: it does not run, perhaps")
    declared = [each for container in pod["spec"]["containers"] for each in container.get("ports") or ()]
    chosen = _chosen(declared, "containerPort", port, protocol)
    if chosen is None and (port is None or not port.isdecimal()):
        raise click.UsageError(f"which port of pod {name}? give it by --port NUMBER{_offer(declared, 'containerPort')}")
    number = chosen["containerPort"] if chosen is not None else _number(port or "")
    used = protocol or (chosen or {}).get("protocol", "TCP").lower()
    own = Endpoint(address, number, pod["spec"].get("nodeName", ""), f"{namespace}/{name}", True)
    return Target(f"pod {namespace}/{name}", address, number, used, endpoints=(own,))


async def _service(client: Client, name: str, namespace: str, source: Object, port: str | None, protocol: str | None) -> Target:
    try:
        service = await client.get(SERVICES, name, namespace)
    except NotFound:
        own, _, other = name.partition(".")
        elsewhere = f"; write svc/{own} --to-namespace {other.partition('.')[0]} for that of another namespace" if other else ""
        raise click.ClickException(f"there is no service {name} in namespace {namespace}{elsewhere}") from None
    if service["spec"].get("type") == "ExternalName":
        raise click.ClickException(f"service {name} is an alias of {service['spec'].get('externalName')}: trace to an address of that")
    return await _of_service(client, service, source, port, protocol)


async def _of_service(
    client: Client, service: Object, source: Object, port: str | None, protocol: str | None, address: str | None = None
) -> Target:
    """address: one of the Service's, where it is given; else the first of a family that the sender has."""
    name, namespace, spec = meta.name(service), meta.namespace(service), service["spec"]
    ports = spec.get("ports") or []
    chosen = _chosen(ports, "port", port, protocol)
    if chosen is None:
        raise click.UsageError(f"{_no_port(name, ports, port, protocol)}{_offer(ports, 'port')}")
    used = (chosen.get("protocol") or "TCP").lower()
    slices = await client.list_all(ENDPOINTSLICES, namespace, label_selector=f"kubernetes.io/service-name={name}")
    found = tuple(each for slice_ in slices.items for each in _endpoints(slice_, chosen, namespace))
    shown = f"service {namespace}/{name}"
    clusters = _clusters(spec)
    if clusters:
        address = address or _of_family(clusters, source)
        if address is None:
            raise click.ClickException(f"{shown} has no address of a family that the sender has: {', '.join(clusters)}")
        return Target(shown, address, chosen["port"], used, service, found, chosen, tuple(slices.items))
    first = next((each for each in found if each.ready and _of_family([each.address], source)), None)
    if first is None:
        cause = of_port(service, chosen, await selected(client, service), slices.items)
        why = f"{', so '.join(cause.chain)}; {cause.next_step}" if cause is not None else "none of an IP family that the sender has"
        raise click.ClickException(f"{shown} is headless and has no ready endpoint: {why}")
    shown = f"{shown}, endpoint {first.pod or first.address}"
    return Target(shown, first.address, first.port, used, service, (first,), chosen, tuple(slices.items))


async def selected(client: Client, service: Object) -> list[Object]:
    """The pods that the Service's selector matches and that have not ended."""
    selector = service["spec"].get("selector")
    if not selector:
        return []
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    found = (await client.list_all(PODS, meta.namespace(service), label_selector=labels)).items
    return [each for each in found if (each.get("status") or {}).get("phase") not in ENDED]


def _endpoints(slice_: Object, port: Object, namespace: str) -> list[Endpoint]:
    number = next((each["port"] for each in slice_.get("ports") or () if (each.get("name") or "") == (port.get("name") or "")), 0)
    found = []
    for each in slice_.get("endpoints") or ():
        reference = each.get("targetRef") or {}
        pod = f"{namespace}/{reference['name']}" if reference.get("kind") == "Pod" else ""
        ready = (each.get("conditions") or {}).get("ready") is not False
        found += [Endpoint(address, number, each.get("nodeName") or "", pod, ready) for address in each["addresses"]]
    return found


def _chosen(ports: list[Object], field: str, port: str | None, protocol: str | None) -> Object | None:
    """The one that is meant, by number or name; without either the only one."""
    mine = [each for each in ports if protocol is None or (each.get("protocol") or "TCP").lower() == protocol]
    if port is None:
        return mine[0] if len(mine) == 1 else None
    return next((each for each in mine if port in (str(each[field]), each.get("name"))), None)


def _no_port(name: str, ports: list[Object], port: str | None, protocol: str | None) -> str:
    over = f" over {protocol.upper()}" if protocol is not None else ""
    if port is not None:
        return f"service {name} has no port {port}{over}"
    if all((each.get("protocol") or "TCP").lower() != protocol for each in ports) and protocol is not None:
        return f"service {name} has no {protocol.upper()} port"
    return f"which port of service {name}? give it by --port"


def _offer(ports: list[Object], field: str) -> str:
    known = [
        f"{each[field]}/{(each.get('protocol') or 'TCP').lower()}" + (f" ({each['name']})" if each.get("name") else "") for each in ports
    ]
    return f"; there are {', '.join(known)}" if known else ""


def _of_family(candidates: list[str], source: Object) -> str | None:
    """The first address that the sender has an address of the same family for."""
    families = {":" in each for each in addresses(source)}
    return next((each for each in candidates if (":" in each) in families), None)


def _number(text: str) -> int:
    number = int(text[:6])
    if not 0 < number < 65536:
        raise click.UsageError(f"{text} is no port")
    return number
