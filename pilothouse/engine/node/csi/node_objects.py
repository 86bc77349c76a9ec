"""What the API knows of this node's storage drivers: its CSINode, and its Node's annotation and labels of topology.

Level-triggered: what is registered is compared with what the objects say, after each change and now and then, so that an API server
that was away, and a Node that somebody has made anew, are caught up with. What an agent that starts anew finds of drivers stays for a
while, until they have had time to register again.
Source: kubernetes pkg/volume/csi/nodeinfomanager.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from pilothouse.aio.tasks import is_set
from pilothouse.client.client import Client
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.drivers import Drivers, Registered, asked_again
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object, dumps, loads
from pilothouse.model.kinds import CSIDRIVERS, CSINODES, NODES

log = structlog.get_logger("node.csi.node_objects")

NODE_ID = "csi.volume.kubernetes.io/nodeid"
LOOK_S, RETRY_S, SETTLED_S, ASK_S = 60.0, 1.0, 60.0, 10.0


class NodeObjects:
    """Runs after the Node has been registered. clock: seconds that never go back."""

    def __init__(self, client: Client, config: NodeConfig, drivers: Drivers, clock: Callable[[], float]) -> None:
        self._client = client
        self._name = config.node_name
        self._drivers = drivers
        self._clock = clock
        self._began_at = clock()
        self._seen: set[str] = set()
        self._asked_at: dict[str, float] = {}
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """A driver has come or gone."""
        self._changed.set()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            pause_s = LOOK_S
            try:
                pause_s = await self._ask_again()
                await self._round()
            except ApiError as error:
                log.warning("storage drivers not shown", node=self._name, why=error.message)
                pause_s = RETRY_S
            await is_set(self._changed, pause_s)
            await asyncio.sleep(RETRY_S / 10)

    async def _ask_again(self) -> float:
        """Drivers whose CSIDriver says that the number of volumes they take may change. Returns how long until the next one is due."""
        nearest_s = LOOK_S
        for each in self._drivers.all():
            about = await self._client.get_or_none(CSIDRIVERS, each.name)
            period_s = ((about or {}).get("spec") or {}).get("nodeAllocatableUpdatePeriodSeconds")
            if not period_s:
                continue
            if self._clock() - self._asked_at.setdefault(each.name, self._clock()) >= period_s:
                await self._ask(each)
            nearest_s = min(nearest_s, max(RETRY_S, self._asked_at[each.name] + period_s - self._clock()))
        return nearest_s

    async def _ask(self, driver: Registered) -> None:
        self._asked_at[driver.name] = self._clock()
        try:
            self._drivers.refresh(driver, await asked_again(driver, ASK_S))
        except CsiFailure as error:
            log.warning("storage driver not asked for its limit", driver=driver.name, why=str(error))

    async def _round(self) -> None:
        registered = self._drivers.all()
        self._seen |= {each.name for each in registered}
        node = await self._client.get(NODES, self._name)
        if patch := node_patch(node, registered, self._may_come_back):
            await self._client.patch(NODES, self._name, {"metadata": patch})
        await self._keep_csi_node(node, registered)

    def _may_come_back(self, name: str) -> bool:
        """Whether a driver that an earlier agent has known may have had no time to register again."""
        return name not in self._seen and self._clock() - self._began_at < SETTLED_S

    async def _keep_csi_node(self, node: Object, registered: Collection[Registered]) -> None:
        found = await self._client.get_or_none(CSINODES, self._name)
        owner = meta.owner_reference(node, "v1", "Node", False)
        if found is None:
            metadata = {"name": self._name, "ownerReferences": [owner]}
            spec = {"drivers": entries((), registered)}
            await self._client.create(CSINODES, {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": metadata, "spec": spec})
            return
        before = (found.get("spec") or {}).get("drivers") or []
        found = found | {"metadata": found["metadata"] | {"ownerReferences": [owner]}}
        for wanted in steps(before, entries([each for each in before if self._may_come_back(each["name"])], registered)):
            found = await self._client.update(CSINODES, found | {"spec": {"drivers": wanted}})


def entries(unknown: Iterable[Object], registered: Collection[Registered]) -> list[Object]:
    """The drivers of a CSINode. unknown: entries that stay although no such driver is registered now."""
    found = {each["name"]: each for each in unknown} | {each.name: _entry(each) for each in registered}
    return [found[name] for name in sorted(found)]


def _entry(driver: Registered) -> Object:
    entry: Object = {"name": driver.name, "nodeID": driver.node_id}
    if driver.topology:
        entry["topologyKeys"] = sorted(driver.topology)
    if driver.max_volumes > 0:
        entry["allocatable"] = {"count": driver.max_volumes}
    return entry


def steps(before: Iterable[Object], wanted: list[Object]) -> list[list[Object]]:
    """What to write, one after the other: of an entry only the limit may change, so one that is another now goes first. Empty: nothing."""
    was = {each["name"]: _stated(each) for each in before}
    now = {each["name"]: _stated(each) for each in wanted}
    if was == now:
        return []
    stay = [each for each in wanted if _identity(was.get(each["name"], now[each["name"]])) == _identity(now[each["name"]])]
    return [wanted] if len(stay) == len(wanted) else [stay, wanted]


def _stated(entry: Object) -> Object:
    return {key: value for key, value in entry.items() if value is not None}


def _identity(entry: Object) -> Object:
    return {key: value for key, value in entry.items() if key != "allocatable"}


def node_patch(node: Object, registered: Collection[Registered], stays: Callable[[str], bool] = lambda name: False) -> Object:
    """A merge patch of the Node's metadata; empty when it says all that it should. stays: of a driver that is not registered now.

    A label that says something else already stays: it is the administrator's, or another driver's.
    """
    labels, topology = meta.labels(node), _topology(registered)
    patch: Object = {}
    for key in [key for key, value in topology.items() if labels.get(key, value) != value]:
        log.warning("label of topology stands against a driver's", node=meta.name(node), label=key, has=labels[key], said=topology[key])
    if missing := {key: value for key, value in topology.items() if key not in labels}:
        patch["labels"] = missing
    said = _ids(meta.annotations(node).get(NODE_ID) or "{}")
    ids = {name: id for name, id in said.items() if stays(name)} | {each.name: each.node_id for each in registered}
    if said != ids:
        patch["annotations"] = {NODE_ID: dumps(ids).decode() if ids else None}
    return patch


def _ids(text: str) -> dict[str, str]:
    """By driver. Whatever somebody else has made of it is written anew."""
    try:
        found = loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _topology(registered: Collection[Registered]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for each in registered:
        for key, value in each.topology.items():
            found.setdefault(key, value)
    return found
