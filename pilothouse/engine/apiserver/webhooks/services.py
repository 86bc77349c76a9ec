"""Addresses of what is behind a Service, for a server that runs beside the cluster and not in it.

The endpoints are read anew for every call, so that an endpoint that is gone is not called once more.
Source: apiserver/pkg/util/proxy/proxy.go, ResolveEndpoints.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.webhooks.failures import CallFailed
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES
from pilothouse.model.service_reference import ServiceReference

SLICES = f"/{ENDPOINTSLICES.group_resource}/"
SERVICE_NAME = "kubernetes.io/service-name"
_WITH_ADDRESSES = ("ClusterIP", "NodePort", "LoadBalancer")

Address = tuple[str, int]


@dataclass(slots=True)
class SlicesOfServices:
    """Which EndpointSlices belong to a Service; an index of the store (see `following`)."""

    _slices: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _services: dict[str, tuple[str, str]] = field(default_factory=dict)

    def put(self, key: str, value: Object) -> None:
        self.drop(key)
        metadata = value["metadata"]
        name = (metadata.get("labels") or {}).get(SERVICE_NAME)
        if name:
            service = metadata["namespace"], name
            self._slices.setdefault(service, set()).add(metadata["name"])
            self._services[key] = service

    def drop(self, key: str) -> None:
        service = self._services.pop(key, None)
        if service is None:
            return
        names = self._slices[service]
        names.discard(key.rpartition("/")[2])
        if not names:
            del self._slices[service]

    def clear(self) -> None:
        self._slices.clear()
        self._services.clear()

    def of(self, namespace: str, name: str) -> list[str]:
        return sorted(self._slices.get((namespace, name), ()))


class Services:
    """slices: kept up to date by the caller."""

    def __init__(self, objects: Objects, slices: SlicesOfServices) -> None:
        self._objects = objects
        self._slices = slices

    def addresses(self, wanted: ServiceReference) -> list[Address]:
        """Where the Service's ready endpoints listen, in random order, at least one. Raises CallFailed."""
        service = self._objects.get(SERVICES, wanted.namespace, wanted.name)
        if service is None:
            raise CallFailed(f'service "{wanted.name}" not found', code=404)
        spec = service.get("spec") or {}
        port = next((each for each in spec.get("ports") or () if each["port"] == wanted.port), None)
        if port is None:
            raise CallFailed(f'no service port {wanted.port} found for service "{wanted.name}"', code=503)
        if spec.get("type") not in _WITH_ADDRESSES:
            raise CallFailed(f'unsupported service type "{spec.get("type")}"')
        found = list(self._endpoints(wanted, port.get("name") or ""))
        if not found:
            raise CallFailed(f'no endpoints available for service "{wanted.name}"', code=503)
        random.shuffle(found)
        return found

    def _endpoints(self, wanted: ServiceReference, port_name: str) -> Iterator[Address]:
        for name in self._slices.of(wanted.namespace, wanted.name):
            found = self._objects.get(ENDPOINTSLICES, wanted.namespace, name)
            if found is None or found.get("addressType") == "FQDN":
                continue
            ports = [port["port"] for port in found.get("ports") or () if (port.get("name") or "") == port_name and port.get("port")]
            for endpoint in found.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    yield from ((endpoint["addresses"][0], port) for port in ports)
