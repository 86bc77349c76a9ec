"""Nodes' reports about a packet, and what they amount to; what is asked for, and what to write instead."""

from dataclasses import replace
from typing import Any

import click
import pytest

from pilothouse.cli.trace.story import Facts, story
from pilothouse.cli.trace.target import Endpoint, Target, sender, target
from pilothouse.client.client import Client
from pilothouse.client.transport import Call
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, PODS, SERVICES
from pilothouse.model.policy_refusals import REHEARSE
from pilothouse.network.policy.units import denial
from tests.network.cluster import FakeCluster, endpoint_slice, service
from tests.network.cluster import endpoint as of_slice

CLIENT, SERVER, CLUSTER_IP = "10.1.0.2", "10.1.1.2", "10.96.0.9"


def pod(name: str, address: str, node: str, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": name, "labels": {"app": name}}
    containers = [{"name": "c", "ports": spec.pop("ports", [])}]
    status = {"phase": "Running", "podIPs": [{"ip": address}]}
    return {"metadata": metadata, "spec": {"nodeName": node, "containers": containers, **spec}, "status": status}


SENDER, RECEIVER = pod("client", CLIENT, "one"), pod("server", SERVER, "two")
SERVICE: Object = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "server"}}}
PORT: Object = {"port": 80, "protocol": "TCP", "targetPort": "http"}
SLICE: Object = {
    "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    "endpoints": [{"addresses": [SERVER], "nodeName": "two", "conditions": {"ready": True}}],
}
WEB = Target(
    "service default/web", CLUSTER_IP, 80, "tcp", SERVICE, (Endpoint(SERVER, 8080, "two", "default/server", True),), PORT, (SLICE,)
)
EMPTY = replace(WEB, endpoints=(), slices=())


def flow(destination: str = SERVER, port: int = 8080, source: str = CLIENT) -> Object:
    return {"protocol": "tcp", "source": source, "source_port": 40000, "destination": destination, "destination_port": port}


def step(table: str, chain: str, verdict: str = "accept", packet: Object | None = None, rule: str = "", **links: str) -> Object:
    found = {"family": "ip", "table": f"pilothouse-x{table}" if table.startswith("-") else table, "chain": chain, "kind": "rule"}
    return found | {"verdict": verdict, "rule": rule, "packet": packet, "in": links.get("into", ""), "out": links.get("out", "")}


ARRIVES = step("-trace", "prerouting-first", packet=flow(CLUSTER_IP, 80), into="v0")
OUT = step("-trace", "postrouting-last", packet=flow(), out="tunnel")
COMES = step("-trace", "prerouting-first", packet=flow(), into="eth0")
IN = step("-trace", "postrouting-last", packet=flow(), out="v1")


def told(*home: Object, away: tuple[Object, ...] = (), result: str = "silent", message: str = "", to: Target = WEB, **facts: Any) -> Any:
    reports: dict[str, Object] = {
        "one": {"steps": list(home), "sent": {"result": result, "message": message}},
        "two": {"steps": list(away), "sent": None},
    }
    return story(Facts(SENDER, to, {"default/server": RECEIVER}, **facts), reports)


def test_hops_on_two_nodes_until_the_answer() -> None:
    found = told(ARRIVES, OUT, away=(COMES, IN), result="answered")
    assert (found.outcome, found.cause) == ("answered", "")
    assert [(hop.node, hop.what) for hop in found.hops] == [
        ("one", f"leaves pod default/client as tcp {CLIENT}:40000 -> {CLUSTER_IP}:80"),
        ("one", f"service default/web leads to pod default/server on node two at {SERVER}:8080"),
        ("one", "leaves by tunnel"),
        ("two", f"arrives by eth0 as tcp {CLIENT}:40000 -> {SERVER}:8080"),
        ("two", "leaves by v1, the way to the pod"),
    ]


def test_a_packet_that_is_lost_between_nodes() -> None:
    found = told(ARRIVES, OUT)
    assert found.outcome == "lost"
    assert "has left node one and never came to node two" in found.cause


