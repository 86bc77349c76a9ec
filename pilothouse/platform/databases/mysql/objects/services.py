"""The Services of an instance: to the primary, to replicas, and the one that names the members (pure)."""

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names


def services(instance: Object) -> list[Object]:
    name = meta.name(instance)
    return [
        _service(instance, name, _leading_to(name, {labels.ROLE: "primary"})),
        _service(instance, names.read(name), _leading_to(name, {labels.READABLE: "yes"})),
        _service(instance, names.members(name), _members(name)),
    ]


def _leading_to(name: str, chosen: dict[str, str]) -> Object:
    return {"selector": labels.selector(name) | chosen, "ports": [_port("mysql", names.PORT)]}


def _members(name: str) -> Object:
    """Members find each other before they are ready."""
    return {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": labels.selector(name),
        "ports": [_port("mysql", names.PORT), _port("agent", names.AGENT_PORT)],
    }


def _service(instance: Object, name: str, spec: Object) -> Object:
    return {
        "apiVersion": kinds.SERVICES.api_version,
        "kind": kinds.SERVICES.kind,
        "metadata": labels.metadata(instance, name),
        "spec": spec,
    }


def _port(name: str, number: int) -> Object:
    return {"name": name, "port": number, "protocol": "TCP", "targetPort": number}
