"""The node's process: container runtime, node agent, pod network, service proxy, DNS, and the gateway.

A client of the API server, over HTTPS and under identities of its own. Whatever routes to pods of this machine runs here beside the
agent that ends them, so that the agent knows when nothing routes to a pod any more.
"""

import asyncio
import importlib
import ssl
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.cli.daemon import joined, wiring
from pilothouse.cli.daemon.process import Process, main
from pilothouse.cli.daemon.roles import NODE
from pilothouse.cli.further import network as further_network
from pilothouse.cli.further.place import Place
from pilothouse.cli.settings.home import Settings
from pilothouse.client.choice import transport_to
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.kubeconfig import load
from pilothouse.client.node_conditions import NodeConditions
from pilothouse.client.parts import Part
from pilothouse.client.recorder import Recorder
from pilothouse.decisions.log import DecisionLog
from pilothouse.engine.boot.node import AGENT, Node
from pilothouse.engine.identities import GATEWAY, PROXY, Identities
from pilothouse.engine.identities import NODE as NODE_IDENTITY
from pilothouse.engine.node.runtime.containerd import Containerd, ContainerdUnusable
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.linux.packet_size import PacketSize
from pilothouse.model.errors import Internal, NotFound
from pilothouse.network.announce import Announcer
from pilothouse.network.backends import NodeBackends
from pilothouse.network.dns import ClusterDNS
from pilothouse.network.pod import PodNetwork
from pilothouse.network.policy import Gate, NetworkPolicies
from pilothouse.network.policy.kernel import is_enforced
from pilothouse.network.service import ServiceProxy
from pilothouse.network.trace import WORD as TRACE
from pilothouse.network.trace import Tracing
from pilothouse.network.trace import kernel as trace_kernel
from pilothouse.network.trace.wanted import Sending
from pilothouse.network.withdrawal import Withdrawal
from pilothouse.wire.tls import client_context

