"""Where the store keeps objects: `/GROUP_RESOURCE/NAMESPACE/NAME`, without a namespace for objects of the cluster."""

from pilothouse.model.resource import Resource


def prefix_of(resource: Resource, namespace: str = "") -> str:
    """Of all objects of the resource, or of those in a namespace."""
    return f"/{resource.group_resource}/{namespace}/" if namespace else f"/{resource.group_resource}/"


def key_of(resource: Resource, namespace: str, name: str) -> str:
    return f"/{resource.group_resource}/{namespace}/{name}"


def place_of(key: str) -> tuple[str, str]:
    """(namespace, name) of an object's key."""
    _, _, namespace, name = key.split("/", 3)
    return namespace, name
