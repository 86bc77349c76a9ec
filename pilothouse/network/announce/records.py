"""ServiceL2Statuses: which node answers for which Service, for people and for the other nodes.

Level-triggered: compared with what is there.
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress

from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, NotFound
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import NAMESPACE, SERVICEL2STATUSES


def service_of(record: Object) -> str:
    status = record.get("status") or {}
    return f"{status.get('serviceNamespace') or ''}/{status.get('serviceName') or ''}"


def holders(records: Iterable[Object]) -> dict[str, str]:
    """The node that answers, by the keys of Services; of two records of one Service the later one counts."""
    ordered = sorted(records, key=lambda each: (str(each["metadata"].get("creationTimestamp")), meta.name(each)))
    return {service_of(each): node for each in ordered if (node := (each.get("status") or {}).get("node"))}


async def write(client: Client, records: Iterable[Object], node: str, wanted: Mapping[str, Iterable[str]]) -> None:
    """Bring this node's records to `wanted`: links by the keys of the Services that it answers for. Raises ApiError.

    Records of other nodes for these Services are deleted: who has an address says so, and nobody else has it.
    """
    present = {meta.name(each): each for each in records}
    names = {name_of(key, node): key for key in wanted}
    for name, key in names.items():
        status = _status(key, node, wanted[key])
        if (present.get(name, {}).get("status") or {}) != status:
            await _put(client, name, status)
    for name, each in present.items():
        is_mine = (each.get("status") or {}).get("node") == node
        if name not in names and (is_mine or service_of(each) in wanted):
            with suppress(NotFound):
                await client.delete(SERVICEL2STATUSES, name, NAMESPACE)


def name_of(service: str, node: str) -> str:
    return f"l2-{hashlib.sha256(f'{service} {node}'.encode()).hexdigest()[:20]}"


def _status(service: str, node: str, links: Iterable[str]) -> Object:
    namespace, _, name = service.partition("/")
    return {"interfaces": [{"name": link} for link in sorted(links)], "node": node, "serviceName": name, "serviceNamespace": namespace}


async def _put(client: Client, name: str, status: Object) -> None:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"metallb.io/node": status["node"]}}
    with suppress(AlreadyExists):
        await client.create(SERVICEL2STATUSES, {"metadata": metadata, "spec": {}})
    await client.patch(SERVICEL2STATUSES, name, {"status": status}, namespace=NAMESPACE, subresource="status")
