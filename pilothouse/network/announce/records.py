"""ServiceL2Statuses: which node answers for which Service, for people and for the other nodes.

Level-triggered: compared with what is there.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress

from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, NotFound
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import NAMESPACE, SERVICEL2STATUSES, Address
from pilothouse.network.announce.plan import Announced


def service_of(record: Object) -> str:
    status = record.get("status") or {}
    return f"{status.get('serviceNamespace') or ''}/{status.get('serviceName') or ''}"


def holders(records: Iterable[Object]) -> dict[str, str]:
    """The node that answers, by the keys of Services; of two records of one Service the later one counts."""
    ordered = sorted(records, key=lambda each: (str(each["metadata"].get("creationTimestamp")), meta.name(each)))
    return {service_of(each): node for each in ordered if (node := (each.get("status") or {}).get("node"))}


class Holders:
    """Which node answers for which Service, as the records say, kept in step with them. Owned by the loop."""

    def __init__(self) -> None:
        self._by_service: dict[str, dict[str, Object]] = {}

    def changed(self, old: Object | None, new: Object | None) -> None:
        for record in (old, new):
            if record is not None:
                known = self._by_service.get(service_of(record), {})
                known.pop(meta.name(record), None)
                if not known:
                    self._by_service.pop(service_of(record), None)
        if new is not None:
            self._by_service.setdefault(service_of(new), {})[meta.name(new)] = new

    def of(self, service: str) -> str:
        """ "" for a Service that nobody answers for."""
        return holders(self._by_service.get(service, {}).values()).get(service, "")

    def all(self) -> dict[str, str]:
        return holders(record for known in self._by_service.values() for record in known.values())


def difference(records: Iterable[Object], node: str, wanted: Mapping[str, Iterable[str]]) -> tuple[dict[str, Object], list[str]]:
    """What has to be written for `wanted`, links by the keys of the Services that this node answers for: statuses by name, and names to
    delete. Those of other nodes for these Services are: who has an address says so, and nobody else has it.
    """
    present = {meta.name(each): each for each in records}
    names = {name_of(key, node): key for key in wanted}
    statuses = {name: _status(key, node, wanted[key]) for name, key in names.items()}
    puts = {name: status for name, status in statuses.items() if (present.get(name, {}).get("status") or {}) != status}
    surplus = [
        name
        for name, each in present.items()
        if name not in names and ((each.get("status") or {}).get("node") == node or service_of(each) in wanted)
    ]
    return puts, surplus


async def write(
    client: Client, records: Iterable[Object], node: str, plan: Mapping[Address, Announced], held: Mapping[Address, Iterable[str]]
) -> None:
    """Bring this node's records to what it holds, see `difference`. held: links by address. Raises ApiError."""

    def compare() -> tuple[dict[str, Object], list[str]]:
        wanted: dict[str, set[str]] = {}
        for address, links in held.items():
            for key in plan[address].services if address in plan else ():
                wanted.setdefault(key, set()).update(links)
        return difference(records, node, wanted)

    # Beside the loop: a name costs a digest.
    puts, surplus = await asyncio.to_thread(compare)
    for name, status in puts.items():
        await _put(client, name, status)
    for name in surplus:
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
