"""What a node may put into what it writes, and whose things it reads: as node n1, with its certificate, over TLS."""

from typing import Any

import pytest

from pilothouse.engine.apiserver.admission.node_ranges import NodeRanges
from tests.engine.apiserver.api import PODS, Api, pod
from tests.engine.apiserver.https import Https

SECRETS = "/api/v1/namespaces/default/secrets"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
NODES = "/api/v1/nodes"
TOKEN = "/api/v1/namespaces/default/serviceaccounts/default/token"
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u", "controller": True}


@pytest.fixture
async def node(api: Api, https: Https) -> Api:
    await api.post("/api/v1/nodes", {"metadata": {"name": "n1"}})
    return https.certified("system:node:n1", "system:nodes")


async def test_a_secret_is_readable_as_long_as_a_pod_of_the_node_names_it(api: Api, node: Api) -> None:
    await api.post(SECRETS, {"metadata": {"name": "s"}})
    error = await node.refused("GET", f"{SECRETS}/s")
    assert error.code == 403
    assert error.message.endswith("no relationship found between node 'n1' and this object")
    source = {"name": "V", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    await api.post(PODS, pod("p", nodeName="n1", containers=[{"name": "c", "image": "i", "env": [source]}]))
    assert await node.get(f"{SECRETS}/s")
    await api.delete(f"{PODS}/p", gracePeriodSeconds="0")
    assert (await node.refused("GET", f"{SECRETS}/s")).code == 403


@pytest.mark.parametrize(
    "named",
    [
        {"imagePullSecrets": [{"name": "s"}]},
        {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]},
        {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]},
        {"initContainers": [{"name": "i", "image": "i", "envFrom": [{"secretRef": {"name": "s"}}]}]},
    ],
    ids=lambda named: next(iter(named)),
)
async def test_whatever_names_a_secret_counts(api: Api, node: Api, named: dict[str, Any]) -> None:
    await api.post(SECRETS, {"metadata": {"name": "s"}})
    await api.post(PODS, pod("p", nodeName="n1", **named))
    assert await node.get(f"{SECRETS}/s")


async def test_a_mirror_pod_shows_what_the_node_runs_and_leads_to_nothing_else(api: Api, node: Api) -> None:
    mirror: Any = pod("m", nodeName="n1")
    assert "can only create mirror pods" in (await node.refused("POST", PODS, mirror)).message
    owner = OWNER | {"uid": (await api.get("/api/v1/nodes/n1"))["metadata"]["uid"]}
    mirror["metadata"] |= {"annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [owner]}
    assert "spec.nodeName set to itself" in (await node.refused("POST", PODS, mirror | {"spec": pod("m")["spec"]})).message
    naming = mirror["spec"] | {"serviceAccountName": "default"}
    assert "a mirror pod may not reference service accounts" in (await node.refused("POST", PODS, mirror | {"spec": naming})).message
    naming = mirror["spec"] | {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}
    assert "can not create pods that reference configmaps" in (await node.refused("POST", PODS, mirror | {"spec": naming})).message
    assert (await node.post(PODS, mirror))["spec"]["nodeName"] == "n1"


@pytest.mark.parametrize(
    ("owners", "wanted"),
    [
        ([], "can only create pods with an owner reference set to itself"),
        ([{"name": "n2"}], "can only create pods with an owner reference set to itself"),
        ([{}, {"uid": "v", "controller": False}], "can only create pods with a single owner reference set to itself"),
        ([{"controller": False}], "can only create pods with a controller owner reference set to itself"),
        ([{"blockOwnerDeletion": True}], "must not set blockOwnerDeletion on an owner reference"),
        ([{}], "UID mismatch: expected u got "),
    ],
)
async def test_a_mirror_pod_is_the_nodes_alone(node: Api, owners: list[dict[str, Any]], wanted: str) -> None:
    mirror: Any = pod("m", nodeName="n1")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    mirror["metadata"]["ownerReferences"] = [OWNER | owner for owner in owners]
    error = await node.refused("POST", PODS, mirror)
    assert (error.code, wanted in error.message) == (403, True)


async def test_a_node_does_not_say_which_claims_a_pod_has(api: Api, node: Api) -> None:
    await api.post(PODS, pod("p", nodeName="n1"))
    wanted = {"status": {"resourceClaimStatuses": [{"name": "c", "resourceClaimName": "x"}]}}
    error = await node.refused("PATCH", f"{PODS}/p/status", wanted, "application/merge-patch+json")
    assert "cannot update resource claim statues" in error.message


async def test_a_node_gets_tokens_for_its_own_pods_only(api: Api, node: Api) -> None:
    mine, theirs = [await api.post(PODS, pod(name, nodeName=where)) for name, where in (("mine", "n1"), ("theirs", "n2"))]

    def bound(to: dict[str, Any], **more: Any) -> dict[str, Any]:
        metadata = to["metadata"]
        return {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}, **more}}

    assert (await node.post(TOKEN, bound(mine)))["status"]["token"]
    assert "not bound to a pod" in (await node.refused("POST", TOKEN, {"spec": {}})).message
    assert "scheduled on a different node" in (await node.refused("POST", TOKEN, bound(theirs))).message
    assert (
        "does not match the UID in record"
        in (await node.refused("POST", TOKEN, bound({"metadata": mine["metadata"] | {"uid": "u"}}))).message
    )
    assert 'audience "vault" not found' in (await node.refused("POST", TOKEN, bound(mine, audiences=["vault"]))).message