def test_a_packet_that_reaches_the_pod_and_is_not_answered() -> None:
    assert "reached 10.1.1.2:8080 and no answer came back" in told(ARRIVES, OUT, away=(COMES, IN)).cause
    datagram = told(ARRIVES, OUT, away=(COMES, IN), to=replace(WEB, protocol="udp"))
    assert (datagram.outcome, datagram.cause) == ("delivered", "")


def test_a_pod_that_refuses() -> None:
    found = told(ARRIVES, OUT, away=(COMES, IN), result="refused")
    assert (found.outcome, found.cause) == ("refused", "10.1.1.2:8080 is reached and refuses: nothing listens on port 8080")


@pytest.mark.parametrize(
    ("chain", "target_", "expected"),
    [
        ("refuse", EMPTY, "service default/web has no endpoint: no pod has the labels app=server of its selector; compare"),
        (
            "refuse",
            replace(EMPTY, service={**SERVICE, "spec": {}}),
            "has no endpoint: it has no selector, and there are no endpoints for it; give it a selector",
        ),
        (
            "services",
            replace(WEB, service={**SERVICE, "spec": {"internalTrafficPolicy": "Local"}}),
            "and node one has none: internalTrafficPolicy is Local (set it to Cluster, or run a pod on each node that is asked)",
        ),
        ("x-0123", WEB, "leads to endpoints of the packet's own node alone, and node one has none: externalTrafficPolicy is Local"),
        ("refuse", WEB, "its rules may be a moment behind, trace again"),
        ("refuse", Target(CLUSTER_IP, CLUSTER_IP, 80, "tcp"), "no Service has the address 10.96.0.9 and tcp port 80, or it leads nowhere"),
        (
            "f-0-default/web/tcp/80",
            replace(WEB, service={**SERVICE, "spec": {"loadBalancerSourceRanges": ["192.0.2.0/24"]}}),
            "from 192.0.2.0/24 alone",
        ),
    ],
)
def test_a_service_that_drops_says_why(chain: str, target_: Target, expected: str) -> None:
    found = told(ARRIVES, step("-svc", chain, "drop", rule="drop"), to=target_)
    assert found.outcome == ("refused" if chain == "refuse" else "dropped")
    assert expected in found.cause


def test_the_pods_of_a_service_that_refuses_tell_why() -> None:
    refused = (ARRIVES, step("-svc", "refuse", "drop", rule="drop"))
    pending = {**RECEIVER, "status": {"phase": "Pending"}}
    named = pod("server", SERVER, "two", ports=[{"containerPort": 8080, "name": "http"}])
    assert "no pod that it selects has a TCP port called http" in told(*refused, to=EMPTY, selected=[pending]).cause
    assert "none of its pods is ready (server); see `ph why pod/server`" in told(*refused, to=EMPTY, selected=[named]).cause


def policy(name: str, **spec: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"podSelector": {}, **spec}}


POLICIES = [
    policy("in", policyTypes=["Ingress"]),
    policy("out", policyTypes=["Egress"]),
    policy("both", egress=[{}], ingress=[{}]),
    policy("others", podSelector={"matchLabels": {"app": "other"}}),
]


def test_the_policies_of_the_pod_that_is_protected_are_named() -> None:
    steps = (
        COMES,
        step("-policy", "entering", "jump ingress-0123"),
        step("-policy", "ingress-0123", "goto refuse"),
        step("-policy", "refuse", "drop"),
    )
    found = told(ARRIVES, OUT, away=steps, policies=POLICIES)
    assert (found.outcome, found.policies) == ("dropped", ("default/both", "default/in"))
    assert "none of the NetworkPolicies default/both, default/in does allow it: ingress to pod default/server, tcp port 8080" in found.cause


def test_a_policy_that_is_too_large_to_be_carried_out_is_told_as_such() -> None:
    large = policy("large", policyTypes=["Ingress"], ingress=[{"ports": [{"protocol": "TCP", "port": n} for n in range(1, 3000)]}])
    found = told(ARRIVES, OUT, away=(COMES, step("-policy", "ingress-0123", "drop")), policies=[large])
    assert found.cause.endswith("; default/large allows nothing at all, since it makes 2999 rules and 2000 are the most: split it")


