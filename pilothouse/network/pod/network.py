"""The pod network as a component: prepares the node, then answers CNI requests until cancelled.

Requests run in a few threads, since netlink and nft block; a pod that is held back until it may send holds none of them. DEL is
answered before the kernel has taken the link away (which costs it 15 ms and happens anyway when the namespace ends); the address
stays taken until then.
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
from pilothouse.linux.nft import Nft, open_nft
from pilothouse.model.json import Object, dumps
from pilothouse.network.pod import cni, kernel, plugin
from pilothouse.network.pod.addresses import AddressPool, Exhausted, Lease, mac_of
from pilothouse.network.pod.config import PodNetworkConfig
from pilothouse.network.pod.unclaimed import Unclaimed

log = structlog.get_logger("network.pod")

REQUEST_LIMIT_BYTES = 1 << 20
REQUEST_DEADLINE_S = 30.0
LINGER_S = 15.0  # a link whose namespace has not ended by then is taken away by us
INSPECT_S = 15.0
COLLECT_S = 60.0
THREADS = 4

Sandboxes = Callable[[], Awaitable[Collection[str] | None]]
"""Ids of all sandboxes that the runtime has, whatever their state; None while it does not answer."""


async def _unknown() -> None:
    return None


Admitted = Callable[[str, str, str], Awaitable[None]]
"""Called in the loop with a pod (`namespace/name`), its uid ("" where the runtime does not say it) and the address that it has got.

