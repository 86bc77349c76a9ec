"""ConfigMaps, Secrets, namespaces, nodes, quotas, leases, priorities."""

import pytest

from pilothouse.engine.apiserver.kinds.cluster import NAMESPACE, NODE
from pilothouse.engine.apiserver.kinds.coordination import LEASE, PRIORITYCLASS
from pilothouse.engine.apiserver.kinds.data import CONFIGMAP, SECRET
from pilothouse.engine.apiserver.kinds.quotas import LIMITRANGE, RESOURCEQUOTA
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import brief, changed, cluster_scoped, created, named, refusals, update_refusals, updated


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"data": {"a.b-C_1": "x"}}, []),
        ({"data": {"a b": "x"}}, ["data[a b] Invalid"]),
        ({"data": {"..": "x"}}, ["data[..] Invalid"]),
        ({"data": {"k": "x"}, "binaryData": {"k": "AA=="}}, ["data[k] Invalid"]),
        ({"data": {"k": "x" * (1 << 20)}}, []),
        ({"data": {"k": "x" * (1 << 20), "l": "x"}}, ["[] TooLong"]),
    ],
)
def test_config_maps(fields: Object, expected: list[str]) -> None:
    assert refusals(CONFIGMAP, named(**fields)) == expected


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ({"data": {"k": "v"}, "immutable": True}, []),
        ({"data": {"k": "z"}, "immutable": True}, ["data Forbidden"]),
        ({"data": {"k": "v"}}, ["immutable Forbidden"]),
    ],
)
def test_an_immutable_config_map_stays_as_it_is(new: Object, expected: list[str]) -> None:
    assert update_refusals(CONFIGMAP, named(data={"k": "v"}, immutable=True), named(**new)) == expected


def test_plain_text_of_a_secret_is_stored_encoded() -> None:
    made = created(SECRET, named(data={"k": "dg=="}, stringData={"k": "over", "l": "x"}))
    assert (made["type"], made["data"]) == ("Opaque", {"k": "b3Zlcg==", "l": "eA=="})
    assert "stringData" not in made


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("example.com/x", {}, []),
        ("kubernetes.io/tls", {}, ["data[tls.crt] Required", "data[tls.key] Required"]),
        ("kubernetes.io/dockerconfigjson", {}, ["data[.dockerconfigjson] Required"]),
        ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": "e30="}, []),
        ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": "dg=="}, ["data[.dockerconfigjson] Invalid"]),
        ("kubernetes.io/basic-auth", {}, ["data[username] Required", "data[password] Required"]),
        ("kubernetes.io/basic-auth", {"username": "dQ=="}, []),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": ""}, ["data[ssh-privatekey] Required"]),
        ("kubernetes.io/service-account-token", {}, ["metadata.annotations[kubernetes.io/service-account.name] Required"]),
    ],
)
def test_a_secrets_type_says_what_it_holds(kind: str, data: Object, expected: list[str]) -> None:
    assert refusals(SECRET, named(type=kind, data=data)) == expected


def test_a_secret_keeps_its_type() -> None:
    assert update_refusals(SECRET, named(), named(type="example.com/x")) == ["type Invalid"]