def test_the_policies_of_the_pod_that_sends_are_named() -> None:
    steps = (ARRIVES, step("-policy", "leaving", "jump egress-0123", flow()), step("-policy", "egress-0123", "drop", rule="counter drop"))
    found = told(*steps, policies=POLICIES[:2])
    assert found.policies == ("default/out",)
    assert "NetworkPolicy default/out does not allow it: egress from pod default/client" in found.cause


def test_a_policy_of_the_cluster_is_named_with_its_tier_and_rule() -> None:
    rules = [{"action": "Pass"}, {"action": "Deny", "name": "others"}]
    cluster = [{"metadata": {"name": name}, "spec": {"tier": "Admin", "ingress": rules}} for name in ("another", "no")]
    denies = f"ingress-admin-0123-{denial('no', 1)}"
    steps = (COMES, step("-policy", "ingress-admin-0123", f"goto {denies}"), step("-policy", denies, "goto refuse"))
    found = told(ARRIVES, OUT, away=(*steps, step("-policy", "refuse", "drop")), cluster_policies=cluster)
    assert (found.policies, found.cause) == (
        ("no",),
        "ClusterNetworkPolicy no (rule others) denies it in the tier Admin: ingress, tcp port 8080",
    )


def test_a_tier_that_passes_a_packet_on_is_not_blamed_for_what_network_policies_do_with_it() -> None:
    cluster = [{"metadata": {"name": "tenants"}, "spec": {"tier": "Admin", "ingress": [{"action": "Pass"}, {"action": "Deny"}]}}]
    steps = (
        COMES,
        step("-policy", "entering", "jump ingress-0123"),
        step("-policy", "ingress-0123", "jump ingress-admin-4567"),
        step("-policy", "ingress-admin-4567", "return"),
        step("-policy", "ingress-0123", "goto refuse"),
        step("-policy", "refuse", "drop"),
    )
    found = told(ARRIVES, OUT, away=steps, policies=POLICIES, cluster_policies=cluster)
    assert found.policies == ("default/both", "default/in")


def test_a_packet_that_is_answered_was_not_dropped_whatever_is_told_of_its_way() -> None:
    found = told(ARRIVES, OUT, away=(COMES,), result="answered")
    assert found.outcome == "answered"
    assert "is not all" in found.cause


