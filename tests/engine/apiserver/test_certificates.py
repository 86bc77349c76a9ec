"""CertificateSigningRequests: what may be asked for, who may answer, and what stands for good."""

import time
from base64 import b64encode
from typing import Any

import pytest

from pilothouse.model.certificates import APISERVER_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN
from pilothouse.model.json import Object
from pilothouse.wire.pki import CertificateAuthority
from tests.cpu import takes_under
from tests.csr import CSRS, condition, csr, node_csr, request
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https, grant, rule

GROUP = "certificates.k8s.io"
PEM = request("jane", "team")


def text(pem: bytes) -> str:
    return b64encode(pem).decode()


@pytest.fixture
async def asked(api: Api) -> Object:
    made: Object = await api.post(CSRS, csr("c", PEM))
    return made


async def approve(api: Api, *conditions: Object) -> Any:
    return await api.patch(f"{CSRS}/c/approval", {"status": {"conditions": list(conditions)}})


def status(**fields: Any) -> Object:
    return {"status": fields}


async def test_the_server_writes_who_asks(api: Api, https: Https) -> None:
    await grant(api, "jane", rule("create", "certificatesigningrequests", GROUP))
    claimed: Object = {"username": "root", "groups": ["system:masters"], "uid": "1", "extra": {"a": ["b"]}}
    spec = (await https.certified("jane", "team").post(CSRS, csr("c", PEM, **claimed)))["spec"]
    assert (spec["username"], spec["groups"]) == ("jane", ["team", "system:authenticated"])
    assert "uid" not in spec
    assert "extra" not in spec


async def test_a_request_is_never_born_approved(api: Api) -> None:
    made = await api.post(CSRS, csr("c", PEM) | status(conditions=[condition()], certificate="eHg="))
    assert made["status"] == {}


async def test_what_was_asked_for_does_not_change(api: Api, asked: Object) -> None:
    patched = await api.patch(f"{CSRS}/c", {"spec": {"request": "eHg=", "username": "root"}} | status(certificate="eHg="))
    assert (patched["spec"], patched["status"]) == (asked["spec"], {})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"request": "eHg="}, "spec.request: Invalid value: "),
        ({"request": text(PEM + b"x" * 70_000)}, "bytes: at most 65536 are read"),
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["fly"]}, 'spec.usages[0]: Unsupported value: "fly": supported values: "any", "cert sign"'),
        ({"usages": ["client auth"] * 2}, 'spec.usages[1]: Duplicate value: "client auth"'),
        ({"signerName": ""}, "spec.signerName: Required value"),
        ({"signerName": "nodomain"}, "must be a fully qualified domain and path of the form 'example.com/signer-name'"),
        ({"signerName": "com/a"}, 'spec.signerName: Invalid value: "com": should be a domain with at least two segments'),
        ({"signerName": LEGACY_UNKNOWN}, "the legacy signerName is not allowed via this API version"),
        ({"expirationSeconds": 599}, "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds"),
    ],
)
async def test_a_request_that_nobody_could_answer_is_refused(api: Api, spec: Object, said: str) -> None:
    error = await api.refused("POST", CSRS, csr("c", PEM, **spec))
    assert (error.code, said in error.message) == (422, True), error.message


async def test_a_request_must_prove_that_it_has_its_key(api: Api) -> None:
    forged = PEM.replace(PEM[-80:-60], PEM[-60:-40])
    error = await api.refused("POST", CSRS, csr("c", forged))
    assert (error.code, "spec.request" in error.message) == (422, True)


async def test_an_approval_stands_for_good(api: Api, asked: Object) -> None:
    approved = (await approve(api, condition()))["status"]["conditions"][0]
    assert approved["lastUpdateTime"] == approved["lastTransitionTime"]
    for conditions, said in (
        ((), 'updates may not remove a condition of type "Approved"'),
        ((condition("Denied"),), 'updates may not remove a condition of type "Approved"'),
        ((condition(), condition("Denied")), "Approved and Denied conditions are mutually exclusive"),
        ((condition(status="False"),), 'status.conditions[0].status: Unsupported value: "False": supported values: "True"'),
        ((condition(), condition()), 'status.conditions[1].type: Duplicate value: "Approved"'),
    ):
        error = await api.refused("PATCH", f"{CSRS}/c/approval", status(conditions=list(conditions)), "application/merge-patch+json")
        assert (error.code, said in error.message) == (422, True), error.message


async def test_who_approves_manages_conditions_and_nothing_of_the_request(api: Api, asked: Object) -> None:
    approved = await api.patch(f"{CSRS}/c/approval", {"spec": {"usages": ["any"]}} | status(conditions=[condition()]), fieldManager="head")
    fields = {each.get("manager"): each["fieldsV1"] for each in approved["metadata"]["managedFields"]}["head"]
    assert list(fields) == ["f:status"]