def test_a_namespace_is_active_labelled_and_held_by_a_finalizer() -> None:
    made = created(NAMESPACE, changed(cluster_scoped("a"), "metadata.labels", {"kubernetes.io/metadata.name": "other"}))
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "a"}
    assert (made["spec"], made["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})


def test_only_finalizing_changes_a_namespaces_finalizers() -> None:
    old = created(NAMESPACE, cluster_scoped())
    without = changed(old, "spec.finalizers", None)
    assert updated(NAMESPACE, old, without)["spec"] == {"finalizers": ["kubernetes"]}
    assert updated(NAMESPACE, old, without, "finalize")["spec"] == {}


def test_a_namespace_ends_only_when_it_is_deleted() -> None:
    old = created(NAMESPACE, cluster_scoped())
    new = changed(old, "status.phase", "Terminating")
    assert brief(NAMESPACE.validate_status_update(new, old)) == ["status.Phase Invalid"]


@pytest.mark.parametrize("finalizer", ["nodomain", "a b"])
def test_a_namespaces_finalizer_has_a_domain(finalizer: str) -> None:
    assert "spec.finalizers Invalid" in refusals(NAMESPACE, cluster_scoped(spec={"finalizers": [finalizer]}))


def test_a_node_registers_with_its_status() -> None:
    made = created(NODE, cluster_scoped(spec={"podCIDR": "10.1.0.0/24"}, status={"capacity": {"cpu": 4, "memory": "1024Mi"}}))
    assert made["spec"]["podCIDRs"] == ["10.1.0.0/24"]
    assert made["status"]["allocatable"] == {"cpu": "4", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("taints", "expected"),
    [
        ([{"key": "k", "effect": "NoSchedule"}, {"key": "k", "effect": "NoExecute"}], []),
        ([{"key": "k", "effect": "NoSchedule"}] * 2, ["metadata.taints[1] Duplicate"]),
        ([{"key": "k", "effect": "X"}], ["metadata.taints[0].effect NotSupported"]),
    ],
)
def test_taints(taints: list[Object], expected: list[str]) -> None:
    assert refusals(NODE, cluster_scoped(spec={"taints": taints})) == expected


def test_a_nodes_addresses_for_pods_are_given_once() -> None:
    old = cluster_scoped(spec={"podCIDR": "10.1.0.0/24"})
    assert update_refusals(NODE, cluster_scoped(), old) == []
    assert update_refusals(NODE, old, cluster_scoped(spec={"podCIDR": "10.2.0.0/24"})) == ["spec.podCIDRs Forbidden"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"hard": {"pods": "5", "requests.cpu": "1", "count/deployments.apps": "3"}}, []),
        ({"hard": {"pods": "-1"}}, ["spec.hard[pods] Invalid"]),
        ({"hard": {"pods": "100m"}}, ["spec.hard[pods] Invalid"]),
        ({"hard": {"pods": "1"}, "scopes": ["X"]}, ["spec.scopes Invalid"]),
        ({"hard": {"services": "1"}, "scopes": ["BestEffort"]}, ["spec.scopes Invalid"]),
        ({"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]}, ["spec.scopes Invalid"]),
    ],
)
def test_quotas(spec: Object, expected: list[str]) -> None:
    assert refusals(RESOURCEQUOTA, named(spec=spec)) == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ({"type": "Pod", "max": {"cpu": "2"}, "min": {"cpu": "1m"}}, []),
        ({"type": "Pod", "default": {"cpu": "2"}}, ["spec.limits[0].default Forbidden"]),
        ({"type": "thing"}, ["spec.limits[0].type Invalid"]),
        ({"type": "Pod", "max": {"cpu": "1"}, "min": {"cpu": "2"}}, ["spec.limits[0].min[cpu] Invalid"]),
        (
            {"type": "Container", "default": {"cpu": "2"}, "max": {"cpu": "1"}},
            ["spec.limits[0].defaultRequest[cpu] Invalid", "spec.limits[0].default[cpu] Invalid"],
        ),
    ],
)
def test_limits(limit: Object, expected: list[str]) -> None:
    assert refusals(LIMITRANGE, named(spec={"limits": [limit]})) == expected


def test_a_containers_maximum_is_its_default() -> None:
    (item,) = created(LIMITRANGE, named(spec={"limits": [{"type": "Container", "max": {"cpu": "1000m"}}]}))["spec"]["limits"]
    assert (item["default"], item["defaultRequest"]) == ({"cpu": "1"}, {"cpu": "1"})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"leaseDurationSeconds": 0}, ["spec.leaseDurationSeconds Invalid"]),
        ({"leaseTransitions": -1}, ["spec.leaseTransitions Invalid"]),
    ],
)
def test_leases(spec: Object, expected: list[str]) -> None:
    assert refusals(LEASE, named(spec=spec)) == expected


def test_leases_are_created_by_updates_that_state_a_version_otherwise() -> None:
    assert LEASE.create_on_update
    assert not LEASE.unconditional_update


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (cluster_scoped(value=5), []),
        (cluster_scoped(), []),
        (cluster_scoped(value=1000000001), ["value Forbidden"]),
        (cluster_scoped("system-mine", value=5), ["metadata.name Forbidden"]),
        (cluster_scoped("system-node-critical", value=2000001000), []),
        (cluster_scoped(preemptionPolicy="X"), ["preemptionPolicy NotSupported"]),
    ],
)
def test_priorities(obj: Object, expected: list[str]) -> None:
    assert refusals(PRIORITYCLASS, obj) == expected


def test_a_priority_is_for_life() -> None:
    assert update_refusals(PRIORITYCLASS, cluster_scoped(value=5), cluster_scoped(value=6)) == ["value Forbidden"]