log = structlog.get_logger("daemon")
LOOK_S = 0.05
API_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the parts of the network of a node have in common."""

    conditions: NodeConditions
    gate: Gate
    packet_size: PacketSize


async def work(process: Process) -> None:
    home, settings, steps, supervisor = process.home, process.settings, process.steps, process.supervisor
    barrier = EndpointBarrier()
    async with AsyncExitStack() as stack:
        decisions = stack.enter_context(DecisionLog(home.decisions))
        identities = Identities(home.pki)
        gate = Gate(partial(is_enforced, wiring.network_policy_config(home, settings)))
        shared = _Shared(NodeConditions(settings.node_name), gate, PacketSize(home.node / "network" / "packet-size"))
        if settings.server:
            supervisor.start(joined.CREDENTIALS, joined.credentials(home, settings).run)
        else:
            _start_pod_network(process, shared)
        if settings.nodes_cidr:
            between = partial(further_network.keep_bridge, Place.first(home, settings))
            supervisor.start("network between nodes", between)
        api_answers = await _api_answers(process) if settings.server else await _api_may_listen(settings)
        client = await _client(stack, identities.kubeconfig(NODE_IDENTITY), "kubelet")
        if settings.server and api_answers:
            # It learns its part of the network first.
            settings = await supervisor.persist(joined.RANGE, partial(joined.known_range, client, home, settings))
        listening = wiring.kubelet_listening(home, settings)
        await asyncio.to_thread(trace_kernel.forget, wiring.trace_config(home))
        tracing = Tracing(wiring.trace_config(home), partial(_namespace_of, Containerd(wiring.node_config(home, settings)).socket))
        node = Node(
            client,
            wiring.node_config(home, settings),
            decisions,
            barrier,
            supervisor,
            home.node_socket,
            listening,
            {TRACE: tracing.answer},
        )
        await node.start(steps.done)
        if settings.server and not api_answers:
            _start_pod_network(process, shared)
            await _confirm_range(process, client)
        elif settings.server:
            settings = await supervisor.persist(joined.RANGE, partial(joined.granted_range, client, home, settings))
            process = replace(process, settings=settings)
            _start_pod_network(process, shared)
        await supervisor.ready("pod network")
        routing = await _client(stack, identities.kubeconfig(PROXY))
        supervisor.start("node conditions", partial(shared.conditions.run, client))
        _start_network(process, client, routing, barrier, decisions, shared)
        if settings.reaches_registry:
            await _start_registry(process)
        if settings.platform:
            await asyncio.to_thread(importlib.import_module, "pilothouse.platform.gateway.controller")
            _start_gateway(process, await _client(stack, identities.kubeconfig(GATEWAY)), barrier, decisions)
        await supervisor.ready(AGENT)
        if settings.server:
            # The certificate signs from now on.
            await asyncio.to_thread(identities.bootstrap.unlink, missing_ok=True)
        steps.done("node")
        await supervisor.ready("service proxy", "cluster DNS")
        steps.done("network")
        if settings.platform:
            await supervisor.ready("gateway")
            steps.done("gateway")
        steps.enter("ready")
        home.unproven.unlink(missing_ok=True)
        log.info("ready", node=settings.node_name)
        await asyncio.Event().wait()


def _start_pod_network(process: Process, shared: _Shared) -> None:
    network = wiring.pod_network_config(process.home, process.settings)
    socket = Containerd(wiring.node_config(process.home, process.settings)).socket
    make = partial(PodNetwork, network, partial(_sandboxes, socket), shared.gate.admit, shared.conditions, shared.packet_size)
    process.supervisor.start("pod network", lambda ready: make().run(ready))


async def _sandboxes(socket: Path) -> frozenset[str] | None:
    """Ids of all that the container runtime has; None while it does not answer."""
    if not socket.exists():  # noqa: ASYNC240 - a look at one file
        return None
    runtime = CriRuntime(socket)
    try:
        return frozenset(each.id for each in await runtime.sandboxes())
    except RuntimeFailure as error:
        log.warning("leases of pods are not compared: the container runtime does not answer", why=error.why)
        return None
    finally:
        await runtime.close()


async def _namespace_of(socket: Path, pod: Sending) -> str:
    """The path of the pod's network namespace. Raises ApiError."""
    runtime = CriRuntime(socket)
    try:
        boxes = [each for each in await runtime.sandboxes() if each.uid == pod.uid and each.ready]
        found = await runtime.netns(max(boxes, key=lambda each: each.created_at).id) if boxes else ""
    except RuntimeFailure as error:
        raise Internal(error.why) from error
    finally:
        await runtime.close()
    if not found:
        raise NotFound(f'pod "{pod.pod}" has no network of its own here')
    return found


async def _api_may_listen(settings: Settings) -> bool:
    """Of this machine's control plane, which starts beside the node; static pods run whether it comes or not."""
    try:
        async with asyncio.timeout(API_PATIENCE_S):
            await _api_listens(settings)
    except TimeoutError:
        return False
    return True


async def _api_answers(process: Process) -> bool:
    """False: a node that was in the cluster before begins by the addresses that it had, so that its static pods run. Any other waits."""
    reached = process.supervisor.persist(joined.API, partial(joined.reach, process.settings))
    if not joined.has_joined(process.home, process.settings):
        await reached
        return True
    try:
        async with asyncio.timeout(API_PATIENCE_S):
            await reached
    except TimeoutError:
        log.warning("the API server does not answer: this node begins by the addresses that its pods had")
        return False
    return True


async def _confirm_range(process: Process, client: Client) -> None:
    """Returns when the API server has said that the node's pods have the addresses that it began by. Raises RangeChanged."""
    settings, supervisor = process.settings, process.supervisor
    await supervisor.persist(joined.API, partial(joined.reach, settings))
    if not await supervisor.persist(joined.RANGE, partial(joined.is_granted, client, settings)):
        raise joined.RangeChanged(f"pods of this node have not the addresses {settings.node_cidr} any more: the node begins anew")


async def _api_listens(settings: Settings) -> None:
    """Both processes start together: caches that ask too early would only begin with a pause."""
    while True:
        try:
            _, writer = await asyncio.open_connection(settings.api_host, settings.api_port)
        except OSError:
            await asyncio.sleep(LOOK_S)
        else:
            writer.close()
            return


