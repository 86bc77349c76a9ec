"""What the server serves right now, as resources: for the controllers whose work spans all kinds, custom ones included."""

from pilothouse.client.client import Client
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource


async def served(client: Client) -> list[Resource]:
    """Every resource in its group's preferred version, without subresources. Raises ApiError when a group does not answer."""
    versions = [("", "v1", "/api/v1")]
    for group in (await client.call("GET", "/apis")).get("groups") or ():
        version = group["preferredVersion"]["version"]
        versions.append((group["name"], version, f"/apis/{group['name']}/{version}"))
    found: list[Resource] = []
    for name, version, path in versions:
        answer = await client.call("GET", path)
        found += [_resource(name, version, each) for each in answer.get("resources") or () if "/" not in each["name"]]
    return found


def _resource(group: str, version: str, entry: Object) -> Resource:
    return Resource(
        group, version, entry["name"], entry["kind"], namespaced=bool(entry.get("namespaced")), verbs=tuple(entry.get("verbs") or ())
    )


def supports(resource: Resource, *verbs: str) -> bool:
    return all(verb in resource.verbs for verb in verbs)
