"""What keeps an object until its driver has done its part: put there before the driver is asked, taken away after."""

from collections.abc import Mapping

from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

IN_THE_MAKING = "csi.pilothouse.dev/provisioning"
"""Of a claim whose volume the driver may be making."""


async def put(client: Client, resource: Resource, obj: Object, finalizer: str, annotations: Mapping[str, str] | None = None) -> Object:
    """The object with it, and with the annotations. Raises NotFound when it has gone, Conflict when it has changed since."""
    stated = dict(annotations or {})
    if finalizer in meta.finalizers(obj) and stated.items() <= meta.annotations(obj).items():
        return obj
    return await _write(client, resource, obj, [*dict.fromkeys((*meta.finalizers(obj), finalizer))], stated)


async def take(client: Client, resource: Resource, obj: Object, finalizer: str) -> None:
    """Nothing when it is not there. Raises Conflict when the object has changed since."""
    if finalizer not in meta.finalizers(obj):
        return
    try:
        await _write(client, resource, obj, [each for each in meta.finalizers(obj) if each != finalizer], {})
    except NotFound:
        return


async def _write(client: Client, resource: Resource, obj: Object, finalizers: list[str], annotations: dict[str, str]) -> Object:
    metadata: Object = {"finalizers": finalizers, "resourceVersion": meta.resource_version(obj)}
    if annotations:
        metadata["annotations"] = annotations
    namespace = meta.namespace(obj) if resource.namespaced else None
    return await client.patch(resource, meta.name(obj), {"metadata": metadata}, namespace=namespace)
