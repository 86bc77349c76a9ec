"""Where a proxied request goes: the pod that it names, or one of those behind the Service that it names.

Both are followed by what the API has of pods: an address that somebody has written into an EndpointSlice, without a pod of the namespace
that has it, is nobody's. Source: kubernetes pkg/registry/core/pod/strategy.go and service/storage/storage.go, ResourceLocation.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.proxying.named import Named, split
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.write import storage
from pilothouse.model.digits import natural
from pilothouse.model.errors import BadRequest, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, PODS
from pilothouse.model.proxyable import is_proxyable

SERVICE_NAME = "kubernetes.io/service-name"
MOST_TRIED = 3
_PORTS = {"http": 80, "https": 443}
_OVER = ("Succeeded", "Failed")

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Location:
    """addresses: at least one; each serves the same."""

    tls: bool
    addresses: tuple[Address, ...]


def pod_location(backend: Backend, request: ApiRequest, served: ServedResource) -> Location:
    """Raises NotFound, BadRequest."""
    named = _named("pod", request.name)
    pod = storage.existing(backend.store, served, request.namespace, named.name).value
    status = pod.get("status") or {}
    address = str(status.get("podIP") or "")
    if not address:
        raise BadRequest(f"pod {named.name} has no address yet: it is {status.get('phase') or 'Pending'}")
    if status.get("phase") in _OVER:
        raise BadRequest(f"pod {named.name} has ended ({status['phase']}): its address may be another pod's by now")
    if not is_proxyable(address):
        raise BadRequest("address not allowed")
    return Location(named.scheme == "https", ((address, _port_of_pod(pod, named)),))


def _port_of_pod(pod: Object, named: Named) -> int:
    """By number, by the name that a container gives it, or the first that a container names. Raises BadRequest."""
    stated = [port for container in pod["spec"].get("containers") or () for port in container.get("ports") or ()]
    if not named.port:
        return int(stated[0]["containerPort"]) if stated else _PORTS[named.scheme]
    number = natural(named.port)
    if number is None:
        number = next((int(port["containerPort"]) for port in stated if port.get("name") == named.port), None)
        if number is None:
            raise BadRequest(f"pod {named.name} has no port named {named.port}: name one of its containers' ports, or give a number")
    if not 0 < number < 65536:
        raise BadRequest(f"{named.port} is no port: name one from 1 to 65535")
    return number


def service_location(backend: Backend, request: ApiRequest, served: ServedResource) -> Location:
    """Raises NotFound, BadRequest, Unavailable."""
    named = _named("service", request.name)
    service = storage.existing(backend.store, served, request.namespace, named.name).value
    port_name = _port_of_service(service, named)
    objects = Objects(backend.store)
    found = list(_endpoints(objects, request.namespace, named.name, port_name))
    random.shuffle(found)
    checked = (address for address, target in found if _is_pods(objects, request.namespace, address[0], target))
    addresses = tuple(islice(checked, MOST_TRIED))
    if not addresses:
        raise Unavailable(f'no endpoints available for service "{request.name}"')
    return Location(named.scheme == "https", addresses)


def _port_of_service(service: Object, named: Named) -> str:
    """The port's name, "" for one without. Raises Unavailable."""
    stated: list[Object] = (service.get("spec") or {}).get("ports") or []
    number = natural(named.port)
    if number is not None:
        port = next((each for each in stated if each["port"] == number), None)
        if port is None:
            raise Unavailable(f'no service port {number} found for service "{named.name}"')
        return str(port.get("name") or "")
    if not named.port and len(stated) == 1:
        return str(stated[0].get("name") or "")
    return named.port


def _endpoints(objects: Objects, namespace: str, name: str, port_name: str) -> Iterator[tuple[Address, Object]]:
    """Those that are ready, and what each says that it is."""
    for value in objects.all(ENDPOINTSLICES, namespace):
        if (value["metadata"].get("labels") or {}).get(SERVICE_NAME) != name or value.get("addressType") == "FQDN":
            continue
        ports = [port for port in value.get("ports") or () if (port.get("name") or "") == port_name and port.get("port")]
        numbers = [int(port["port"]) for port in ports if (port.get("protocol") or "TCP") == "TCP"]
        for endpoint in value.get("endpoints") or ():
            target = endpoint.get("targetRef")
            if target and (endpoint.get("conditions") or {}).get("ready") is not False:
                yield from (((str(endpoint["addresses"][0]), number), target) for number in numbers)


def _is_pods(objects: Objects, namespace: str, address: str, target: Object) -> bool:
    if target.get("kind") != "Pod" or (target.get("namespace") or namespace) != namespace or not is_proxyable(address):
        return False
    pod = objects.get(PODS, namespace, str(target.get("name") or ""))
    if pod is None:
        return False
    status = pod.get("status") or {}
    addresses = [status.get("podIP"), *(each.get("ip") for each in status.get("podIPs") or ())]
    return status.get("phase") not in _OVER and address in addresses


def _named(kind: str, text: str) -> Named:
    """Raises BadRequest."""
    found = split(text)
    if found is None:
        raise BadRequest(f"invalid {kind} request {text!r}: name it as NAME, NAME:PORT or SCHEME:NAME:PORT with http or https")
    return found
