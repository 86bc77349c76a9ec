from typing import Any

import pytest

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.look import look
from pilothouse.cli.why.notes import Note
from pilothouse.cli.why.scene import Scene
from pilothouse.client.client import Client
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES
from tests.cli.shop import NOW, metadata, pod, waiting
from tests.client.fake_cluster import FakeCluster, FakeTransport


def service(*addresses: str, **spec: Any) -> Object:
    shown = {"loadBalancer": {"ingress": [{"ip": each} for each in addresses]}}
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "clusterIP": "10.96.0.9", **spec}
    return {"kind": "Service", "metadata": metadata("web", "s-uid"), "spec": spec, "status": shown}


def seen(obj: Object, *pods: Object, notes: tuple[Note, ...] = (), **more: Any) -> Scene:
    return Scene(kind="Service", name="web", now=NOW, workload=obj, pods=pods, notes=notes, **more)


def said(reason: str, message: str, ago_s: float = 1) -> Note:
    return Note("Service", "web", "load-balancer-controller", reason, message, NOW - ago_s)


def ready() -> Object:
    return pod(ready=True)


def test_one_that_works_says_where_and_by_whom() -> None:
    found = explain(seen(service("192.0.2.9"), ready(), announcers=["n1"]))
    assert found.sentence == "service web is reached at 192.0.2.9, for which n1 answers, and leads to 1 of 1 pod"
    assert (
        explain(seen(service(type="ClusterIP"), ready(), pod())).sentence == "service web is reached at 10.96.0.9, and leads to 1 of 2 pods"
    )


def test_without_an_address_the_last_refusal_is_told_with_its_way_out() -> None:
    message = "no address for this Service: no address of pool lan is free: add a range, or delete Services that need theirs no more"
    found = explain(seen(service(), ready(), notes=(said("AllocationFailed", message),)))
    assert found.standing == "service web has no address"
    assert found.chain == ("no address of pool lan is free",)
    assert found.next_step == "add a range, or delete Services that need theirs no more"


def test_another_class_is_named() -> None:
    found = explain(seen(service(loadBalancerClass="example.com/lb"), ready()))
    assert "example.com/lb" in found.chain[0]
    assert "install what serves that class" in found.next_step


def test_one_that_nobody_has_looked_at_waits() -> None:
    assert explain(seen(service(), ready())).sentence == "service web waits for an address"


@pytest.mark.parametrize(
    ("spec", "is_advertised", "why"),
    [
        ({}, False, "no L2Advertisement or BGPAdvertisement has it announced"),
        ({"externalTrafficPolicy": "Local"}, True, "externalTrafficPolicy is Local"),
    ],
)
def test_an_address_that_nobody_answers_for_is_told(spec: Object, is_advertised: bool, why: str) -> None:
    found = explain(seen(service("192.0.2.9", **spec), pod(), announcers=[], is_advertised=is_advertised))
    assert found.chain[0] == why


def test_a_stranger_with_the_address_is_told_for_a_minute() -> None:
    message = (
        "192.0.2.9 is not announced: 02:00:00:00:00:09 answers for it on the link; take it out of the IPAddressPool, or away from there"
    )
    found = explain(seen(service("192.0.2.9"), ready(), announcers=[], is_advertised=True, notes=(said("AddressInUse", message),)))
    assert "02:00:00:00:00:09" in found.chain[0]
    assert found.next_step.startswith("take it out of the IPAddressPool")
    old = said("AddressInUse", message, 300)
    assert not explain(seen(service("192.0.2.9"), ready(), announcers=["n1"], notes=(old,))).chain


def test_a_selector_that_matches_nothing_and_pods_that_are_not_ready_are_told() -> None:
    assert explain(seen(service("192.0.2.9"))).chain == ("no pod has the labels app=web of its selector",)
    broken = explain(seen(service("192.0.2.9"), pod(waiting("ImagePullBackOff", 'Back-off pulling image "web:2"'))))
    assert broken.standing == "service web leads nowhere"
    assert "web:2" in broken.chain[0]


def slice_(*ports: tuple[str, int], node: str = "n1", **conditions: bool) -> Object:
    """Of one endpoint. ports: names and numbers."""
    listed = [{"name": name, "port": number, "protocol": "TCP"} for name, number in ports]
    endpoint = {"addresses": ["10.244.0.5"], "nodeName": node, "conditions": {"ready": True, **conditions}}
    return {"kind": "EndpointSlice", "addressType": "IPv4", "ports": listed, "endpoints": [endpoint]}


