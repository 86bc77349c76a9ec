"""What is served right now, as resources: for the controllers whose work spans all kinds, custom ones and those of other servers included.

Asked of the aggregated discovery document, which this API server answers by itself: another server that does not answer holds up nobody.
"""

from typing import NamedTuple

from pilothouse.client.client import Client
from pilothouse.client.transport import Call
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Discovered(NamedTuple):
    """resources: of each group in its preferred version, without subresources. stale: versions, as `group/version`, of which only what was
    known before is among them, since their servers do not answer; stale_groups: their groups.
    """

    resources: list[Resource]
    stale: list[str]
    stale_groups: frozenset[str]


async def served(client: Client) -> Discovered:
    """Raises ApiError."""
    found, stale = list[Resource](), list[tuple[str, str]]()
    for path in ("/api", "/apis"):
        document: Object = await client.transport.call(Call("GET", path, accept=_AGGREGATED))
        for group in document["items"]:
            name, preferred = group["metadata"].get("name") or "", group["versions"][0]
            found += [_resource(name, preferred["version"], each) for each in preferred.get("resources") or ()]
            if preferred.get("freshness") == "Stale":
                stale.append((name, preferred["version"]))
    return Discovered(found, [f"{group}/{version}" for group, version in stale], frozenset(group for group, _ in stale))


def _resource(group: str, version: str, entry: Object) -> Resource:
    return Resource(
        group,
        version,
        entry["resource"],
        (entry.get("responseKind") or {}).get("kind") or "",
        namespaced=entry["scope"] == "Namespaced",
        verbs=tuple(entry.get("verbs") or ()),
    )


def supports(resource: Resource, *verbs: str) -> bool:
    return all(verb in resource.verbs for verb in verbs)