def rehearsed(name: str, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default", "annotations": {REHEARSE: "true"}}
    return {"metadata": metadata, "spec": {"podSelector": {}, "policyTypes": ["Ingress"], **spec}}


def test_a_rehearsal_that_would_drop_the_packet_is_named_and_drops_nothing() -> None:
    would = step("-policy", "ingress-would-0123", "continue")
    found = told(ARRIVES, OUT, away=(COMES, would, would, IN), result="answered", policies=[*POLICIES, rehearsed("try")])
    assert (found.outcome, found.would) == ("answered", ("NetworkPolicy default/try (ingress)",))
    hops = [hop for hop in found.hops if "in rehearsal" in hop.what]
    assert [(hop.node, hop.what) for hop in hops] == [
        ("two", "would be dropped by NetworkPolicy default/try (ingress), which is in rehearsal")
    ]


def test_a_rehearsal_that_allows_the_packet_is_not_named() -> None:
    allowed = step("-policy", "ingress-would-0123", "return")
    assert not told(ARRIVES, OUT, away=(COMES, allowed, IN), result="answered", policies=[rehearsed("try")]).would


def test_a_rehearsal_of_the_cluster_is_named_and_no_rehearsal_is_named_for_a_drop() -> None:
    denies = {"tier": "Admin", "ingress": [{"action": "Deny"}]}
    policies = [rehearsed("try", **denies), {"metadata": {"name": "no"}, "spec": denies}]
    steps = (
        COMES,
        step("-policy", "ingress-would-admin-0123", "continue"),
        step("-policy", f"ingress-admin-0123-{denial('no', 0)}", "goto refuse"),
        step("-policy", "refuse", "drop"),
    )
    found = told(ARRIVES, OUT, away=steps, cluster_policies=policies)
    assert (found.outcome, found.policies, found.would) == ("dropped", ("no",), ("ClusterNetworkPolicy try (ingress)",))
    shut = (COMES, step("-policy", "ingress-0123", "drop"))
    assert told(ARRIVES, OUT, away=shut, policies=[*POLICIES, rehearsed("try")]).policies == ("default/both", "default/in")


def test_a_node_that_cannot_be_asked_is_named() -> None:
    reports: dict[str, Object] = {"one": {"steps": [ARRIVES, OUT], "sent": {"result": "silent", "message": ""}}}
    found = story(Facts(SENDER, WEB, {"default/server": RECEIVER}), reports, {"two": "its kubelet does not answer"})
    assert found.outcome == "unanswered"
    assert found.cause.endswith("node two, where the packet was to arrive, cannot be asked: its kubelet does not answer")
    assert (found.hops[-1].node, found.hops[-1].what) == ("two", "cannot be asked: its kubelet does not answer")


def test_another_firewall_is_named_with_its_rule() -> None:
    found = told(ARRIVES, step("filter", "FORWARD", "drop", rule="ip daddr 10.1.0.0/16 drop"))
    assert (found.outcome, found.table, found.chain) == ("dropped", "ip filter", "FORWARD")
    assert "another firewall on node one drops it: table ip filter, chain FORWARD, by the rule `ip daddr 10.1.0.0/16 drop`" in found.cause
    assert "by the chain's policy" in told(ARRIVES, step("filter", "FORWARD", "drop")).cause


def test_no_route_and_nothing_sent() -> None:
    assert "node one has no route to 10.96.0.9" in told(ARRIVES).cause
    assert told(result="not sent", message="Network is unreachable").cause == "the packet has not left the pod: Network is unreachable"


def test_a_packet_of_a_pod_to_itself_meets_no_rule_and_is_not_lost() -> None:
    itself = Target("pod default/client", CLIENT, 80, "tcp")
    refused = told(result="refused", message="Connection refused", to=itself)
    assert (refused.outcome, refused.hops) == ("refused", ())
    assert refused.cause == "the packet does not leave pod default/client, and nothing listens on port 80 there"
    assert (told(result="answered", to=itself).outcome, told(result="answered", to=itself).cause) == ("answered", "")


class OneNamespace(FakeCluster):
    """Lists of a namespace are those of all, since there is one; of slices those of the Service that is asked for."""

    async def call(self, call: Call) -> Any:
        if call.path.endswith("/namespaces/default/endpointslices"):
            found = await super().call(replace(call, path=call.path.replace("/namespaces/default", "")))
            service = dict(call.query)["labelSelector"].partition("=")[2]
            return found | {"items": [each for each in found["items"] if service in each["metadata"]["labels"].values()]}
        return await super().call(call)


@pytest.fixture
async def client() -> Client:
    cluster = OneNamespace()
    http: Object = {"name": "http", "protocol": "TCP", "port": 80}
    dns: Object = {"name": "dns", "protocol": "UDP", "port": 53}
    await cluster.put(SERVICES, service("web", http, clusterIP=CLUSTER_IP))
    await cluster.put(SERVICES, service("many", http, dns, clusterIP=CLUSTER_IP))
    balanced = service("balanced", http, type="LoadBalancer")
    await cluster.put(SERVICES, {**balanced, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}})
    await cluster.put(SERVICES, service("six", http, clusterIP="fd00::9"))
    await cluster.put(SERVICES, service("head", http, clusterIP="None"))
    await cluster.put(SERVICES, service("away", type="ExternalName", clusterIP="", externalName="example.org"))
    slice_ = endpoint_slice("web", [http | {"port": 8080}], of_slice(SERVER))
    await cluster.put(ENDPOINTSLICES, slice_)
    await cluster.put(PODS, SENDER)
    await cluster.put(PODS, pod("server", SERVER, "two", ports=[{"containerPort": 8080, "name": "http"}]))
    await cluster.put(PODS, {**pod("done", SERVER, "two"), "status": {"phase": "Succeeded", "podIPs": [{"ip": SERVER}]}})
    await cluster.put(PODS, pod("plain", SERVER, "two"))
    await cluster.put(PODS, pod("host", "192.0.2.1", "two", hostNetwork=True))
    return Client(cluster)


