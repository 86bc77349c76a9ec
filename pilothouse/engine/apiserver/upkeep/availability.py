"""Whether somebody could answer for an APIService that names a service, as far as its Service and endpoints tell.

What is left then is to ask (`aggregator.checks`). Source: kube-aggregator pkg/controllers/status/remote.
"""

from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.webhooks.services import SlicesOfServices
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES


class Availability:
    """slices: kept up to date by the caller."""

    def __init__(self, objects: Objects, slices: SlicesOfServices) -> None:
        self._objects = objects
        self._slices = slices

    def missing(self, spec: Object) -> tuple[str, str] | None:
        """Reason and message of an APIService's condition Available=False, None where nothing is missing."""
        wanted = spec["service"]
        namespace, name, number = wanted["namespace"], wanted["name"], wanted["port"]
        service = self._objects.get(SERVICES, namespace, name)
        where = f'service/{name} in "{namespace}"'
        if service is None:
            return "ServiceNotFound", f"{where} is not present"
        if service["spec"].get("type") == "ClusterIP":
            port = next((port for port in service["spec"].get("ports") or () if port["port"] == number), None)
            if port is None:
                return "ServicePortError", f"{where} is not listening on port {number}"
            slices = [self._objects.get(ENDPOINTSLICES, namespace, each) for each in self._slices.of(namespace, name)]
            if not slices:
                return "EndpointsNotFound", f"cannot find endpointslices for {where}"
            port_name = port.get("name") or ""
            if not any(_is_ready(each, port_name) for each in slices if each is not None):
                return "MissingEndpoints", f'endpointslices for {where} have no addresses with port name "{port_name}"'
        return None


def _is_ready(found: Object, port_name: str) -> bool:
    is_ready = any((endpoint.get("conditions") or {}).get("ready") is not False for endpoint in found.get("endpoints") or ())
    return is_ready and any((port.get("name") or "") == port_name and port.get("port") for port in found.get("ports") or ())
