"""The budget of a request (see `test_bodies`) for bodies that have once been dear, each for a reason of its own."""

from typing import Any

import pytest

from pilothouse.client.transport import JSON, MERGE_PATCH, STRATEGIC_PATCH, Call
from pilothouse.model.json import dumps
from tests.engine.apiserver.api import CONFIGMAPS, PODS, Api, pod
from tests.engine.apiserver.budget.measure import cost_of
from tests.engine.apiserver.budget.worst_cases import BYTES

JOBS = "/apis/batch/v1/namespaces/default/jobs"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
OWNER = {"apiVersion": "v1", "kind": "A", "name": "a", "uid": "a", "controller": True}
LONG_KEY = "k" * (BYTES // 2)


def exit_codes() -> dict[str, Any]:
    rule = {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1] * (BYTES // 2)}}
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": "j"}, "spec": {"podFailurePolicy": {"rules": [rule]}, "template": template}}


def quota() -> dict[str, Any]:
    scopes = ["Terminating"] * 3000
    return {
        "metadata": {"name": "q"},
        "spec": {"scopes": scopes, "hard": {f"requests.hugepages-{n}Mi": "1" for n in range(1500)} | {"secrets": "1"}},
    }


def claims() -> dict[str, Any]:
    names = [{"name": f"c{n}", "resourceClaimName": "r"} for n in range(1000)]
    asked = [{"name": f"x{n}"} for n in range(2500)]
    return pod("p", resourceClaims=names, containers=[{"name": "c", "image": "i", "resources": {"claims": asked}}])


def deep_unknown() -> dict[str, Any]:
    inner = {"type": "object", **{f"u{n}": 1 for n in range(5000)}}
    schema = {"type": "object", "properties": {LONG_KEY: inner}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": "things.example.com"}, "spec": spec}


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WORST: dict[str, tuple[str, dict[str, Any]]] = {
    "unknown fields": (REVIEWS, {"spec": {}} | {f"u{n}": n for n in range(9000)}),
    "owners": (CONFIGMAPS, {"metadata": {"name": "a", "ownerReferences": [OWNER] * 1200}}),
    "finalizers": (CONFIGMAPS, {"metadata": {"name": "a", "finalizers": [""] * 33_000}}),
    "labels": (CONFIGMAPS, {"metadata": {"name": "a", "labels": {f"!{n}": "!" for n in range(8000)}}}),
    "a long name": (CONFIGMAPS, {"metadata": {"name": "A" * BYTES}}),
    "families": ("/api/v1/namespaces/default/services", {"metadata": {"name": "s"}, "spec": {"ipFamilies": ["x"] * 25_000}}),
    "exit codes": (JOBS, exit_codes()),
    "scopes": ("/api/v1/namespaces/default/resourcequotas", quota()),
    "claims": (PODS, claims()),
    "containers": (PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{}] * 30_000}}),
    "digits": (PODS, pod("p", containers=[{"name": "c", "image": "i", "resources": {"limits": {"cpu": "9" * BYTES}}}])),
    "unknown fields far down": (CRDS, deep_unknown()),
    "versions": (CRDS, {"metadata": {"name": "things.example.com"}, "spec": {"versions": [{}] * 25_000}}),
}


@pytest.mark.parametrize("strictness", ["Warn", "Strict"])
@pytest.mark.parametrize("case", WORST)
async def test_a_bad_body_is_answered_soon_and_shortly(api: Api, case: str, strictness: str) -> None:
    path, body = WORST[case]
    text = dumps(body)
    assert len(text) < 2 * BYTES
    found = await cost_of(api, Call("POST", path, (("fieldValidation", strictness),), text, JSON))
    assert found.is_within, str(found)


@pytest.mark.parametrize("media", [MERGE_PATCH, STRATEGIC_PATCH])
async def test_a_long_patch_is_answered_soon(api: Api, media: str) -> None:
    many = [{"name": f"v{n}", "value": "x"} for n in range(2500)]
    await api.post(PODS, pod("p", containers=[{"name": "c", "image": "i", "env": many}]))
    gone = [{"name": f"v{n}", "$patch": "delete"} for n in range(2500)]
    patch = {"spec": {"containers": [{"name": "c", "env": gone}]}, "metadata": {"finalizers": [""] * 10_000}}
    found = await cost_of(api, Call("PATCH", f"{PODS}/p", (), dumps(patch), media))
    assert found.is_within, str(found)
