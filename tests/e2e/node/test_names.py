"""What real containers are called."""

import pytest

from tests.e2e.node.pods import Cluster, pod, shell

pytestmark = pytest.mark.containers


async def test_the_host_name_is_the_whole_name_when_the_pod_asks_for_it(cluster: Cluster) -> None:
    await cluster.finish(pod("whole", shell("hostname"), hostname="h", subdomain="s", setHostnameAsFQDN=True, restartPolicy="Never"))
    assert await cluster.logs("whole") == "h.s.default.svc.cluster.local\n"


async def test_the_host_name_is_the_one_that_the_pod_asks_for(cluster: Cluster) -> None:
    await cluster.finish(pod("other", shell("hostname; tail -1 /etc/hosts"), hostnameOverride="db.example.com", restartPolicy="Never"))
    name, hosts = (await cluster.logs("other")).splitlines()
    assert (name, hosts.split()[1:]) == ("db.example.com", ["db.example.com"])


async def test_a_whole_name_that_is_too_long_is_said(cluster: Cluster) -> None:
    await cluster.create(pod("long", hostname="h" * 30, subdomain="s" * 30, setHostnameAsFQDN=True))
    said = await cluster.said("long", "FailedCreatePodSandBox")
    assert "is too long (64 is the max, 87 requested)" in said["message"]
