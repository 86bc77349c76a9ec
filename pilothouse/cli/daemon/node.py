"""The node's process: container runtime, node agent, pod network, service proxy, DNS, and the gateway.

A client of the API server, over HTTPS and under identities of its own. Whatever routes to pods of this machine runs here beside the
agent that ends them, so that the agent knows when nothing routes to a pod any more.
"""

import asyncio
import importlib
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import structlog

from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.cli.daemon import wiring
from pilothouse.cli.daemon.process import Process, main
from pilothouse.cli.daemon.roles import NODE
from pilothouse.cli.settings.home import Settings
from pilothouse.client.client import Client
from pilothouse.client.http import HttpTransport
from pilothouse.client.informers import Informers
from pilothouse.client.kubeconfig import load
from pilothouse.client.parts import Part
from pilothouse.client.recorder import Recorder
from pilothouse.decisions.log import DecisionLog
from pilothouse.engine.boot.node import AGENT, Node
from pilothouse.engine.identities import GATEWAY, PROXY, Identities
from pilothouse.engine.identities import NODE as NODE_IDENTITY
from pilothouse.engine.node.containerd import ContainerdUnusable
from pilothouse.network.dns import ClusterDNS
from pilothouse.network.pod import PodNetwork
from pilothouse.network.service import ServiceProxy

log = structlog.get_logger("daemon")
LOOK_S = 0.05


async def work(process: Process) -> None:
    home, settings, steps, supervisor = process.home, process.settings, process.steps, process.supervisor
    barrier = EndpointBarrier()
    async with AsyncExitStack() as stack:
        decisions = stack.enter_context(DecisionLog(home.decisions))
        network = wiring.pod_network_config(home, settings)
        supervisor.start("pod network", lambda ready: PodNetwork(network).run(ready))
        identities = Identities(home.pki)
        await _api_listens(settings)
        client = await _client(stack, identities.kubeconfig(NODE_IDENTITY))
        node = Node(client, wiring.node_config(home, settings), decisions, barrier, supervisor, home.node_socket)
        await node.start(steps.done)
        await supervisor.ready("pod network")
        routing = await _client(stack, identities.kubeconfig(PROXY))
        _start_network(process, routing, barrier, decisions)
        if settings.platform:
            await asyncio.to_thread(importlib.import_module, "pilothouse.platform.gateway.controller")
            _start_gateway(process, await _client(stack, identities.kubeconfig(GATEWAY)), barrier, decisions)
        await supervisor.ready(AGENT)
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


async def _client(stack: AsyncExitStack, kubeconfig: Path) -> Client:
    """Waits for the control plane to have made the identity."""
    while not kubeconfig.exists():  # noqa: ASYNC240 - a file that another process makes
        await asyncio.sleep(LOOK_S)
    client = Client(HttpTransport(load(kubeconfig), reload=partial(load, kubeconfig)), field_manager=kubeconfig.stem)
    stack.push_async_callback(client.close)
    return client


def _start_network(process: Process, client: Client, barrier: EndpointBarrier, decisions: DecisionLog) -> None:
    home, settings, supervisor = process.home, process.settings, process.supervisor
    informers = Informers(client)
    recorder = Recorder(client, decisions, "kube-proxy", settings.node_name)
    proxying, naming = wiring.service_proxy_config(home, settings), wiring.dns_config(settings)
    proxy = Part(informers, lambda: ServiceProxy(informers, barrier, proxying, recorder=recorder))
    dns = Part(informers, lambda: ClusterDNS(client, informers, naming))
    supervisor.start("network events", recorder.run)
    supervisor.start("network informers", informers.run)
    supervisor.start("service proxy", proxy.run)
    supervisor.start("cluster DNS", dns.run)


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
