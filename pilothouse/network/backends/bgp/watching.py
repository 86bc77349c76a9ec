"""What BGP is configured by beside Nodes and the ClusterNetwork: BGPPeers with their Secrets, and what of Services is announced.

A change of one Service, or of its endpoints, costs what that Service has; a change of what all go by is carried out a few at a time. Caches
of ServiceCIDRs and the kinds of metallb.io begin when the back end is chosen; those of Services are the proxy's.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from ipaddress import ip_network

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.informer import ChangeCallback, Informer
from pilothouse.client.informers import Informers
from pilothouse.model import meta
from pilothouse.model.bgp import BGPADVERTISEMENTS, BGPPEERS, secret_name
from pilothouse.model.errors import ApiError, Forbidden, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import SECRETS, SERVICECIDRS
from pilothouse.model.load_balancers import COMMUNITIES, IPADDRESSPOOLS, NAMESPACE, is_usable, service_keys
from pilothouse.model.selector import from_label_selector
from pilothouse.network.backends.bgp.announced import Announced
from pilothouse.network.backends.bgp.announcements import Announcement, Group, Networks, Plan, plan
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.config import Network
from pilothouse.network.backends.seam import Surroundings

log = structlog.get_logger("network.bgp")
SECRETS_S = 30.0
"""How old what is known of a password may be."""
AT_ONCE = 50
"""Services that are judged in one turn of the loop."""
_SETTINGS = ""
"""The key of what is announced whatever Services there are."""


class Watched:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._services, self._slices = around.services, around.slices
        self._own = Informers(around.reader)
        self._peers, self._advertisements, self._pools, self._communities = (
            self._own.of(each, namespace=NAMESPACE) for each in (BGPPEERS, BGPADVERTISEMENTS, IPADDRESSPOOLS, COMMUNITIES)
        )
        self._cidrs = self._own.of(SERVICECIDRS)
        self._plan: Plan | None = None
        self._planned_for: object = None
        self._announced = Announced()
        self._passwords: dict[str, str] = {}
        self._read_at = -SECRETS_S
        self._is_stale = True

    @property
    def is_known(self) -> bool:
        return all(each.synced for each in (self._services, self._slices, *self._own.all()))

    @property
    def peers(self) -> list[Object]:
        return self._peers.items()

    @property
    def advertisements(self) -> list[Object]:
        return self._advertisements.items()

    @property
    def service_networks(self) -> tuple[Network, ...]:
        """From which Services have their addresses, in order."""
        found = {ip_network(text) for each in self._cidrs.items() for text in (each.get("spec") or {}).get("cidrs") or ()}
        return tuple(sorted(found, key=lambda each: (each.version, int(each.network_address), each.prefixlen)))

    async def run(self) -> None:
        """Until cancelled."""
        hooks: list[tuple[Informer, ChangeCallback]] = [(self._services, self._service_changed), (self._slices, self._slice_changed)]
        hooks += [(each, self._rule_changed) for each in self._own.all()]
        for informer, callback in hooks:
            informer.on_change(callback)
        try:
            async with scope() as tasks:
                tasks.spawn(self._own.run(), name="informers of BGP")
                tasks.spawn(self._tell_known(), name="BGP is known")
        finally:
            for informer, callback in hooks:
                informer.replace_callback(callback, None)

    async def _tell_known(self) -> None:
        for each in (self._services, self._slices, *self._own.all()):
            await each.wait_synced()
        self._around.wake()

    async def announced(self, node: Object, settings: BGPSettings) -> tuple[tuple[Announcement, ...], tuple[Group, ...], Mapping[str, str]]:
        """Announcements, their groups, and why BGPAdvertisements count for nothing, by name."""
        wanted_for = meta.labels(node), is_usable(node), settings
        if self._plan is None or self._is_stale or wanted_for != self._planned_for:
            self._plan = plan(
                node,
                settings,
                pools=self._pools.items(),
                advertisements=self._advertisements.items(),
                communities=self._communities.items(),
            )
            self._planned_for, self._is_stale = wanted_for, False
            await self._judge_all(self._plan)
        return self._announced.announcements, self._announced.groups, self._plan.problems

    async def _judge_all(self, plan: Plan) -> None:
        """Those that change meanwhile are judged by the same plan."""
        self._announced.put(_SETTINGS, plan.of_settings())
        for number, key in enumerate({*self._services.keys(), *self._announced.keys} - {_SETTINGS}, 1):
            self._judge(key)
            if not number % AT_ONCE:
                await asyncio.sleep(0)

    async def passwords(self) -> Mapping[str, str]:
        """By the Secret's name, as far as this node may read them. What was known stays known while the API server does not answer."""
        names = {name for each in self._peers.items() if (name := secret_name(each))}
        now = asyncio.get_running_loop().time()
        if now - self._read_at >= SECRETS_S or names - self._passwords.keys():
            self._read_at = now
            for name in names:
                await self._read(name)
        return {name: found for name, found in self._passwords.items() if name in names}

    async def _read(self, name: str) -> None:
        try:
            secret = await self._around.node.get(SECRETS, name, NAMESPACE)
            data = (secret.get("data") or {}).get("password")
            self._passwords[name] = base64.b64decode(data).decode() if data else ""
        except (NotFound, Forbidden, ValueError):
            self._passwords.pop(name, None)
        except ApiError as error:
            log.warning("the password of a router is not known anew", secret=name, error=error.message)

    def _rule_changed(self, old: Object | None, new: Object | None) -> None:
        self._is_stale = True
        self._read_at = -SECRETS_S
        self._around.wake()

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        service = new or old
        if service is not None and self._judge(meta.key(service)):
            self._around.wake()

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        keys = {key for each in (old, new) if each is not None for key in service_keys(each)}
        changed = [self._judge(key) for key in keys]
        if any(changed):
            self._around.wake()

    def _judge(self, key: str) -> bool:
        """Whether it is announced otherwise than before."""
        if self._plan is None:
            return False
        service = self._services.get(key)
        now: Networks = {} if service is None else self._plan.of_service(service, self._slices.by_index("service", key))
        return self._announced.put(key, now)


class Complaints:
    """Says what is wrong with objects of one kind, as Events: each once, and by one node alone."""

    def __init__(self, around: Surroundings, reason: str) -> None:
        self._recorder = around.recorder
        self._own = around.config.node
        self._reason = reason
        self._told: dict[str, str] = {}

    def tell(self, objects: Sequence[Object], problems: Mapping[str, str], nodes: Sequence[Object]) -> None:
        """problems: by the object's name. nodes: all; of those that an object selects, the first says it."""
        for obj in objects:
            why = problems.get(meta.name(obj), "")
            if why and self._told.get(meta.name(obj)) != why and self._recorder is not None and self._own == _first_of(obj, nodes):
                self._recorder.say(obj, "Warning", self._reason, f"{meta.name(obj)} is not carried out: {why}"[:1000])
        self._told = dict(problems)


def _first_of(obj: Object, nodes: Sequence[Object]) -> str:
    selectors = (obj.get("spec") or {}).get("nodeSelectors") or ()
    try:
        wanted = [from_label_selector(each) for each in selectors]
    except ValueError:
        wanted = []
    return min((meta.name(node) for node in nodes if not wanted or any(each.matches(meta.labels(node)) for each in wanted)), default="")
