"""Whether a cluster has room for the members of an instance."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import room
from pilothouse.platform.databases.mysql.types import MySQLSpec


def spec(**more: Any) -> MySQLSpec:
    return MySQLSpec.model_validate({"size": "1Gi", "resources": {"cpu": "1", "memory": "1Gi"}, **more})


def node(cpu: str, memory: str) -> Object:
    return {"status": {"allocatable": {"cpu": cpu, "memory": memory}}}


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([], ""),
        ([node("2", "4Gi")], ""),
        ([node("1020m", "1088Mi")], ""),
        ([node("1", "64Gi"), node("64", "1Gi")], "the largest has 1 and 64Gi for pods"),
        ([{}], "the largest has 0 and 0"),
    ],
)
def test_a_member_needs_one_node_that_has_all_of_it(nodes: list[Object], said: str) -> None:
    found = room.node_fault(spec(), nodes)
    assert (said in found) if said else not found


def quota(used: Object, **hard: str) -> Object:
    keys = {key.replace("_", "."): value for key, value in hard.items()}
    return {"metadata": {"name": "small"}, "spec": {"hard": keys}, "status": {"hard": keys, "used": used}}


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        (quota({"cpu": "1"}, cpu="2020m"), []),
        (quota({"cpu": "1"}, cpu="2"), ["cpu"]),
        (quota({"pods": "1", "requests.storage": "1Gi"}, pods="1", requests_storage="2Gi", services="0"), ["pods"]),
        (quota({}, limits_memory="1Gi", persistentvolumeclaims="0"), ["limits.memory", "persistentvolumeclaims"]),
    ],
)
def test_a_quota_is_held_against_what_is_asked_for(given: Object, lacking: list[str]) -> None:
    found = room.quota_faults(spec(), [given])
    assert [fault.split(" leaves not enough ")[1].split(" for one member")[0] for fault in found] == lacking


def test_a_quota_counts_all_members_and_one_for_some_pods_alone_is_left_out() -> None:
    small = quota({}, pods="2")
    assert "leaves not enough pods for 3 members: 0 of 2 are used" in room.quota_faults(spec(replicas=3), [small])[0]
    assert not room.quota_faults(spec(replicas=3), [small | {"spec": small["spec"] | {"scopes": ["BestEffort"]}}])