async def _client(stack: AsyncExitStack, kubeconfig: Path, manager: str = "") -> Client:
    """Waits for the control plane to have made the identity. manager: whose the fields are that it sets, "" for the file's name."""
    while not kubeconfig.exists():  # noqa: ASYNC240 - a file that another process makes
        await asyncio.sleep(LOOK_S)
    client = Client(transport_to(load(kubeconfig), reload=partial(load, kubeconfig)), field_manager=manager or kubeconfig.stem)
    stack.push_async_callback(client.close)
    return client


def _start_network(
    process: Process,
    node: Client,
    routing: Client,
    barrier: EndpointBarrier,
    decisions: DecisionLog,
    shared: _Shared,
) -> None:
    """node: signed in as the node, which writes what it says of itself. routing: with the proxies' identity, which reads."""
    home, settings, supervisor = process.home, process.settings, process.supervisor
    conditions, gate, size = shared.conditions, shared.gate, shared.packet_size
    informers = Informers(routing)
    recorder = Recorder(routing, decisions, "kube-proxy", settings.node_name)
    proxying, naming = wiring.service_proxy_config(home, settings), wiring.dns_config(home, settings)
    reaching, policing = wiring.backend_config(home, settings), wiring.network_policy_config(home, settings)
    withdrawal = Part(informers, lambda: Withdrawal(node, informers, barrier, settings.node_name))
    proxy = Part(informers, lambda: ServiceProxy(informers, barrier, proxying, recorder=recorder))
    dns = Part(informers, lambda: ClusterDNS(node, informers, naming, recorder=recorder))
    policies = Part(informers, lambda: NetworkPolicies(informers, policing, gate, recorder=recorder, say=conditions.set))
    supervisor.start("network events", recorder.run)
    supervisor.start("network informers", informers.run)
    supervisor.start("service proxy", proxy.run)
    supervisor.start("network policies", policies.run)
    supervisor.start("endpoint reports", withdrawal.run)
    backends = Part(informers, lambda: NodeBackends(informers, node, reaching, conditions=conditions, recorder=recorder, packet_size=size))
    supervisor.start("node routes", backends.run)
    announcing = wiring.announcer_config(home, settings)
    announcer = Part(informers, lambda: Announcer(node, informers, announcing, conditions=conditions, recorder=recorder))
    supervisor.start("load balancer addresses", announcer.run)
    supervisor.start("cluster DNS", dns.run)


async def _start_registry(process: Process) -> None:
    """The registry of the cluster, under the address that images are named by."""
    await asyncio.to_thread(importlib.import_module, "pilothouse.platform.registry.relay")
    from pilothouse.platform.registry.relay import RegistryOnNode

    settings, kubeconfig = process.settings, Identities(process.home.pki).kubeconfig(NODE_IDENTITY)

    def context() -> ssl.SSLContext:
        found = load(kubeconfig)
        return client_context(found.certificate_authority, found.client_certificate, found.client_key)

    host = urlsplit(settings.server).hostname or ""
    process.supervisor.start("registry", RegistryOnNode(host, settings.registry_port, context).run)


def _start_gateway(process: Process, client: Client, barrier: EndpointBarrier, decisions: DecisionLog) -> None:
    # Imported here: a cluster without the platform does not pay for it.
    from pilothouse.platform.gateway.controller import Gateway

    config = wiring.gateway_config(process.home, process.settings)
    informers = Informers(client)
    recorder = Recorder(client, decisions, "pilothouse", process.settings.node_name)
    gateway = Part(informers, lambda: Gateway(client, informers, recorder, config, barrier))
    process.supervisor.start("gateway events", recorder.run)
    process.supervisor.start("gateway informers", informers.run)
    process.supervisor.start("gateway", gateway.run)


if __name__ == "__main__":
    sys.exit(
        main(
            NODE,
            work,
            fatal=(ContainerdUnusable,),
            logs=lambda home: (home.node_log, home.log / "gateway.log", home.node / "containerd" / "containerd.log"),
        )
    )
