"""A pod for which there is no scheduler says so, with those that there are."""

import pytest

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.look import look
from pilothouse.cli.why.scene import Scene
from pilothouse.client.client import Client
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, PODS
from tests.cli.shop import NOW, metadata
from tests.client.fake_cluster import FakeCluster, FakeTransport


def asking(scheduler: str, **spec: str) -> Object:
    spec_of = {"containers": [], "schedulerName": scheduler, **spec}
    return {"kind": "Pod", "metadata": metadata("p", "pod-uid"), "spec": spec_of, "status": {"phase": "Pending"}}


def seen(pod: Object, *schedulers: str) -> Scene:
    return Scene(kind="Pod", name="p", now=NOW, pods=[pod], schedulers=schedulers)


def test_the_schedulers_that_there_are_are_named() -> None:
    found = explain(seen(asking("volcano"), "default-scheduler", "packing"))
    assert found.chain == ("pod p asks for scheduler volcano, which has not looked at it: there are default-scheduler and packing",)
    assert found.next_step == "name one of these in the pod template's schedulerName, or start volcano"


def test_where_they_are_not_known_only_the_one_is_named() -> None:
    found = explain(seen(asking("volcano")))
    assert (found.chain, found.next_step) == (
        ("pod p asks for scheduler volcano, which has not looked at it",),
        "start volcano, or name another",
    )


@pytest.mark.parametrize("pod", [asking("packing"), asking("default-scheduler"), asking("volcano", nodeName="n")])
def test_a_pod_that_somebody_looks_at_is_not_told_so(pod: Object) -> None:
    assert "asks for scheduler" not in explain(seen(pod, "default-scheduler", "packing")).sentence


def test_a_pod_that_names_none_is_told_that_nobody_has_the_usual_name() -> None:
    found = explain(seen(asking("default-scheduler"), "packing"))
    assert found.chain == ("pod p asks for scheduler default-scheduler, which has not looked at it: there are packing",)
    assert "asks for scheduler" not in explain(seen(asking("default-scheduler"))).sentence


async def test_their_names_are_read_for_a_pod_that_asks_for_another() -> None:
    client = Client(FakeTransport(FakeCluster()))
    await client.create(PODS, asking("volcano") | {"metadata": {"name": "p"}}, "default")
    config = {"metadata": {"name": "pilothouse-schedulers"}, "data": {"names": "default-scheduler packing"}}
    await client.create(CONFIGMAPS, config, "kube-public")
    scene = await look(client, "Pod", "p", "default", NOW, [])
    assert list(scene.schedulers) == ["default-scheduler", "packing"]
