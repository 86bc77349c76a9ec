"""A database outside the cluster, as people write it: a Service without selector, and Endpoints beside it.

The real API server and controllers, in this process; the real proxy and pod network on a kernel.
"""

import asyncio
from pathlib import Path

import pytest

from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.informers import Informers
from pilothouse.model.kinds import ENDPOINTS, SERVICES
from pilothouse.network.pod import PodNetwork
from pilothouse.network.service import ServiceProxy, ServiceProxyConfig
from pilothouse.wire.pki import CertificateAuthority
from tests.e2e.network.conftest import Namespace, sh
from tests.e2e.network.pods import Make, Runtime, fetch, pod_config, running, serving
from tests.engine.controllers.conftest import api_server, controlled
from tests.people import client_of, person

pytestmark = pytest.mark.containers
CONFIG = ServiceProxyConfig(instance="pht", node="here", local_cidrs=("10.244.7.0/24",), service_cidrs=("10.96.0.0/12",))


def outside(machine: Namespace) -> None:
    """Another machine on a link of its own, that knows nothing of pods."""
    sh("ip", "link", "add", "out0", "type", "veth", "peer", "name", "eth0", "netns", str(machine.process.pid))
    sh("ip", "address", "add", "192.0.2.1/24", "dev", "out0")
    sh("ip", "link", "set", "out0", "up")
    machine.run("ip", "address", "add", "192.0.2.50/24", "dev", "eth0")
    machine.run("ip", "link", "set", "eth0", "up")


async def test_a_pod_reaches_a_database_outside_by_the_name_of_a_service(host: None, namespace: Make, tmp_path: Path) -> None:
    database, asking = namespace(), namespace()
    outside(database)
    network = PodNetwork(pod_config(tmp_path, reached=("10.96.0.0/12",)))
    authority = CertificateAuthority.create(tmp_path / "pki")
    async with api_server(tmp_path, tmp_path / "state") as server, controlled(server, authority) as cluster:
        informers, barrier = Informers(client_of(server, person("system:kube-proxy"))), EndpointBarrier()
        proxy = ServiceProxy(informers, barrier, CONFIG)
        async with running(network), running(informers), running(proxy):
            await Runtime(network).add("asking", asking)
            made = await cluster.create(SERVICES, {"metadata": {"name": "db"}, "spec": {"ports": [{"port": 5432}]}})
            addresses = [{"addresses": [{"ip": "192.0.2.50"}], "ports": [{"port": 8054}]}]
            await cluster.create(ENDPOINTS, {"metadata": {"name": "db"}, "subsets": addresses})
            async with asyncio.timeout(10):
                while not barrier.routed_by("192.0.2.50"):
                    await asyncio.sleep(0.01)
            with serving(database, "database", 8054):
                assert (await asyncio.to_thread(fetch, f"http://{made['spec']['clusterIP']}:5432/", asking)).startswith("database ")
    await asyncio.to_thread(proxy.teardown)
    await asyncio.to_thread(network.teardown)