async def test_a_node_speaks_for_its_own_pods_only(api: Api, node: Api) -> None:
    for name, where in (("mine", "n1"), ("theirs", "n2")):
        await api.post(PODS, pod(name, nodeName=where))
    running = {"status": {"phase": "Running"}}
    assert (await node.patch(f"{PODS}/mine/status", running))["status"]["phase"] == "Running"
    assert "set to itself" in (await node.refused("PATCH", f"{PODS}/theirs/status", running, "application/merge-patch+json")).message
    relabelled = {"metadata": {"labels": {"app": "other"}}}
    error = await node.refused("PATCH", f"{PODS}/mine/status", relabelled, "application/merge-patch+json")
    assert "cannot update labels through pod status" in error.message
    assert "can only evict pods" in (await node.refused("POST", f"{PODS}/theirs/eviction", {"metadata": {"name": "theirs"}})).message


async def test_a_node_registers_itself_and_nobody_else(https: Https, api: Api) -> None:
    node = https.certified("system:node:n1", "system:nodes")
    own = {"kubernetes.io/hostname": "n1", "kubernetes.io/os": "linux", "node.kubernetes.io/x": "1", "example.com/zone": "a"}
    assert (await node.post("/api/v1/nodes", {"metadata": {"name": "n1", "labels": own}}))["metadata"]["labels"] == own
    error = await node.refused("POST", "/api/v1/nodes", {"metadata": {"name": "n2"}})
    assert error.message == 'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"'


@pytest.mark.parametrize("label", ["node-restriction.kubernetes.io/pci", "kubernetes.io/role", "x.k8s.io/a"])
async def test_a_node_does_not_label_itself_as_what_administrators_rely_on(node: Api, label: str) -> None:
    error = await node.refused("PATCH", "/api/v1/nodes/n1", {"metadata": {"labels": {label: "x"}}}, "application/merge-patch+json")
    assert error.message == f'nodes "n1" is forbidden: is not allowed to modify labels: {label}'


