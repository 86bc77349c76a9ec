"""Requests for certificates are approved by rights, signed by rules, and cleaned up."""

from base64 import b64decode

import pytest
from cryptography import x509

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.certificates.cleaner import end_of
from pilothouse.engine.controllers.certificates.rules import SIGNERS, lifetime_s
from pilothouse.model.certificates import APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING
from pilothouse.model.json import Object
from pilothouse.model.kinds import CERTIFICATESIGNINGREQUESTS, CLUSTERROLEBINDINGS, NODES
from pilothouse.wire import certificate_request
from tests.csr import CLIENT, SERVER, condition, csr, node_csr, request
from tests.engine.controllers.conftest import Cluster
from tests.people import client_of, node, person

CREATED = "2026-01-01T00:00:00Z"
CREATED_S = 1767225600.0
PREFIX = "system:certificates.k8s.io:certificatesigningrequests"


async def bind(cluster: Cluster, group: str, role: str) -> None:
    subject = {"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": role, "apiGroup": "rbac.authorization.k8s.io"}
    await cluster.create(CLUSTERROLEBINDINGS, {"metadata": {"name": f"{group}-{role}"}, "subjects": [subject], "roleRef": reference})


def issued(obj: Object) -> x509.Certificate:
    return x509.load_pem_x509_certificate(b64decode(obj["status"]["certificate"]))


async def until_issued(cluster: Cluster, name: str) -> Object:
    return await cluster.until_one(CERTIFICATESIGNINGREQUESTS, name, lambda each: (each.get("status") or {}).get("certificate"))


async def approve(cluster: Cluster, name: str) -> None:
    status = {"status": {"conditions": [condition()]}}
    await cluster.client.patch(CERTIFICATESIGNINGREQUESTS, name, status, subresource="approval")


async def all_looked_at(server: ApiServer, cluster: Cluster) -> None:
    """Returns when all requests so far have been looked at: one after another, and this one's is approved."""
    for role in ("system:node-bootstrapper", f"{PREFIX}:nodeclient"):
        await bind(cluster, "last", role)
    await client_of(server, person("last", "last")).create(CERTIFICATESIGNINGREQUESTS, node_csr("last", "last"))
    await until_issued(cluster, "last")


async def test_a_first_certificate_of_a_node_takes_the_right_to_it(server: ApiServer, cluster: Cluster) -> None:
    await bind(cluster, "joiners", "system:node-bootstrapper")
    joiner = client_of(server, person("joiner", "joiners"))
    await joiner.create(CERTIFICATESIGNINGREQUESTS, node_csr("early", "n"))
    await all_looked_at(server, cluster)
    await bind(cluster, "joiners", f"{PREFIX}:nodeclient")
    await joiner.create(CERTIFICATESIGNINGREQUESTS, node_csr("late", "n", expirationSeconds=3600))
    found = await until_issued(cluster, "late")
    assert [each["reason"] for each in found["status"]["conditions"]] == ["AutoApproved"]
    assert (issued(found).not_valid_after_utc - issued(found).not_valid_before_utc).total_seconds() == 3900
    assert "conditions" not in (await joiner.get(CERTIFICATESIGNINGREQUESTS, "early"))["status"]


async def test_a_node_that_is_there_is_not_replaced_by_whoever_has_a_bootstrap_token(server: ApiServer, cluster: Cluster) -> None:
    await bind(cluster, "joiners", "system:node-bootstrapper")
    await bind(cluster, "joiners", f"{PREFIX}:nodeclient")
    joiner = client_of(server, person("joiner", "joiners"))
    await cluster.create(NODES, {"metadata": {"name": "n"}})
    await joiner.create(CERTIFICATESIGNINGREQUESTS, node_csr("taken", "n"))
    await joiner.create(CERTIFICATESIGNINGREQUESTS, node_csr("free", "m"))
    await until_issued(cluster, "free")
    assert "conditions" not in (await joiner.get(CERTIFICATESIGNINGREQUESTS, "taken"))["status"]


async def test_a_node_renews_its_own_certificate(server: ApiServer, cluster: Cluster) -> None:
    await bind(cluster, "system:nodes", f"{PREFIX}:selfnodeclient")
    await cluster.create(NODES, {"metadata": {"name": "n"}})
    await client_of(server, node("n")).create(CERTIFICATESIGNINGREQUESTS, node_csr("own", "n"))
    assert issued(await until_issued(cluster, "own")).subject.rfc4514_string() == "CN=system:node:n,O=system:nodes"