async def test_the_status_neither_approves_nor_changes_an_approval(api: Api, asked: Object) -> None:
    error = await api.refused("PATCH", f"{CSRS}/c/status", status(conditions=[condition()]), "application/merge-patch+json")
    assert 'updates may not add a condition of type "Approved"' in error.message
    stored = (await approve(api, condition()))["status"]["conditions"]
    failed = await api.patch(f"{CSRS}/c/status", status(conditions=[condition(message="other"), condition("Failed")]))
    assert failed["status"]["conditions"][:1] == stored
    assert failed["status"]["conditions"][1]["type"] == "Failed"


async def test_a_certificate_is_set_once_and_by_the_status_alone(api: Api, asked: Object, authority: CertificateAuthority) -> None:
    pem = authority.issue_client("jane").certificate
    assert "certificate" not in (await api.patch(f"{CSRS}/c/approval", status(certificate=text(pem))))["status"]
    await api.patch(f"{CSRS}/c/status", status(certificate=text(b"a note\n" + pem)))
    error = await api.refused("PATCH", f"{CSRS}/c/status", status(certificate=text(pem)), "application/merge-patch+json")
    assert "updates may not modify existing certificate content" in error.message


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (b"xx", "must contain at least one CERTIFICATE PEM block"),
        (PEM, 'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'),
        (b"-----BEGIN CERTIFICATE-----\na: b\n\neHg=\n-----END CERTIFICATE-----\n", "no PEM block headers are permitted"),
        (b"-----BEGIN CERTIFICATE-----\neHg=\n-----END CERTIFICATE-----\n", "the CERTIFICATE PEM block cannot be read"),
    ],
)
async def test_what_is_no_certificate_is_refused(api: Api, asked: Object, pem: bytes, said: str) -> None:
    error = await api.refused("PATCH", f"{CSRS}/c/status", status(certificate=text(pem)), "application/merge-patch+json")
    assert f'status.certificate: Invalid value: "<certificate data>": {said}' in error.message


@pytest.mark.parametrize("line", [b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN CERTIFICATE REQUEST-----\n", b"-" * 40 + b"\n"])
async def test_a_long_text_is_judged_soon(api: Api, asked: Object, line: bytes) -> None:
    pem = text(line * (100_000 // len(line)))
    with takes_under(1.0, time.thread_time):
        await api.refused("PATCH", f"{CSRS}/c/status", status(certificate=pem), "application/merge-patch+json")
        await api.refused("POST", CSRS, csr("d", b"", request=pem))


@pytest.mark.parametrize(
    ("subresource", "verb", "body"),
    [("approval", "approve", status(conditions=[condition()])), ("status", "sign", status(conditions=[condition("Failed")]))],
)
async def test_answering_takes_a_right_to_the_signer(
    api: Api, https: Https, asked: Object, subresource: str, verb: str, body: Object
) -> None:
    updates = rule("patch", f"certificatesigningrequests/{subresource}", GROUP)
    await grant(api, "clerk", updates)
    await grant(api, "deputy", updates, rule(verb, "signers", GROUP) | {"resourceNames": ["other.com/s"]})
    await grant(api, "head", updates, rule(verb, "signers", GROUP) | {"resourceNames": ["example.com/*"]})
    for name in ("clerk", "deputy"):
        error = await https.certified(name).refused("PATCH", f"{CSRS}/c/{subresource}", body, "application/merge-patch+json")
        assert (error.code, f'user not permitted to {verb} requests with signerName "example.com/s"' in error.message) == (403, True)
    assert (await https.certified("head").patch(f"{CSRS}/c/{subresource}", body))["status"]["conditions"]


async def test_nobody_asks_for_a_certificate_of_the_masters(api: Api) -> None:
    error = await api.refused("POST", CSRS, csr("c", request("jane", "system:masters"), APISERVER_CLIENT))
    assert (error.code, "with system:masters group is not allowed" in error.message) == (403, True)


@pytest.mark.parametrize("signer", [KUBELET_SERVING, "kubernetes.io/kube-apiserver-client-kubelet", APISERVER_CLIENT])
async def test_a_node_asks_in_its_own_name(https: Https, signer: str) -> None:
    node = https.certified("system:node:a", "system:nodes")
    error = await node.refused("POST", CSRS, node_csr("c", "b", signerName=signer))
    assert (error.code, "can only create a node CSR with CN=system:node:a" in error.message) == (403, True)
    assert (await node.refused("POST", CSRS, node_csr("c", "b system:node:a", signerName=signer))).code == 403
    assert await node.post(CSRS, node_csr("c", "a", signerName=signer))


async def test_requests_are_found_by_their_signer(api: Api, asked: Object) -> None:
    await api.post(CSRS, csr("d", PEM, "example.com/other"))
    assert await api.names(CSRS, fieldSelector="spec.signerName=example.com/s") == ["c"]
    assert (await api.refused("GET", CSRS, fieldSelector="spec.username=x")).message == "field label not supported: spec.username"