async def test_a_node_does_not_take_its_taints_away(node: Api) -> None:
    error = await node.refused("PATCH", "/api/v1/nodes/n1", {"spec": {"taints": []}}, "application/merge-patch+json")
    assert "not allowed to modify taints" in error.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0.0.0.0/0", "is not inside the pod network 10.1.0.0/16"),
        ("10.1.0.0/16", "is more than a node's part of the pod network, which is a /22"),
        ("10.1.4.0/24", "overlaps the range of node n2"),
        ("10.1.8.0/22", ""),
    ],
)
async def test_a_node_brings_no_addresses_but_a_free_part_of_the_pod_network(text: str, why: str) -> None:
    nodes = [
        {"metadata": {"name": name}, "spec": {"podCIDRs": [range_]}} for name, range_ in (("n1", "10.1.8.0/22"), ("n2", "10.1.4.0/22"))
    ]
    said = NodeRanges.of(["10.1.0.0/16"], [22]).why_not("n1", [text], nodes)
    assert why in said
    assert bool(said) == bool(why)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (["10.1.8.0/22", "fd00:1:0:8::/64"], ""),
        (["10.1.8.0/22", "10.1.12.0/22"], "one range of pods' addresses of each family"),
        (["10.1.8.0/22", "fd00:2::/64"], "fd00:2::/64 is not inside the pod network 10.1.0.0/16,fd00:1::/56"),
        (["10.1.8.0/22", "fd00:1::/60"], "which is a /64"),
        (["10.1.8.0/22", "fd00:1:0:4::/64"], "overlaps the range of node n2"),
    ],
)
def test_of_two_families_a_node_brings_a_free_part_of_each(wanted: list[str], why: str) -> None:
    nodes = [{"metadata": {"name": "n2"}, "spec": {"podCIDRs": ["10.1.4.0/22", "fd00:1:0:4::/64"]}}]
    said = NodeRanges.of(["10.1.0.0/16", "fd00:1::/56"], [22, 64]).why_not("n1", wanted, nodes)
    assert (why in said, bool(said)) == (True, bool(why)), said


async def test_a_node_does_not_take_the_addresses_of_anothers_pods(api: Api, node: Api, https: Https) -> None:
    await api.post(NODES, {"metadata": {"name": "n2"}, "spec": {"podCIDR": "10.1.4.0/22"}})
    for spec in ({"podCIDR": "10.1.4.0/24"}, {"podCIDR": "10.0.0.0/8"}, {"podCIDRs": ["10.1.4.0/22"]}):
        error = await node.refused("PATCH", f"{NODES}/n1", {"spec": spec}, "application/merge-patch+json")
        assert (error.code, "overlaps the range of node n2" in error.message) == (403, True)
    assert (await node.patch(f"{NODES}/n1", {"spec": {"podCIDR": "10.1.8.0/22"}}))["spec"]["podCIDRs"] == ["10.1.8.0/22"]
    third = https.certified("system:node:n3", "system:nodes")
    wanted = {"metadata": {"name": "n3"}, "spec": {"podCIDR": "10.1.0.0/20", "podCIDRs": ["10.1.12.0/22"]}}
    assert (await third.refused("POST", NODES, wanted)).code == 403


async def test_a_nodes_range_is_the_first_of_its_ranges_and_does_not_change(api: Api, node: Api) -> None:
    await api.patch(f"{NODES}/n1", {"spec": {"podCIDRs": ["10.1.8.0/22"]}})
    assert (await api.get(f"{NODES}/n1"))["spec"]["podCIDR"] == "10.1.8.0/22"
    error = await api.refused("PATCH", f"{NODES}/n1", {"spec": {"podCIDR": "10.1.0.0/16"}}, "application/merge-patch+json")
    assert (error.code, "may not change podCIDR" in error.message) == (422, True)


async def test_a_node_renews_its_own_lease_only(node: Api) -> None:
    assert await node.post(LEASES, {"metadata": {"name": "n1"}, "spec": {"holderIdentity": "n1"}})
    assert (await node.refused("POST", LEASES, {"metadata": {"name": "n2"}})).code == 403


async def test_a_node_reports_on_endpoints_in_its_own_lease_only(api: Api, node: Api) -> None:
    reports = LEASES.replace("kube-node-lease", "kube-system")
    assert await node.post(reports, {"metadata": {"name": "endpoints-n1"}})
    assert await node.patch(f"{reports}/endpoints-n1", {"spec": {"holderIdentity": "n1"}})
    for name in ("endpoints-n2", "n1", "kube-scheduler"):
        await api.post(reports, {"metadata": {"name": name}})
        assert (await node.refused("PATCH", f"{reports}/{name}", {"spec": {}}, "application/merge-patch+json")).code == 403
    for name in ("endpoints-n3", "kube-controller-manager"):
        assert (await node.refused("POST", reports, {"metadata": {"name": name}})).code == 403
    assert (await node.refused("DELETE", f"{reports}/endpoints-n1")).code == 403