async def test_a_node_that_was_removed_does_not_go_on_unseen_with_its_certificate(server: ApiServer, cluster: Cluster) -> None:
    await bind(cluster, "system:nodes", f"{PREFIX}:selfnodeclient")
    removed = client_of(server, node("gone"))
    await removed.create(CERTIFICATESIGNINGREQUESTS, node_csr("renewed", "gone"))
    await cluster.create(NODES, {"metadata": {"name": "n"}})
    await client_of(server, node("n")).create(CERTIFICATESIGNINGREQUESTS, node_csr("own", "n"))
    await until_issued(cluster, "own")
    assert "conditions" not in (await removed.get(CERTIFICATESIGNINGREQUESTS, "renewed"))["status"]
    await removed.create(NODES, {"metadata": {"name": "gone"}})
    await until_issued(cluster, "renewed")


async def test_what_a_person_approves_is_signed_with_what_was_asked_for(cluster: Cluster) -> None:
    pem = request("system:node:n", "system:nodes", dns="n.local", ip="10.0.0.1")
    await cluster.create(CERTIFICATESIGNINGREQUESTS, csr("serving", pem, KUBELET_SERVING, SERVER))
    await approve(cluster, "serving")
    certificate = issued(await until_issued(cluster, "serving"))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each.value) for each in names] == ["n.local", "10.0.0.1"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


async def test_an_approved_request_against_its_signers_rules_has_failed(cluster: Cluster) -> None:
    await cluster.create(CERTIFICATESIGNINGREQUESTS, csr("odd", request("jane"), KUBELET_SERVING, SERVER))
    await approve(cluster, "odd")
    found = await cluster.until_one(CERTIFICATESIGNINGREQUESTS, "odd", lambda each: len(each["status"].get("conditions", ())) == 2)
    failed = found["status"]["conditions"][1]
    assert (failed["type"], failed["reason"], failed["message"]) == (
        "Failed",
        "SignerValidationFailure",
        "subject organization is not system:nodes",
    )


@pytest.mark.parametrize(
    ("signer", "pem", "usages", "why"),
    [
        (APISERVER_CLIENT, request("jane"), CLIENT, ""),
        (APISERVER_CLIENT, request("jane"), SERVER, "invalid usage for client certificate: server auth"),
        (APISERVER_CLIENT, request("jane"), CLIENT[:1], "missing required usage for client certificate: client auth"),
        (APISERVER_CLIENT, request("jane root"), CLIENT, "the subject must have one common name, the user's"),
        (KUBELET_CLIENT, request("system:node:n system:node:m", "system:nodes"), CLIENT, "subject common name does not begin with"),
        (KUBELET_CLIENT, request("system:node:n", "system:nodes"), (*CLIENT, "key encipherment"), ""),
        (KUBELET_CLIENT, request("system:node:n", "system:nodes", "more"), CLIENT, "subject organization is not system:nodes"),
        (KUBELET_CLIENT, request("system:node:n", "system:nodes", dns="n"), CLIENT, "DNS subjectAltNames are not allowed"),
        (KUBELET_CLIENT, request("jane", "system:nodes"), CLIENT, "subject common name does not begin with system:node:"),
        (KUBELET_CLIENT, request("system:node:n", "system:nodes"), SERVER, "usages did not match"),
        (KUBELET_SERVING, request("system:node:n", "system:nodes", ip="::1"), SERVER, ""),
        (KUBELET_SERVING, request("system:node:n", "system:nodes"), SERVER, "at least one DNS or IP subjectAltName is required"),
        (KUBELET_SERVING, request("system:node:n", "system:nodes", dns="n"), CLIENT, "usages did not match"),
    ],
)
def test_each_signer_signs_its_own_kind_of_certificates(signer: str, pem: bytes, usages: tuple[str, ...], why: str) -> None:
    said = SIGNERS[signer](certificate_request.parse(pem), usages)
    assert said.startswith(why) if why else not said


def test_a_certificate_lasts_ten_minutes_to_a_year() -> None:
    assert [lifetime_s(asked) for asked in (None, 1, 700, 1 << 30)] == [31536000, 600, 700, 31536000]


@pytest.mark.parametrize(
    ("conditions", "left_h"),
    [([], 24), (["Approved"], 24), (["Denied"], 1), (["Approved", "Failed"], 1)],
)
def test_a_request_stays_a_day_and_an_answer_an_hour(conditions: list[str], left_h: int) -> None:
    found = csr("c", b"") | {"status": {"conditions": [condition(kind, lastUpdateTime=CREATED) for kind in conditions]}}
    found["metadata"]["creationTimestamp"] = CREATED
    assert end_of(found) == CREATED_S + left_h * 3600


async def test_what_nobody_needs_any_more_is_deleted(cluster: Cluster) -> None:
    await cluster.create(CERTIFICATESIGNINGREQUESTS, csr("old", request("jane")))
    status = {"status": {"conditions": [condition("Denied", lastUpdateTime=CREATED)]}}
    await cluster.client.patch(CERTIFICATESIGNINGREQUESTS, "old", status, subresource="approval")
    await cluster.until(CERTIFICATESIGNINGREQUESTS, lambda items: not items, "the request to go", None)
