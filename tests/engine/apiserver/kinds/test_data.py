"""ConfigMaps, Secrets, namespaces, nodes, quotas, leases, priorities."""

from base64 import b64encode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pilothouse.engine.apiserver.kinds.cluster import NAMESPACE, NODE
from pilothouse.engine.apiserver.kinds.coordination import LEASE, PRIORITYCLASS
from pilothouse.engine.apiserver.kinds.data import CONFIGMAP, SECRET, SERVICEACCOUNT
from pilothouse.engine.apiserver.kinds.quotas import LIMITRANGE, RESOURCEQUOTA
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, brief, changed, cluster_scoped, created, named, refusals, update_refusals, updated


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"data": {"a.b-C_1": "x"}}, []),
        ({"data": {"a b": "x"}}, ["data[a b] Invalid"]),
        ({"data": {"..": "x"}}, ["data[..] Invalid"]),
        ({"data": {"k": "x"}, "binaryData": {"k": "AA=="}}, ["data[k] Invalid"]),
        ({"data": {"k": "x" * (1 << 20)}}, []),
        ({"data": {"k": "x" * (1 << 20), "l": "x"}}, ["[] TooLong"]),
        ({"data": {"k": None}, "binaryData": {"b": None}}, []),
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
        ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": "W10="}, ["data[.dockerconfigjson] Invalid"]),
        ("kubernetes.io/dockercfg", {".dockercfg": "MQ=="}, ["data[.dockercfg] Invalid"]),
        ("kubernetes.io/basic-auth", {}, ["data[username] Required", "data[password] Required"]),
        ("kubernetes.io/basic-auth", {"username": "dQ=="}, []),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": ""}, ["data[ssh-privatekey] Required"]),
        ("kubernetes.io/service-account-token", {}, ["metadata.annotations[kubernetes.io/service-account.name] Required"]),
    ],
)
def test_a_secrets_type_says_what_it_holds(kind: str, data: Object, expected: list[str]) -> None:
    assert refusals(SECRET, named(type=kind, data=data)) == expected


