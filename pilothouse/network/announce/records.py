"""ServiceL2Statuses: which nodes answer for which Service, for people and for the other nodes; one of each Service and node.

Level-triggered: compared with what is there.
"""

import asyncio
import hashlib
from collections.abc import Collection, Iterable, Mapping
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


def node_of(record: Object) -> str:
    return str((record.get("status") or {}).get("node") or "")


def _age(record: Object) -> tuple[str, str]:
    return str(record["metadata"].get("creationTimestamp")), meta.name(record)


class Holders:
    """Which nodes answer for which Service, as the records say, kept in step with them. Owned by the loop.

    There may be several: of the two addresses of a Service one node may have the IPv4 one and another the IPv6 one.
    """

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Object]] = {}
        self._nodes: dict[str, tuple[str, ...]] = {}

    def changed(self, old: Object | None, new: Object | None) -> None:
        for record in (old, new):
            if record is not None:
                known = self._records.get(service_of(record), {})
                known.pop(meta.name(record), None)
                if not known:
                    self._records.pop(service_of(record), None)
        if new is not None:
            self._records.setdefault(service_of(new), {})[meta.name(new)] = new
        for service in {service_of(record) for record in (old, new) if record is not None}:
            self._read(service)

    def of(self, service: str) -> tuple[str, ...]:
        """The one that has said so last first, since others are about to give up what they share with it."""
        return self._nodes.get(service, ())

    def all(self) -> dict[str, tuple[str, ...]]:
        """By the keys of Services; a copy."""
        return dict(self._nodes)

    def _read(self, service: str) -> None:
        known = sorted(self._records.get(service, {}).values(), key=_age, reverse=True)
        nodes = tuple(dict.fromkeys(node for each in known if (node := node_of(each))))
        if nodes:
            self._nodes[service] = nodes
        else:
            self._nodes.pop(service, None)


def difference(
    records: Iterable[Object], node: str, wanted: Mapping[str, Iterable[str]], living: Collection[str]
) -> tuple[dict[str, Object], list[str]]:
    """What has to be written for `wanted`, links by the keys of the Services that this node answers for: statuses by name, and names to
    delete. Those of others for these Services are, but for the nodes of `living`: each takes its own back when it answers no more, and
    may have another address of the Service.
    """
    present = {meta.name(each): each for each in records}
    names = {name_of(key, node): key for key in wanted}
    statuses = {name: _status(key, node, wanted[key]) for name, key in names.items()}
    puts = {name: status for name, status in statuses.items() if (present.get(name, {}).get("status") or {}) != status}
    surplus = [
        name
        for name, each in present.items()
        if name not in names and (node_of(each) == node or (service_of(each) in wanted and node_of(each) not in living))
    ]
    return puts, surplus


async def write(
    client: Client,
    records: Iterable[Object],
    node: str,
    plan: Mapping[Address, Announced],
    held: Mapping[Address, Iterable[str]],
    living: Collection[str],
) -> None:
    """Bring this node's records to what it holds, see `difference`. held: links by address. Raises ApiError."""

    def compare() -> tuple[dict[str, Object], list[str]]:
        wanted: dict[str, set[str]] = {}
        for address, links in held.items():
            for key in plan[address].services if address in plan else ():
                wanted.setdefault(key, set()).update(links)
        return difference(records, node, wanted, living)

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
