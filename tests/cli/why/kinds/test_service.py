from typing import Any

import pytest

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.notes import Note
from pilothouse.cli.why.scene import Scene
from pilothouse.model.json import Object
from tests.cli.shop import NOW, metadata, pod, waiting


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