Before anything runs in the pod; returns when it may send. Raises OSError.
"""


async def _at_once(pod: str, uid: str, address: str) -> None:
    """Nothing holds a pod back."""


@dataclass(frozen=True, slots=True)
class _Joined:
    """A pod that has its link, and nothing that leads to it from outside yet."""

    request: cni.CniRequest
    lease: Lease
    link_mac: str


@dataclass(frozen=True, slots=True)
class Unended:
    """Ports of the host that were opened or closed, and whose UDP flows of before go on. A kernel without conntrack's netlink has none to
    end: so the tries do."""

    ports: tuple[cni.PortMapping, ...]
    are_open: bool
    tries_left: int = 20


class PodNetwork:
    """sandboxes: what leases are compared with; without it no lease is collected. admitted: holds a pod back until it may send."""

    def __init__(self, config: PodNetworkConfig, sandboxes: Sandboxes = _unknown, admitted: Admitted = _at_once) -> None:
        self.config = config
        self._admitted = admitted
        self._sandboxes = sandboxes
        self._unclaimed = Unclaimed()
        self._pool = AddressPool(config.pod_cidr)
        self._released: dict[Lease, float] = {}
        self._ports: dict[str, tuple[cni.PortMapping, ...]] = {}
        self._unended: dict[str, Unended] = {}
        self._lock = threading.Lock()
        self._rules_lock = threading.Lock()
        self._frames: kernel.Frames | None = None
        self._nft: Nft | None = None
        self._bridge = 0
        self._mtu = kernel.DEFAULT_MTU

    async def run(self, ready: asyncio.Event) -> None:
        """Raises NetworkFailure when the machine refuses. Pods' networks stay as they are when this ends."""
        with ThreadPoolExecutor(THREADS, "pod-network") as threads:
            await asyncio.get_running_loop().run_in_executor(threads, self._prepare)
            self.config.socket.parent.mkdir(parents=True, exist_ok=True)
            async with await self._listen(threads):
                log.info("pod network ready", bridge=self.config.bridge, cidr=self.config.pod_cidr, pods=len(self._pool))
                ready.set()
                async with scope() as tasks:
                    tasks.spawn(self._keep_collecting(threads), name="pod network leases")
                    while True:
                        await asyncio.sleep(INSPECT_S)
                        await asyncio.get_running_loop().run_in_executor(threads, self.inspect)

    async def _keep_collecting(self, threads: ThreadPoolExecutor) -> NoReturn:
        while True:
            sandboxes = await self._sandboxes()
            if sandboxes is not None:
                await asyncio.get_running_loop().run_in_executor(threads, self.collect, sandboxes, time.monotonic())
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
        """Put the rules back when someone has flushed them, end flows that could not be ended before. Blocks."""
        for address in list(self._unended):
            self._end_flows(address, self._unended.pop(address))
        if self._nft is None:
            self._nft = open_nft()
        if kernel.is_in_place(self.config, self._nft) and (self._frames is None or self._frames.is_in_place()):
            return
        log.warning("the rules of the pod network are gone, perhaps by a reload of the firewall: writing them again")
        try:
            kernel.apply_rules(self.config)
            self._guard()
            for address, ports in list(self._ports.items()):
                kernel.open_ports(self.config, address, ports)
        except kernel.NetworkFailure as error:
            log.error("the rules of the pod network cannot be written", error=str(error))

    def collect(self, sandboxes: Collection[str], now: float) -> None:
        """Gives back what no sandbox has: addresses with their links, and ports of the host. What fails is tried at the next call. Blocks.

        sandboxes: ids of all that the runtime has. now: in seconds, of a clock that never goes back.
        """
        with self._lock:
            self._reap()
            leases = self._pool.leases
            due = [lease for lease in self._unclaimed.due(leases, sandboxes, now) if lease not in self._released]
            # Meanwhile none of these addresses is given to another pod.
            for address in set(self._ports) - {lease.address for lease in leases}:
                self._ports_closed(address)
        for lease in due:
            if self._ports_closed(lease.address):
                self._give_back(lease)

    def _ports_closed(self, address: str) -> bool:
        try:
            if address in self._ports:
                self._close_ports(address)
        except cni.CniError as error:
            log.warning("ports of a pod that is gone cannot be closed", address=address, error=error.message)
            return False
        return True

    def _give_back(self, lease: Lease) -> None:
        log.info("address of a sandbox that is gone is collected", address=lease.address, link=lease.link, container=lease.container[:12])
        kernel.remove_link(lease.link)
        with self._lock:
            # Until the link has gone the address stays taken.
            self._released.setdefault(lease, time.monotonic())
            self._reap()

    def _guard(self) -> None:
        """Hold the pods that are there to their addresses."""
        # Nobody joins between the list and the table that is made of it.
        with self._rules_lock:
            with self._lock:
                leases = self._pool.leases
            if self._frames is not None:
                self._frames.apply(self._bridge, leases)

    def _prepare(self) -> None:
        self._bridge = kernel.prepare(self.config)
        self._mtu = kernel.mtu(self._bridge)
        self._pool = AddressPool(self.config.pod_cidr, kernel.leases(self._bridge))
        kernel.apply_rules(self.config)
        self._frames = kernel.Frames(self.config)
        self._guard()
        self._ports = kernel.ports(self.config)
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
                await self._admitted(request.pod, request.uid, joined.lease.address)
        except OSError as error:
            await loop.run_in_executor(threads, self._undo, joined.lease)
            raise _refusal(request, error) from error
        except asyncio.CancelledError:
            # It takes too long. What this part leaves when it ends is for the runtime to delete.
            with contextlib.suppress(RuntimeError):
                threads.submit(self._undo, joined.lease)
            raise
        return await loop.run_in_executor(threads, self._opened, joined)

    def _join(self, request: cni.CniRequest) -> _Joined:
        lease = self._lease(request)
        with self._undone_on_failure(request, lease):
            return _Joined(request, lease, self._attach(lease, request.netns))

    def _opened(self, joined: _Joined) -> Object:
        request, lease = joined.request, joined.lease
        with self._lock:
            is_kept = self._is_held(lease) and lease not in self._released
        if not is_kept:
            raise cni.CniError(cni.UNKNOWN_CONTAINER, f"pod {request.pod or request.container}: deleted while it was being added")
        with self._undone_on_failure(request, lease):
            if request.ports:
                kernel.open_ports(self.config, lease.address, request.ports)
                self._ports[lease.address] = request.ports
                self._end_flows(lease.address, Unended(request.ports, are_open=True))
        log.info("pod joined", pod=request.pod, address=lease.address, link=lease.link)
        gateway, mac = self.config.gateway, mac_of(lease.address)
        return cni.result(request, link=lease.link, link_mac=joined.link_mac, mac=mac, address=lease.address, gateway=gateway)

    def _attach(self, lease: Lease, netns: str) -> str:
        """Returns the hardware address of the host's end. Raises OSError, NetworkFailure."""
        frames = self._frames
        assert frames is not None, "requests come after _prepare"
        with self._rules_lock:
            try:
                frames.admit(lease)
            except kernel.NetworkFailure:
                # Someone has flushed the table: the lease is among those that it is made anew for.
                frames.apply(self._bridge, self._pool.leases)
        gateway = self.config.gateway
        return kernel.attach(lease, netns, bridge=self._bridge, gateway=gateway, mtu=self._mtu, isolated=frames.isolated)

    def _lease(self, request: cni.CniRequest) -> Lease:
        """A repeated ADD keeps its address."""
        with self._lock:
            self._reap()
            known = self._pool.of(request.container, request.interface)
            if known is not None:
                self._released.pop(known, None)
                return known
            try:
                return self._pool.lease(self.config.instance, request.container, request.interface)
            except Exhausted as error:
                raise cni.CniError(cni.NO_ADDRESS, f"{error} (pod CIDR {self.config.pod_cidr})") from error

    def _reap(self) -> None:
        """Free the addresses whose links are gone with their namespaces."""
        now = time.monotonic()
        for lease, since in list(self._released.items()):
            if now - since > LINGER_S:
                kernel.remove_link(lease.link)
            if not kernel.has_link(lease.link):
                del self._released[lease]
                self._forget(lease)

    def _forget(self, lease: Lease) -> None:
        """Its link is gone, its address may be another pod's."""
        if self._frames is not None:
            # What stays in the table names a link that is gone; the next pod's link has another name.
            with contextlib.suppress(kernel.NetworkFailure):
                self._frames.dismiss(lease)
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
        self._ports_closed(lease.address)
        kernel.remove_link(lease.link)
        with self._lock:
            self._released.pop(lease, None)
            self._forget(lease)

    def _is_held(self, lease: Lease) -> bool:
        return self._pool.of(lease.container, lease.interface) == lease

    def _delete(self, request: cni.CniRequest) -> Object:
        with self._lock:
            lease = self._pool.of(request.container, request.interface)
            if lease is not None:
                self._released.setdefault(lease, time.monotonic())
        if lease is not None and lease.address in self._ports:
            self._close_ports(lease.address)
        return {}

    def _close_ports(self, address: str) -> None:
        ports = self._ports[address]
        try:
            kernel.close_ports(self.config, address, ports)
        except kernel.NetworkFailure as error:
            raise cni.CniError(cni.TRY_AGAIN, str(error)) from error
        self._ports.pop(address, None)
        self._end_flows(address, Unended(ports, are_open=False))

    def _end_flows(self, address: str, unended: "Unended") -> None:
        """What cannot be done now is tried again with each inspection."""
        try:
            kernel.end_flows(address, unended.ports, are_open=unended.are_open)
        except OSError as error:
            log.warning("UDP flows of a host port could not be ended", address=address, error=str(error), tries_left=unended.tries_left)
            if unended.tries_left:
                self._unended[address] = replace(unended, tries_left=unended.tries_left - 1)

    def _check(self, request: cni.CniRequest) -> Object:
        with self._lock:
            lease = self._pool.of(request.container, request.interface)
        if lease is None or not kernel.has_link(lease.link):
            raise cni.CniError(cni.UNKNOWN_CONTAINER, f"container {request.container} has no interface {request.interface} here")
        return {}


def _refusal(request: cni.CniRequest, error: Exception) -> cni.CniError:
    missing = isinstance(error, FileNotFoundError)
    what = f"network namespace {request.netns} is not there" if missing else str(error)
    return cni.CniError(cni.UNKNOWN_CONTAINER if missing else cni.KERNEL_REFUSED, f"pod {request.pod or request.container}: {what}")
