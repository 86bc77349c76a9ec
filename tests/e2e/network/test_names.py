"""Names as a pod asks for them: Service kube-dns through the proxy to the server on the bridge."""

import asyncio
import sys
from pathlib import Path

import pytest

from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.model.kinds import ENDPOINTSLICES, NAMESPACES, NODES, SERVICES
from pilothouse.network.dns import ClusterDNS, ClusterDNSConfig
from pilothouse.network.pod import PodNetwork
from pilothouse.network.service import ServiceProxy, ServiceProxyConfig
from tests.e2e.network.pods import Make, Runtime, pod_config, running
from tests.network.cluster import FakeCluster, service

pytestmark = pytest.mark.containers

ASK = """
import sys
sys.path[:0] = {path!r}
import dns.resolver
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.lifetime = ["10.96.0.2"], 5
print(resolver.resolve("web.default.svc.cluster.local", "A", tcp={tcp})[0])
"""


@pytest.mark.parametrize("tcp", [False, True])
async def test_a_pod_resolves_a_service_at_the_address_of_kube_dns(host: None, namespace: Make, tmp_path: Path, tcp: bool) -> None:
    cluster = FakeCluster()
    network = PodNetwork(pod_config(tmp_path, reached=("10.96.0.0/12",)))
    gateway = network.config.gateway
    informers = cluster.informers()
    proxy_config = ServiceProxyConfig(instance="pht", node="here", local_cidrs=("10.244.7.0/24",), service_cidrs=("10.96.0.0/12",))
    proxy = ServiceProxy(informers, EndpointBarrier(), proxy_config)
    dns = ClusterDNS(informers.client, informers, ClusterDNSConfig(node="here", addresses=(gateway,), cluster_ips=("10.96.0.2",)))
    await cluster.put(NAMESPACES, {"metadata": {"name": "default", "uid": "default"}})
    await cluster.put(NODES, {"metadata": {"name": "here", "uid": "here"}})
    ports = [{"name": name, "protocol": protocol, "port": 53} for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))]
    await cluster.put(SERVICES, service("kube-dns", *ports, namespace="kube-system", clusterIP="10.96.0.2"))
    await cluster.put(SERVICES, service("web", {"name": "http", "protocol": "TCP", "port": 80}))
    async with running(network), running(informers), running(proxy), running(dns):
        slices = informers.of(ENDPOINTSLICES)
        assert [slice_["metadata"]["name"] for slice_ in slices.items()] == ["kube-dns-here"]
        pod = namespace()
        await Runtime(network).add("one", pod)
        program = ASK.format(path=sys.path, tcp=tcp)
        assert await asyncio.to_thread(pod.run, sys.executable, "-c", program) == "10.96.0.10\n"
    await asyncio.to_thread(proxy.teardown)
    await asyncio.to_thread(network.teardown)
