"""What is decided about a claim."""

from typing import Any

import pytest

from pilothouse.engine.controllers.persistentvolume import claims as decided
from pilothouse.engine.controllers.persistentvolume import provision
from pilothouse.engine.controllers.persistentvolume.claims import Bind, Lose, Provision, Wait, decide
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volumes import BIND_COMPLETED, SELECTED_NODE
from tests.engine.controllers.persistentvolume.objects import IMMEDIATE, LOCAL, claim, node, volume


def named(*volumes: Object) -> dict[str, Object]:
    return {meta.name(each): each for each in volumes}


def annotated(obj: Object, **annotations: str) -> Object:
    return obj | {"metadata": obj["metadata"] | {"annotations": annotations}}


def claimed(name: str = "data", uid: str = "uid-of-data", **more: Any) -> Object:
    return volume("disk", claimRef={"namespace": "default", "name": name} | ({"uid": uid} if uid else {}), **more)


def chosen(found: object) -> str:
    assert isinstance(found, Bind)
    return meta.name(found.volume)


def test_the_smallest_volume_that_is_large_enough_is_taken() -> None:
    volumes = named(volume("huge", "9Gi"), volume("fits", "2Gi"), volume("small", "500Mi"), volume("also-fits", "2Gi"))
    assert chosen(decide(claim(), volumes, None)) == "also-fits"


@pytest.mark.parametrize(
    "other",
    [
        volume(storageClassName="fast"),
        volume(volumeMode="Block"),
        volume(accessModes=["ReadOnlyMany"]),
        volume(phase="Released"),
        volume(phase="Pending"),
        claimed("another", "x"),
        claimed(uid="of-one-before"),
    ],
)
def test_a_volume_that_does_not_suit_is_left_alone(other: Object) -> None:
    assert decide(claim(), named(other), None) == Wait("FailedBinding", decided.NOTHING_THERE)


def test_a_selector_picks_among_volumes() -> None:
    volumes = named(volume("a"), volume("b", labels={"disk": "ssd"}))
    assert chosen(decide(claim(selector={"matchLabels": {"disk": "ssd"}}), volumes, None)) == "b"


def test_a_volume_that_is_kept_for_the_claim_comes_first_and_also_before_any_pod() -> None:
    volumes = named(volume("small"), claimed(uid="", storageClassName="local"))
    assert chosen(decide(claim(storage_class="local"), volumes, LOCAL)) == "disk"


def test_a_claim_waits_for_its_first_pod_and_is_provisioned_when_that_has_a_node() -> None:
    waiting = claim(storage_class="local")
    assert decide(waiting, {}, LOCAL) == Wait("WaitForFirstConsumer", decided.WAITS)
    assert decide(waiting, {}, LOCAL, ["web"]) == Wait("WaitForPodScheduled", "waiting for pod web to be scheduled")
    assert decide(annotated(waiting, **{SELECTED_NODE: "n1"}), {}, LOCAL) == Provision(LOCAL)
    assert decide(claim(storage_class="now"), {}, IMMEDIATE) == Provision(IMMEDIATE)
    assert decide(claim(storage_class="none"), {}, None) == Provision(None)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (volume(), Bind),
        (claimed(), Bind),
        (claimed("another", "x"), "already bound to a different claim"),
        (volume(size="1Mi"), "requested PV is too small"),
        (volume(storageClassName="fast"), "storageClassName does not match"),
        (volume(volumeMode="Block"), "incompatible volumeMode"),
        (volume(accessModes=["ReadOnlyMany"]), "incompatible accessMode"),
    ],
)
def test_a_claim_gets_the_volume_that_it_names_or_is_told_why_not(other: Object, expected: Any) -> None:
    found = decide(claim(volumeName="disk"), named(other), None)
    if isinstance(expected, str):
        assert isinstance(found, Wait)
        assert expected in found.message
    else:
        assert isinstance(found, expected)


@pytest.mark.parametrize(
    ("spec", "volumes", "expected"),
    [
        ({}, {}, Lose("ClaimLost", decided.LOST_REFERENCE)),
        ({"volumeName": "disk"}, {}, Lose("ClaimLost", decided.LOST_VOLUME)),
        ({"volumeName": "disk"}, named(claimed("another", "x")), Lose("ClaimMisbound", decided.MISBOUND)),
        ({"volumeName": "disk"}, named(claimed()), Bind(claimed())),
    ],
)
def test_a_claim_that_has_been_bound_keeps_its_volume_or_is_lost(spec: Object, volumes: dict[str, Object], expected: object) -> None:
    assert decide(annotated(claim(**spec), **{BIND_COMPLETED: "yes"}), volumes, None) == expected


@pytest.mark.parametrize(
    ("spec", "storage_class", "said"),
    [
        ({}, LOCAL, ""),
        ({"accessModes": ["ReadWriteOncePod"]}, LOCAL, ""),
        ({"accessModes": ["ReadWriteOnce", "ReadWriteMany"]}, LOCAL, "cannot be ReadWriteMany"),
        ({"volumeMode": "Block"}, LOCAL, ""),
        ({"selector": {}}, LOCAL, "leave spec.selector out"),
        ({"dataSource": {"kind": "PersistentVolumeClaim", "name": "x"}}, LOCAL, ""),
        ({}, LOCAL | {"mountOptions": ["ro"]}, "Mount options are not supported"),
        ({}, LOCAL | {"parameters": {"fast": "yes"}}, "no parameter 'fast'"),
    ],
)
def test_what_the_local_provisioner_cannot_do_is_said(spec: Object, storage_class: Object, said: str) -> None:
    why = provision.why_not(claim(storage_class="local", **spec), storage_class)
    assert said in why
    assert bool(said) == bool(why)


def test_a_volume_is_made_on_the_chosen_node_else_on_the_first_that_can_keep_it_to_its_size() -> None:
    nodes = [node("b"), node("a", "none"), node("c")]
    assert meta.name(provision.node_for(claim(), IMMEDIATE, nodes) or {"metadata": {"name": ""}}) == "b"
    assert meta.name(provision.node_for(annotated(claim(), **{SELECTED_NODE: "c"}), LOCAL, nodes) or {"metadata": {"name": ""}}) == "c"
    assert provision.node_for(annotated(claim(), **{SELECTED_NODE: "gone"}), LOCAL, nodes) is None
    topology = [{"matchLabelExpressions": [{"key": "kubernetes.io/hostname", "values": ["c"]}]}]
    assert meta.name(provision.node_for(claim(), IMMEDIATE | {"allowedTopologies": topology}, nodes) or {"metadata": {"name": ""}}) == "c"