def pair(kind: str = "ec") -> tuple[str, str]:
    """A certificate and its key, as PEM."""
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    unsigned = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    signed = unsigned.not_valid_before(NOW).not_valid_after(NOW).sign(key, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode(), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_tls_secret_is_a_pair() -> None:
    (certificate, key), (_, other), (_, alien) = pair(), pair(), pair("rsa")
    named_block = "-----BEGIN THING-----\nAAAA\n-----END THING-----\n"
    junk = {kind: f"-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n" for kind in ("CERTIFICATE", "PRIVATE KEY")}
    for crt, private, said in (
        (certificate, key, ""),
        (named_block + certificate, key, ""),
        ("x", key, "tls: failed to find any PEM data in certificate input"),
        (key, certificate, "PEM inputs may have been switched"),
        (named_block, key, "after skipping PEM blocks of the following types: [THING]"),
        (certificate, "x", "tls: failed to find any PEM data in key input"),
        (certificate, certificate, "tls: found a certificate rather than a key"),
        (certificate, named_block, 'block with type ending in "PRIVATE KEY" in key input after'),
        (junk["CERTIFICATE"], key, "x509: malformed certificate"),
        (certificate, junk["PRIVATE KEY"], "tls: failed to parse private key"),
        (certificate, other, "tls: private key does not match public key"),
        (certificate, alien, "tls: private key type does not match public key type"),
    ):
        texts = {"tls.crt": crt, "tls.key": private}
        data = {name: b64encode(text.encode()).decode() for name, text in texts.items()}
        found = SECRET.warnings(named(type="kubernetes.io/tls", data=data))
        assert (bool(found), said in "".join(found)) == (bool(said), True)


def test_a_service_account_only_names_its_secrets() -> None:
    wanted = named(secrets=[{"name": "s", "namespace": "other", "kind": "Secret"}])
    made = created(SERVICEACCOUNT, wanted)
    assert made["secrets"] == [{"name": "s"}]
    assert updated(SERVICEACCOUNT, made, wanted)["secrets"] == [{"name": "s"}]


def test_an_account_is_warned_of_its_old_annotation_once() -> None:
    plain, noted = named(), changed(named(), "metadata.annotations", {"kubernetes.io/enforce-mountable-secrets": "true"})
    tell = SERVICEACCOUNT.warnings_on_update
    assert tell is not None
    assert [len(said) for said in (SERVICEACCOUNT.warnings(noted), tell(noted, plain), tell(noted, noted))] == [1, 1, 0]


@pytest.mark.parametrize(
    ("hard", "expected"),
    [
        ({"requests.cpu": "1", "limits.cpu": "1"}, []),
        ({"cpu": "2", "limits.cpu": "1500m"}, ["ResourceQuota cpu (2) should be less than limits.cpu (1500m)"]),
        ({"ephemeral-storage": "2", "limits.ephemeral-storage": "1"}, []),
    ],
)
def test_a_quota_of_more_requests_than_limits_is_odd(hard: Object, expected: list[str]) -> None:
    assert RESOURCEQUOTA.warnings(named(spec={"hard": hard})) == expected


def test_a_node_keeps_no_configuration_of_old() -> None:
    wanted = cluster_scoped(spec={"configSource": {}, "externalID": "x"}, status={"config": {}})
    made = created(NODE, wanted)
    assert ("configSource" in made["spec"], "config" in made["status"]) == (False, False)
    assert "configSource" not in updated(NODE, made, wanted)["spec"]
    assert "config" not in updated(NODE, made, wanted, "status")["status"]
    assert len(NODE.warnings(made)) == 1


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


def test_finalizing_says_which_finalizer_is_wrong() -> None:
    old = created(NAMESPACE, cluster_scoped())
    new = changed(old, "spec.finalizers", ["kubernetes", "nodomain"])
    assert brief(NAMESPACE.validate_subresource["finalize"](new, old)) == ["spec.finalizers[1] Invalid"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": {"capacity": {"cpu": "1500m", "example.com/gpu": "2"}}}, []),
        ({"status": {"capacity": {"pods": "1500m"}, "allocatable": {"pods": "1"}}}, ["status.capacity.pods Invalid"]),
        ({"status": {"allocatable": {"cpu": "-1"}}}, ["status.allocatable.cpu Invalid"]),
        ({"status": {"declaredFeatures": ["A", "B"]}}, []),
        ({"status": {"declaredFeatures": ["B", "A", "A"]}}, ["status.declaredFeatures[1] Invalid", "status.declaredFeatures[2] Duplicate"]),
        ({"status": {"nodeInfo": {"swap": {"capacity": 0}}}}, ["metadata.nodeSwapStatus.capacity Invalid"]),
        ({"spec": {"podCIDRs": ["10.1.0.0/24", "fd00::/64"]}}, []),
        ({"spec": {"podCIDRs": ["10.1.0.0/24", "10.2.0.0/24"]}}, ["spec.podCIDRs Invalid"]),
        ({"spec": {"podCIDRs": ["10.1.0.1/24"]}}, ["spec.podCIDRs[0] Invalid"]),
    ],
)
def test_what_a_node_says_of_itself(fields: Object, expected: list[str]) -> None:
    assert refusals(NODE, cluster_scoped(**fields)) == expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("status.addresses", [{"type": "InternalIP", "address": "10.0.0.1"}] * 2, ["status.addresses[1] Duplicate"]),
        ("status.capacity", {"pods": "100m"}, ["status.capacity.pods Invalid"]),
        ("spec.externalID", "x", ["spec.externalID Forbidden"]),
        ("spec.providerID", "other", ["spec.providerID Forbidden"]),
    ],
)
def test_a_node_is_held_to_the_same_through_its_status(path: str, value: object, expected: list[str]) -> None:
    old = created(NODE, cluster_scoped(spec={"providerID": "one"}))
    assert brief(NODE.validate_status_update(changed(old, path, value), old)) == expected


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