def dns_slice(name: str, service: str = "kube-dns", node: str = "n1") -> dict[str, Any]:
    metadata = {"name": name, "labels": {"kubernetes.io/service-name": service}}
    return {
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": [{"port": 53}],
        "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": node}],
    }


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (dns_slice("kube-dns-n2"), "can only access the endpoint slice"),
        (dns_slice("kube-dns-n1", "other"), "can only lead the service"),
        (dns_slice("kube-dns-n1", node="n2"), "nodeName set to itself"),
    ],
)
async def test_a_node_leads_no_service_but_dns_and_nobody_elses_to_itself(node: Api, wanted: dict[str, Any], why: str) -> None:
    error = await node.refused("POST", SLICES, wanted)
    assert (error.code, why in error.message) == (403, True)


async def test_a_node_shows_its_own_dns_server(api: Api, node: Api) -> None:
    assert await node.post(SLICES, dns_slice("kube-dns-n1"))
    moved = {"endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n2"}]}
    assert (await node.refused("PATCH", f"{SLICES}/kube-dns-n1", moved, "application/merge-patch+json")).code == 403
    await api.post(SLICES, dns_slice("kube-dns-n2", node="n2"))
    assert (await node.refused("PATCH", f"{SLICES}/kube-dns-n2", {"ports": []}, "application/merge-patch+json")).code == 403
    assert (await node.refused("POST", SLICES.replace("kube-system", "default"), dns_slice("kube-dns-n1"))).code == 403


async def test_the_proxies_that_share_an_identity_write_nothing_but_events(api: Api, https: Https) -> None:
    proxy = https.certified("system:kube-proxy", "system:cluster-dns")
    leases = LEASES.replace("kube-node-lease", "kube-system")
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 443}], "externalIPs": ["192.0.2.1"]}}
    await api.post(leases, {"metadata": {"name": "endpoints-n1"}})
    for path, wanted in (
        ("/api/v1/namespaces/kube-system/services", service),
        (SLICES, dns_slice("kube-dns-n1")),
        (leases, {"metadata": {"name": "endpoints-n2"}}),
    ):
        assert (await proxy.refused("POST", path, wanted)).code == 403
    assert (await proxy.refused("PATCH", f"{leases}/endpoints-n1", {"spec": {}}, "application/merge-patch+json")).code == 403


async def test_a_review_is_answered_by_the_same_rules(api: Api) -> None:
    asked = {"verb": "list", "resource": "pods", "fieldSelector": {"rawSelector": "spec.nodeName=n1"}}
    spec = {"user": "system:node:n1", "groups": ["system:nodes"], "resourceAttributes": asked}
    reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert (await api.post(reviews, {"spec": spec}))["status"]["allowed"]
    other = {"spec": spec | {"resourceAttributes": asked | {"fieldSelector": {"rawSelector": "spec.nodeName=n2"}}}}
    status = (await api.post(reviews, other))["status"]
    assert status == {"allowed": False, "reason": "can only list/watch pods with spec.nodeName field selector"}


async def test_a_node_runs_nothing_in_pods_whatever_else_it_may(api: Api, https: Https) -> None:
    await api.post(PODS, pod("p", nodeName="n1"))
    node = https.certified("system:node:n1", "system:nodes", "system:masters")
    error = await node.refused("GET", f"{PODS}/p/exec", command="id", stdout="1")
    assert "unexpected pod subresource" in error.message


async def test_what_a_node_asks_for_writes_no_metrics_of_its_own(api: Api, node: Api) -> None:
    """Its requests are counted by resource, and a path may hold anything."""
    for name in ("x%22%7D 1%0Aforged_metric%7Ba=%22".replace(" ", "%20"), "y" * 10_000):
        assert (await node.refused("GET", f"/api/v1/namespaces/default/{name}")).code == 403
    lines = (await api.call("GET", "/metrics")).splitlines()
    assert not [line for line in lines if line.startswith("forged_metric")]
    counted = [line for line in lines if line.startswith("pilothouse_own_requests_total")]
    assert any('resource="x\\"} 1\\nforged_metric' in line for line in counted)
    assert max(map(len, counted)) < 600
