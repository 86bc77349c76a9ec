from typing import Any

import pytest

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.look import look
from pilothouse.cli.why.notes import belongs_to
from pilothouse.cli.why.scene import Scene
from pilothouse.client.client import Client
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS, STATEFULSETS
from tests.cli.shop import NOW, metadata, note, pod, waiting
from tests.client.fake_cluster import FakeCluster, FakeTransport

PULL = waiting("ImagePullBackOff", 'Back-off pulling image "db:broken"')


def stateful_set(ready: int = 3, replicas: int = 3, **spec: Any) -> Object:
    status = {"observedGeneration": 2, "replicas": 3, "readyReplicas": ready, "updateRevision": "db-new", "currentRevision": "db-old"}
    return {"kind": "StatefulSet", "metadata": metadata("db", "db-uid"), "spec": {"replicas": replicas, **spec}, "status": status}


def daemon_set(ready: int = 2) -> Object:
    status = {"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberReady": ready}
    return {"kind": "DaemonSet", "metadata": metadata("agent", "agent-uid"), "spec": {}, "status": status}


def member(ordinal: int, state: Object | None = None, revision: str = "db-new", **more: Any) -> Object:
    found = pod(state, ready=state is None, **more)
    found["metadata"] = metadata(
        f"db-{ordinal}", f"db-{ordinal}-uid", ("StatefulSet", "db-uid"), labels={"controller-revision-hash": revision}
    )
    return found


def seen(owner: Object, *pods: Object, **more: Any) -> Scene:
    return Scene(kind=owner["kind"], name=owner["metadata"]["name"], now=NOW, workload=owner, pods=pods, **more)


def test_a_set_that_runs_says_so() -> None:
    assert explain(seen(stateful_set(), *(member(n) for n in range(3)))).sentence == "statefulset db runs with 3 of 3 replicas"
    assert explain(seen(daemon_set())).sentence == "daemonset agent runs with 2 of 2 replicas"


def test_one_that_is_coming_says_how_far_it_is() -> None:
    assert "1 of 3 replicas" in explain(seen(stateful_set(1), member(0))).sentence
    assert "1 of 2 replicas" in explain(seen(daemon_set(1))).sentence


def test_the_pod_that_blocks_an_update_is_named_with_the_way_out() -> None:
    found = explain(seen(stateful_set(0), member(0, PULL, "db-old")))
    assert "db:broken" in found.chain[0]
    assert found.chain[-1] == "the update of statefulset db does not get past pod db-0, which is of an earlier template"
    assert "`ph kubectl delete pod db-0 -n default`" in found.next_step


@pytest.mark.parametrize(
    ("spec", "revision"),
    [({}, "db-new"), ({"podManagementPolicy": "Parallel"}, "db-old"), ({"updateStrategy": {"type": "OnDelete"}}, "db-old")],
)
def test_a_broken_pod_that_blocks_nothing_is_told_alone(spec: Object, revision: str) -> None:
    found = explain(seen(stateful_set(0, **spec), member(0, PULL, revision)))
    assert found.chain
    assert "does not get past" not in found.sentence


def test_refused_pods_are_told_with_the_refusal() -> None:
    owner = stateful_set(0) | {"status": {"observedGeneration": 2, "replicas": 0}}
    said = (
        'create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden: exceeded quota: team, requested: pods=1, used: pods=0, '
        "limited: pods=0"
    )
    found = explain(seen(owner, notes=[note(owner, "FailedCreate", said)]))
    assert found.chain == ("quota team is used up (requested pods=1, used pods=0, limited to pods=0)", "statefulset db cannot create pods")
    passed = [note(owner, "FailedCreate", said), note(owner, "SuccessfulCreate", "create Pod db-0 in StatefulSet db successful", 1)]
    assert "ago quota team is used up" in explain(seen(owner, notes=passed)).chain[0]


def test_a_set_that_is_not_there_is_not_known() -> None:
    assert not explain(Scene(kind="StatefulSet", name="db", now=NOW)).is_known


async def test_it_is_read_with_its_pods() -> None:
    client = Client(FakeTransport(FakeCluster()))
    made = await client.create(STATEFULSETS, stateful_set() | {"kind": "StatefulSet"}, "default")
    mine = member(0)
    mine["metadata"]["ownerReferences"][0]["uid"] = made["metadata"]["uid"]
    await client.create(PODS, mine, "default")
    scene = await look(client, "StatefulSet", "db", "default", NOW, [])
    assert [each["metadata"]["name"] for each in scene.pods] == ["db-0"]
    assert scene.workload is not None


def test_what_was_said_of_pods_that_are_gone_belongs_to_the_set() -> None:
    assert belongs_to("StatefulSet", "db")(note(("Pod", "db-12"), "Failed", ""))
    assert belongs_to("DaemonSet", "agent")(note(("Pod", "agent-x2x4z"), "Failed", ""))
    assert not belongs_to("StatefulSet", "db")(note(("Pod", "db-main"), "Failed", ""))