def port(number: int = 80, **more: Any) -> Object:
    return {"port": number, "protocol": "TCP", "targetPort": 8080, **more}


def plain(*ports: Object, **spec: Any) -> Object:
    return service(type="ClusterIP", ports=list(ports), **spec)


NAMED = "no pod that it selects has a TCP port called nope, the targetPort of its port 80: they name no ports"


@pytest.mark.parametrize(
    ("obj", "pods", "endpoints", "cause", "way_out"),
    [
        (plain(port(targetPort="nope")), [ready()], [slice_()], NAMED, "correct spec.ports[].targetPort, or name a port"),
        (plain(port(), selector=None), [], [], "it has no selector, and there are no endpoints for it", "give it a selector, or write an"),
        (
            plain(port(name="a"), selector=None),
            [],
            [slice_(("b", 8080))],
            "it has no selector, and its endpoints have no TCP port called a: they have TCP port called b",
            "name the port in the Service as in its EndpointSlices",
        ),
        (plain(port(), selector=None), [], [slice_(("", 8080), ready=False)], "none of its endpoints is ready", "see conditions.ready"),
        (plain(port()), [pod(ready=True, podIP="fd00::5")], [], "none of its pods has an IPv4 address", "set spec.ipFamilies"),
        (plain(port()), [pod(ready=True, podIP="10.244.0.5")], [], "its pods are ready, and its EndpointSlices do not", "look again"),
    ],
    ids=["targetPort", "no selector, no endpoints", "other port", "not ready", "other family", "behind"],
)
def test_one_that_leads_nowhere_says_why(obj: Object, pods: list[Object], endpoints: list[Object], cause: str, way_out: str) -> None:
    found = explain(seen(obj, *pods, endpoints=endpoints))
    assert found.standing == "service web leads nowhere"
    assert found.chain[0].startswith(cause)
    assert found.next_step.startswith(way_out)


def test_ports_that_containers_name_are_offered_for_one_that_is_named_wrong() -> None:
    named = ready()
    named["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 8080}]
    found = explain(seen(plain(port(targetPort="nope")), named, endpoints=[slice_()]))
    assert found.chain[0].endswith("the targetPort of its port 80: they have http (8080/tcp)")


def test_the_one_port_of_several_that_leads_nowhere_is_named() -> None:
    ports = port(name="http"), port(81, name="admin", targetPort="nope")
    found = explain(seen(plain(*ports), ready(), endpoints=[slice_(("http", 8080))]))
    assert found.standing == "port 81 of service web leads nowhere"


def test_an_endpoint_that_is_leaving_and_still_serves_is_one() -> None:
    leaving = slice_(("", 8080), ready=False, serving=True, terminating=True)
    assert not explain(seen(plain(port()), ready(), endpoints=[leaving])).chain


def test_policies_that_keep_others_out_are_told_with_the_way_out() -> None:
    inside = explain(seen(plain(port(), internalTrafficPolicy="Local"), ready(), endpoints=[slice_(("", 8080))])).sentence
    assert inside == (
        "service web is reached at 10.96.0.9, and leads to 1 of 1 pod; pods of other nodes than n1 do not reach it: "
        "internalTrafficPolicy is Local (set it to Cluster, or run a pod on each node that is asked)"
    )
    balanced = service("192.0.2.9", ports=[port()], externalTrafficPolicy="Local", loadBalancerSourceRanges=["198.51.100.0/24"])
    outside = explain(seen(balanced, ready(), endpoints=[slice_(("", 8080))])).sentence
    assert "; from outside only node n1 leads to it: externalTrafficPolicy is Local" in outside
    assert outside.endswith("; its load balancer takes packets from 198.51.100.0/24 alone (loadBalancerSourceRanges)")


async def test_the_endpoints_that_somebody_has_written_are_looked_at() -> None:
    client = Client(FakeTransport(FakeCluster()))
    await client.create(SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "a", "port": 80}]}}, "default")
    named = {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}
    await client.create(ENDPOINTSLICES, {**slice_(("b", 8080)), "metadata": named}, "default")
    found = explain(await look(client, "Service", "web", "default", NOW, []))
    assert "they have TCP port called b" in found.chain[0]
