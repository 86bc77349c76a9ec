"""The pod network as a component: prepares the node, then answers CNI requests until cancelled.

Requests run in a few threads, since netlink and nft block; a pod that is held back until it may send holds none of them. DEL is
answered before the kernel has taken the link away (which costs it 15 ms and happens anyway when the namespace ends); the addresses
stay taken until then.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NoReturn

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.node_conditions import NodeConditions
from pilothouse.linux.nft_written import WrittenRules
from pilothouse.linux.packet_size import PacketSize
from pilothouse.model.json import Object, dumps
from pilothouse.network.pod import cni, kernel, links, plugin, rules
from pilothouse.network.pod.addresses import AddressPool, Exhausted, Lease
from pilothouse.network.pod.config import PodNetworkConfig
from pilothouse.network.pod.family import mac_of
from pilothouse.network.pod.host_ports import HostPorts
from pilothouse.network.pod.unclaimed import Unclaimed

log = structlog.get_logger("network.pod")

REQUEST_LIMIT_BYTES = 1 << 20
REQUEST_DEADLINE_S = 30.0
LINGER_S = 15.0  # a link whose namespace has not ended by then is taken away by us
INSPECT_S = 15.0
RESIZE_S = 1.0
"""Between two changes of the size of pods' packets."""
COLLECT_S = 60.0
THREADS = 4
PRESSURE = "PodAddressPressure"
"""The Node's condition: True while few of its pod addresses are left, or none."""

Sandboxes = Callable[[], Awaitable[Collection[str] | None]]
"""Ids of all sandboxes that the runtime has, whatever their state; None while it does not answer."""


async def _unknown() -> None:
    return None


Admitted = Callable[..., Awaitable[None]]
"""Called in the loop before anything runs in a pod; returns when it may send. Raises OSError.

With the pod (`namespace/name`), its uid ("" where the runtime does not say it), and then each of its addresses, the primary first.
"""


async def _at_once(pod: str, uid: str, *addresses: str) -> None:
    """Nothing holds a pod back."""


@dataclass(frozen=True, slots=True)
class _Joined:
    """A pod that has its link, and nothing that leads to it from outside yet."""

    request: cni.CniRequest
    lease: Lease
    link_mac: str