def selector(*expressions: Object) -> Object:
    return {"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": list(expressions)}}


def test_scopes_may_be_put_in_another_order() -> None:
    old, new = (named(spec={"hard": {"pods": "1"}, "scopes": scopes}) for scopes in (["BestEffort", "Terminating"],) * 2)
    new["spec"]["scopes"].reverse()
    assert update_refusals(RESOURCEQUOTA, old, new) == []
    new["spec"]["scopes"].pop()
    assert update_refusals(RESOURCEQUOTA, old, new) == ["spec.scopes Invalid"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"hard": {"pods": "5", "requests.cpu": "1", "count/deployments.apps": "3"}}, []),
        ({"hard": {"pods": "-1"}}, ["spec.hard[pods] Invalid"]),
        ({"hard": {"pods": "100m"}}, ["spec.hard[pods] Invalid"]),
        ({"hard": {"pods": "1"}, "scopes": ["X"]}, ["spec.scopes Invalid"]),
        ({"hard": {"services": "1"}, "scopes": ["BestEffort"]}, ["spec.scopes Invalid"]),
        ({"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]}, ["spec.scopes Invalid"]),
        ({"hard": {"storage": "1"}}, ["spec.hard[storage] Invalid"]),
        ({"hard": {"requests.example.com/gpu": "1"}}, []),
        (selector({"scopeName": "X", "operator": "Exists"}), ["spec.scopeSelector.matchExpressions.scopeName Invalid"]),
        (
            selector({"scopeName": "BestEffort", "operator": "In"}),
            ["spec.scopeSelector.matchExpressions.operator Invalid", "spec.scopeSelector.matchExpressions.values Required"],
        ),
        (
            selector({"scopeName": "Terminating", "operator": "Exists"}, {"scopeName": "NotTerminating", "operator": "Exists"}),
            ["spec.scopeSelector.matchExpressions Invalid"],
        ),
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
        ({"type": "Pod", "max": {"storage": "1"}}, ["spec.limits[0].max[storage] Invalid"]),
        ({"type": "Pod", "maxLimitRequestRatio": {"cpu": "900m"}}, ["spec.limits[0].maxLimitRequestRatio[cpu] Invalid"]),
        (
            {"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}},
            ["spec.limits[0].maxLimitRequestRatio[cpu] Invalid"],
        ),
        (
            {"type": "Container", "default": {"example.com/gpu": "2"}, "defaultRequest": {"example.com/gpu": "1"}},
            ["spec.limits[0].defaultRequest[example.com/gpu] Invalid"],
        ),
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


@pytest.mark.parametrize(
    ("name", "fields", "why"),
    [
        ("system-mine", {"value": 1}, "system-mine is not a known system priority class"),
        ("system-node-critical", {"value": 1}, "value of system-node-critical PriorityClass must be 2000001000"),
        (
            "system-cluster-critical",
            {"value": 2000000000, "globalDefault": True},
            "globalDefault of system-cluster-critical PriorityClass must be false",
        ),
    ],
)
def test_classes_of_the_system_are_what_they_are(name: str, fields: Object, why: str) -> None:
    (cause,) = PRIORITYCLASS.validate(created(PRIORITYCLASS, cluster_scoped(name, **fields)))
    assert cause.message.endswith(f"error: {why}")


def test_a_priority_is_for_life() -> None:
    assert update_refusals(PRIORITYCLASS, cluster_scoped(value=5), cluster_scoped(value=6)) == ["value Forbidden"]


def test_a_lease_forgets_what_only_a_coordinator_would_read() -> None:
    stated = named(spec={"holderIdentity": "me", "strategy": "OldestEmulationVersion", "preferredHolder": "you"})
    made = created(LEASE, stated)
    assert made["spec"] == {"holderIdentity": "me"}
    assert updated(LEASE, made, stated)["spec"] == {"holderIdentity": "me"}