async def test_what_is_meant_by_a_service_a_pod_and_an_address(client: Client) -> None:
    web = await target(client, "svc/web", "default", SENDER, None, None)
    assert (web.address, web.port, web.protocol) == (CLUSTER_IP, 80, "tcp")
    assert [(each.address, each.port) for each in web.endpoints] == [(SERVER, 8080)]
    assert (await target(client, "svc/many", "default", SENDER, "dns", None)).protocol == "udp"
    assert (await target(client, "svc/many", "default", SENDER, None, "udp")).port == 53
    assert (await target(client, "pod/server", "default", SENDER, None, None)).port == 8080
    assert (await target(client, "192.0.2.7", "default", SENDER, "443", None)).shown == "192.0.2.7"


async def test_an_address_of_a_service_is_traced_as_that_service(client: Client) -> None:
    by_address = await target(client, CLUSTER_IP, "other", SENDER, "53", "udp")
    assert (by_address.shown, by_address.address, by_address.port, by_address.protocol) == ("service default/many", CLUSTER_IP, 53, "udp")
    balanced = await target(client, "192.0.2.9", "other", SENDER, "80", None)
    assert (balanced.shown, balanced.address) == ("service default/balanced", "192.0.2.9")
    assert (await target(client, CLUSTER_IP, "default", SENDER, "81", None)).service is None


@pytest.mark.parametrize(
    ("what", "port", "why"),
    [
        ("svc/none", None, "there is no service none in namespace default$"),
        ("svc/web.shop", None, r"no service web.shop in namespace default; write svc/web --to-namespace shop for that"),
        ("svc/web.shop.svc", None, r"write svc/web --to-namespace shop for that"),
        ("pod/done", None, r"pod done has ended \(Succeeded\)"),
        ("fd00::1", "80", "pod client has no IPv6 address: it sends nothing to fd00::1"),
        ("svc/many", None, r"which port of service many\? give it by --port; there are 80/tcp \(http\), 53/udp \(dns\)"),
        ("svc/web", "81", r"service web has no port 81; there are 80/tcp \(http\)"),
        ("svc/six", None, "no address of a family that the sender has: fd00::9"),
        ("svc/head", None, "is headless and has no ready endpoint: it has no selector, and there are no endpoints for it; give it"),
        ("svc/away", None, "is an alias of example.org"),
        ("pod/none", None, "there is no pod none"),
        ("pod/plain", None, "which port of pod plain"),
        ("deploy/web", None, "write svc/NAME, pod/NAME or an IP address"),
        ("192.0.2.7", None, "which port of 192.0.2.7"),
        ("192.0.2.7", "99999", "99999 is no port"),
    ],
)
async def test_what_cannot_be_traced_to_is_said(client: Client, what: str, port: str | None, why: str) -> None:
    with pytest.raises(click.ClickException, match=why):
        await target(client, what, "default", SENDER, port, None)


@pytest.mark.parametrize(
    ("port", "protocol", "why"),
    [
        (None, "udp", r"^service web has no UDP port; there are 80/tcp \(http\)$"),
        ("80", "udp", r"^service web has no port 80 over UDP; there are 80/tcp \(http\)$"),
    ],
)
async def test_a_protocol_that_a_service_has_no_port_of_is_said(client: Client, port: str | None, protocol: str, why: str) -> None:
    with pytest.raises(click.UsageError, match=why):
        await target(client, "svc/web", "default", SENDER, port, protocol)


@pytest.mark.parametrize(
    ("source", "why"), [("pod/none", "no pod none"), ("svc/web", "from a pod"), ("pod/host", "shares the network of its node")]
)
async def test_who_cannot_send_is_said(client: Client, source: str, why: str) -> None:
    with pytest.raises(click.ClickException, match=why):
        await sender(client, source, "default")