class PodNetwork:
    """sandboxes: what leases are compared with; without it no lease is collected. admitted: holds a pod back until it may send.

    conditions: hear when addresses run short. packet_size: of pods' links, also while it changes; without it, the config's.
    """

    def __init__(
        self,
        config: PodNetworkConfig,
        sandboxes: Sandboxes = _unknown,
        admitted: Admitted = _at_once,
        conditions: NodeConditions | None = None,
        packet_size: PacketSize | None = None,
    ) -> None:
        self.config = config
        self._packet_size = packet_size
        self._admitted = admitted
        self._conditions = conditions
        self._sandboxes = sandboxes
        self._unclaimed = Unclaimed()
        self._pool = AddressPool(config.pod_cidrs)
        self._ports = HostPorts(config)
        self._released: dict[Lease, float] = {}
        self._lock = threading.Lock()
        self._written = WrittenRules()
        self._mtu = kernel.DEFAULT_MTU

    async def run(self, ready: asyncio.Event) -> None:
        """Raises NetworkFailure when the machine refuses. Pods' networks stay as they are when this ends."""
        with ThreadPoolExecutor(THREADS, "pod-network") as threads:
            await asyncio.get_running_loop().run_in_executor(threads, self._prepare)
            self.config.socket.parent.mkdir(parents=True, exist_ok=True)
            async with await self._listen(threads):
                log.info("pod network ready", device=self.config.device, cidrs=self.config.pod_cidrs, pods=len(self._pool), mtu=self._mtu)
                self._tell_pressure()
                ready.set()
                async with scope() as tasks:
                    tasks.spawn(self._keep_collecting(threads), name="pod network leases")
                    tasks.spawn(self._keep_packet_size(threads), name="pod network packet size")
                    while True:
                        await asyncio.sleep(INSPECT_S)
                        await asyncio.get_running_loop().run_in_executor(threads, self.inspect)

    async def _keep_packet_size(self, threads: ThreadPoolExecutor) -> None:
        if self._packet_size is None:
            return
        changed = asyncio.Event()
        self._packet_size.on_change(changed.set)
        # It may have changed before anybody listened.
        changed.set()
        while True:
            await changed.wait()
            changed.clear()
            await asyncio.get_running_loop().run_in_executor(threads, self._resize)
            await asyncio.sleep(RESIZE_S)

    def _resize(self) -> None:
        try:
            self._mtu = kernel.mtu_of(self._sized())
            if changed := links.set_mtu(self.config, self._mtu):
                log.info("pods' links carry packets of another size", mtu=self._mtu, links=changed)
        except (kernel.NetworkFailure, OSError) as error:
            log.error("pods' links keep their packet size", error=str(error))

    def _sized(self) -> PodNetworkConfig:
        size = self._packet_size.bytes if self._packet_size is not None else 0
        return replace(self.config, mtu=size) if size else self.config

    async def _keep_collecting(self, threads: ThreadPoolExecutor) -> NoReturn:
        while True:
            sandboxes = await self._sandboxes()
            if sandboxes is not None:
                await asyncio.get_running_loop().run_in_executor(threads, self.collect, sandboxes, time.monotonic())
            self._tell_pressure()
            await asyncio.sleep(COLLECT_S)

    async def _listen(self, threads: ThreadPoolExecutor) -> asyncio.Server:
        path = self.config.socket
        try:
            server = await asyncio.start_unix_server(
                lambda reader, writer: self._serve(threads, reader, writer), path, limit=REQUEST_LIMIT_BYTES
            )
        except OSError as error:
            raise kernel.NetworkFailure(f"pod network cannot listen on {path}: {error}") from error
        path.chmod(0o600)
        return server

    def teardown(self) -> None:
        """Take away every link, rule, setting and file. Blocks; call it after `run` has ended and the pods are gone."""
        plugin.uninstall(self.config.conf_dir, self.config.bin_dir)
        self.config.socket.unlink(missing_ok=True)
        kernel.teardown(self.config)

    def inspect(self) -> None:
        """Put back what someone has taken away: rules, the device, routes to pods. End flows that could not be ended before. Blocks."""
        self._ports.retry()
        try:
            self._inspect_links()
            self._inspect_rules()
        except (kernel.NetworkFailure, OSError) as error:
            log.error("the pod network cannot be put right", error=str(error))

    def _inspect_links(self) -> None:
        if not kernel.has_device(self.config):
            log.warning("the device of the pod network has lost its addresses: making it again", device=self.config.device)
            kernel.restore(self.config, self._mtu)
        with self._lock:
            leases = [lease for lease in self._pool.leases if lease not in self._released]
        if missing := links.restore(self.config, leases):
            log.warning("routes to pods were gone: made again", routes=missing)

    def _inspect_rules(self) -> None:
        if not kernel.is_in_place(self._written):
            log.warning("the rules of the pod network are gone, perhaps by a reload of the firewall: writing them again")
            kernel.apply_rules(self.config, self._written)
            self._ports.open_again()

    def collect(self, sandboxes: Collection[str], now: float) -> None:
        """Gives back what no sandbox has: addresses with their links, and ports of the host. What fails is tried at the next call. Blocks.

        sandboxes: ids of all that the runtime has. now: in seconds, of a clock that never goes back.
        """
        with self._lock:
            self._reap()
            leases = self._pool.leases
            due = [lease for lease in self._unclaimed.due(leases, sandboxes, now) if lease not in self._released]
            # Meanwhile none of these addresses is given to another pod.
            for address in self._ports.addresses.difference(*(lease.addresses for lease in leases)):
                self._ports_closed([address])
            for lease in self._released:
                self._ports_closed(lease.addresses)
            self._reap()
        for lease in due:
            if self._ports_closed(lease.addresses):
                self._give_back(lease)

    def _ports_closed(self, addresses: Collection[str]) -> bool:
        try:
            for address in addresses:
                self._ports.close(address)
        except kernel.NetworkFailure as error:
            log.warning("ports of a pod that is gone cannot be closed", addresses=addresses, error=str(error))
            return False
        return True

    def _give_back(self, lease: Lease) -> None:
        log.info(
            "address of a sandbox that is gone is collected", addresses=lease.addresses, link=lease.link, container=lease.container[:12]
        )
        links.remove(lease.link)
        with self._lock:
            # Until the link has gone the address stays taken.
            self._released.setdefault(lease, time.monotonic())
            self._reap()

    def _prepare(self) -> None:
        self._mtu = kernel.prepare(self._sized(), self._written)
        self._pool = AddressPool(self.config.pod_cidrs, links.leases(self.config))
        links.restore(self.config, self._pool.leases)
        self._ports.find()
        plugin.install(self.config.conf_dir, self.config.bin_dir, self.config.socket)

    async def _serve(self, threads: ThreadPoolExecutor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_DEADLINE_S):
                data = await reader.read(-1)
                status, answer = await self._answer(threads, data)
                writer.write(b"%d %s" % (status, dumps(answer) if answer else b""))
                await writer.drain()
        except (TimeoutError, OSError) as error:
            log.warning("CNI request abandoned", error=str(error) or "timed out")
        finally:
            writer.close()

    async def _answer(self, threads: ThreadPoolExecutor, data: bytes) -> tuple[int, Object]:
        """Exit status and output of the plug-in for a request as the script sends it."""
        began = time.perf_counter()
        version = cni.VERSIONS[-2]
        try:
            request = cni.parse_request(data)
            version = request.version
            if request.command == "ADD":
                output = await self._add(threads, request)
            else:
                output = await asyncio.get_running_loop().run_in_executor(threads, self._execute, request)
        except cni.CniError as error:
            log.warning("CNI request failed", error=error.message)
            return 1, error.to_dict(version)
        finally:
            self._tell_pressure()
        took_ms = round((time.perf_counter() - began) * 1000, 1)
        log.debug("CNI request", command=request.command, pod=request.pod, container=request.container[:12], took_ms=took_ms)
        return 0, output

    def _execute(self, request: cni.CniRequest) -> Object:
        match request.command:
            case "DEL":
                return self._delete(request)
            case "CHECK":
                return self._check(request)
            case "VERSION":
                return cni.versions(request.version)
            case "STATUS":
                return {}
        raise cni.CniError(cni.INVALID_ENVIRONMENT, f"CNI_COMMAND {request.command!r} is not known")

    async def _add(self, threads: ThreadPoolExecutor, request: cni.CniRequest) -> Object:
        """In two steps, between which the pod is held back: no thread waits with it, and no port of the host leads to it yet."""
        loop = asyncio.get_running_loop()
        joined = await loop.run_in_executor(threads, self._join, request)
        try:
            if request.pod:
                await self._admitted(request.pod, request.uid, *joined.lease.addresses)
        except OSError as error:
            await loop.run_in_executor(threads, self._undo, joined.lease)
            raise _refusal(request, error) from error
        except asyncio.CancelledError:
            # It takes too long. What this part leaves when it ends is for the runtime to delete.
            with contextlib.suppress(RuntimeError):
                threads.submit(self._undo, joined.lease)
            raise
        if not request.ports:
            return self._finished(joined)
        return await loop.run_in_executor(threads, self._opened, joined)

    def _join(self, request: cni.CniRequest) -> _Joined:
        self._refuse_foreign_ports(request)
        lease = self._lease(request)
        with self._undone_on_failure(request, lease):
            for address in lease.addresses:
                # Of a pod before that this process knows nothing of, or of the same request before.
                self._ports.close(address)
            return _Joined(request, lease, links.attach(lease, request.netns, self.config, self._mtu))

    def _refuse_foreign_ports(self, request: cni.CniRequest) -> None:
        """Ports at an address of a family that pods do not have: nothing could lead to them. Raises CniError."""
        for port in request.ports:
            if not any(rules.ports_to(gateway, [port]) for gateway in self.config.gateways):
                has = "IPv4" if ":" in port.host_address else "IPv6"
                where = f"hostPort {port.host_port} at {port.host_address}"
                raise cni.CniError(cni.INVALID_CONFIG, f"pod {request.pod}: {where} leads into no pod: pods have {has} addresses alone")

    def _opened(self, joined: _Joined) -> Object:
        request, lease = joined.request, joined.lease
        self._still_held(joined)
        with self._undone_on_failure(request, lease):
            self._ports.open(lease.addresses, request.ports)
        return self._finished(joined)

    def _finished(self, joined: _Joined) -> Object:
        request, lease = joined.request, joined.lease
        self._still_held(joined)
        log.info("pod joined", pod=request.pod, addresses=lease.addresses, link=lease.link)
        mac = mac_of(lease.address)
        return cni.result(request, link=lease.link, link_mac=joined.link_mac, mac=mac, addresses=lease.addresses)

    def _still_held(self, joined: _Joined) -> None:
        """Raises CniError when the pod was deleted meanwhile."""
        with self._lock:
            is_kept = self._is_held(joined.lease) and joined.lease not in self._released
        if not is_kept:
            pod = joined.request.pod or joined.request.container
            raise cni.CniError(cni.UNKNOWN_CONTAINER, f"pod {pod}: deleted while it was being added")

    def _lease(self, request: cni.CniRequest) -> Lease:
        """A repeated ADD keeps its addresses."""
        with self._lock:
            self._reap()
            known = self._pool.of(request.container, request.interface)
            if known is not None:
                self._released.pop(known, None)
                return known
            try:
                return self._pool.lease(self.config.instance, request.container, request.interface)
            except Exhausted as error:
                raise cni.CniError(cni.NO_ADDRESS, f"{error}: pods that end give theirs back") from error

    def _reap(self) -> None:
        """Free the addresses whose links are gone with their namespaces. Those stay to which a port of the host leads still."""
        now = time.monotonic()
        led_to = self._ports.addresses
        for lease, since in list(self._released.items()):
            if now - since > LINGER_S:
                links.remove(lease.link)
            if not links.has(lease.link) and led_to.isdisjoint(lease.addresses):
                del self._released[lease]
                self._pool.free(lease)

    @contextlib.contextmanager
    def _undone_on_failure(self, request: cni.CniRequest, lease: Lease) -> Iterator[None]:
        try:
            yield
        except (OSError, kernel.NetworkFailure) as error:
            self._undo(lease)
            raise _refusal(request, error) from error

    def _undo(self, lease: Lease) -> None:
        with self._lock:
            if not self._is_held(lease):
                return  # Deleted meanwhile, and the address may be another pod's.
        is_closed = self._ports_closed(lease.addresses)
        links.remove(lease.link)
        with self._lock:
            if not is_closed:
                # Another pod that had the address would be reached by them. They are tried again.
                self._released.setdefault(lease, time.monotonic())
                return
            self._released.pop(lease, None)
            self._pool.free(lease)

    def _is_held(self, lease: Lease) -> bool:
        return self._pool.of(lease.container, lease.interface) == lease

    def _delete(self, request: cni.CniRequest) -> Object:
        with self._lock:
            lease = self._pool.of(request.container, request.interface)
            if lease is None:
                return {}
            self._released.setdefault(lease, time.monotonic())
        try:
            for address in lease.addresses:
                self._ports.close(address)
        except kernel.NetworkFailure as error:
            raise cni.CniError(cni.TRY_AGAIN, str(error)) from error
        return {}

    def _check(self, request: cni.CniRequest) -> Object:
        with self._lock:
            lease = self._pool.of(request.container, request.interface)
        if lease is None or not links.has(lease.link):
            raise cni.CniError(cni.UNKNOWN_CONTAINER, f"container {request.container} has no interface {request.interface} here")
        return {}

    def _tell_pressure(self) -> None:
        if self._conditions is None:
            return
        short = [family.word for family in self._pool.families if family.is_short]
        if not short:
            self._conditions.set(PRESSURE, False, "PodAddressesLeft", "this node has addresses for further pods")
            return
        reason = "FewPodAddressesLeft" if all(family.left for family in self._pool.families) else "NoPodAddressLeft"
        self._conditions.set(PRESSURE, True, reason, "; ".join(short))


def _refusal(request: cni.CniRequest, error: Exception) -> cni.CniError:
    missing = isinstance(error, FileNotFoundError)
    what = f"network namespace {request.netns} is not there" if missing else str(error)
    return cni.CniError(cni.UNKNOWN_CONTAINER if missing else cni.KERNEL_REFUSED, f"pod {request.pod or request.container}: {what}")
