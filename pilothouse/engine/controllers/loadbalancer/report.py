"""What is said of the pools: how full each is, which are left out and why, and whether the configuration as a whole is of use. And of
Nodes, which of their addresses are not believed.

Source: metallb/metallb api/v1beta1 (IPAddressPoolStatus, ConfigurationStateStatus).
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice

from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.loadbalancer.assignments import Assignments
from pilothouse.engine.controllers.loadbalancer.node_addresses import Believed
from pilothouse.model import meta
from pilothouse.model.address_pools import Pool, Pools
from pilothouse.model.errors import AlreadyExists, NotFound
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import CONFIGURATIONSTATES, IPADDRESSPOOLS, NAMESPACE, Address

Silence = Callable[[Object], str]
"""Why nobody is told where the addresses of a pool are; "" where somebody is."""
STATE = "controller"
VALID = "poolReconcilerValid"
_MOST = (1 << 63) - 1
"""Of an int64: a /64 has more addresses."""
_MOST_NAMED = 4


class PoolReport:
    def __init__(self, client: Client, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._told: dict[str, str] = {}
        self._state = ""

    async def tell(self, objects: Sequence[Object], found: Pools, given: Assignments, nodes: Collection[Address], silence: Silence) -> None:
        """objects: the pools as the cache has them. nodes: what they have themselves. Raises ApiError."""
        used = _by_pool(found, given.addresses())
        reserved = _by_pool(found, (each for each in nodes if not given.is_of_pool(each)))
        for obj in objects:
            pool = found.named(meta.name(obj))
            silent = silence(obj) if pool is not None and used.get(pool.name) else ""
            inside = reserved.get(pool.name, []) if pool is not None else []
            self._say(obj, found, inside, silent)
            status = {} if pool is None else _status(pool, used.get(pool.name, []), inside)
            if status != (obj.get("status") or {}):
                try:
                    await self._client.update_status(IPADDRESSPOOLS, obj | {"status": status})
                except NotFound:
                    continue
        self._told = {name: why for name, why in self._told.items() if any(meta.name(each) == name for each in objects)}
        await self._tell_state(found)

    def _say(self, obj: Object, found: Pools, inside: Sequence[Address], silent: str) -> None:
        name = meta.name(obj)
        why = found.problems.get(name, "")
        note = f"{', '.join(sorted(map(str, inside))[:5])} is a node's own address and given to no Service" if inside else ""
        told = why or f"{note} {silent}"
        if self._told.get(name) == told:
            return
        self._told[name] = told
        if why:
            self._recorder.say(obj, "Warning", "PoolNotUsed", f"no Service gets addresses of this pool: {why}")
        if note:
            self._recorder.say(obj, "Normal", "AddressReserved", note)
        if silent:
            self._recorder.say(obj, "Warning", "PoolNotAnnounced", silent)

    async def _tell_state(self, found: Pools) -> None:
        error = "; ".join(f"pool {name}: {why}" for name, why in sorted(found.problems.items()))[:4000]
        if not found.given and not self._state:
            return
        valid = "False" if error else "True"
        said = f"{valid} {error}"
        if said == self._state:
            return
        obj = await self._client.get_or_none(CONFIGURATIONSTATES, STATE, NAMESPACE)
        if obj is None:
            try:
                obj = await self._client.create(
                    CONFIGURATIONSTATES, {"metadata": {"name": STATE, "namespace": NAMESPACE}, "spec": {"type": "Controller"}}
                )
            except AlreadyExists:
                obj = await self._client.get(CONFIGURATIONSTATES, STATE, NAMESPACE)
        condition = {"type": VALID, "status": valid, "reason": "ConfigError" if error else "SyncStateSuccess", "message": error}
        before = obj.get("status") or {}
        conditions = meta.with_condition(before.get("conditions"), condition, meta.rfc3339(self._clock()))
        status = {"conditions": conditions, "validConfig": not error, "lastError": error}
        await self._client.update_status(CONFIGURATIONSTATES, obj | {"status": status})
        self._state = said


class NodeReport:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._told: dict[str, str] = {}

    def tell(self, nodes: Informer, believed: Believed, given: Assignments) -> None:
        """Say once of each Node which of its addresses do not count."""
        doubts = {name: dict(why) for name, why in believed.refused.items()}
        for address, name in believed.owners.items():
            if given.is_of_pool(address):
                holders = ", ".join(claim.service for claim in islice(given.others(address, ""), _MOST_NAMED))
                doubts.setdefault(name, {})[address] = (
                    f"it is of an IPAddressPool, and {holders} has it: take it out of the pool, or off the node"
                )
        told = {}
        for name, why in doubts.items():
            listed = "; ".join(f"{address}: {each}" for address, each in islice(why.items(), _MOST_NAMED))
            node = nodes.get(name)
            if node is not None and self._told.get(name) != listed:
                self._recorder.say(
                    node, "Warning", "AddressRefused", f"the node says that these are its own, and they do not count: {listed}"
                )
            told[name] = listed
        self._told = told


def _by_pool(found: Pools, addresses: Iterable[Address]) -> dict[str, list[Address]]:
    inside: dict[str, list[Address]] = {}
    for address in addresses:
        pool = found.of(address)
        if pool is not None:
            inside.setdefault(pool.name, []).append(address)
    return inside


def _status(pool: Pool, used: Sequence[Address], reserved: Sequence[Address]) -> Object:
    status = {}
    for version in (4, 6):
        taken = sum(1 for each in used if each.version == version)
        barred = sum(1 for each in reserved if each.version == version)
        status[f"assignedIPv{version}"] = taken
        status[f"availableIPv{version}"] = min(max(pool.size(version) - taken - barred, 0), _MOST)
    return status
