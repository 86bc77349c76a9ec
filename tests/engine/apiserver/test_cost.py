"""No body of 100 KB holds the server up, and no answer about one is much longer than the body."""

import time
from typing import Any

import pytest

from pilothouse.client.transport import JSON, MERGE_PATCH, STRATEGIC_PATCH, Call
from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.model.errors import ApiError, Invalid
from pilothouse.model.json import copy, dumps
from pilothouse.model.schema import Catalog, DecodeError
from tests.engine.apiserver.api import CONFIGMAPS, PODS, Api, pod
from tests.engine.apiserver.kinds.objects import NOW
from tests.engine.apiserver.kinds.worst_cases import BYTES, cases

CPU_S = 2.0
"""What a good answer takes some milliseconds for: generous, since the machine may be busy with other things."""
ANSWER_BYTES = 1_000_000

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
}


async def cost(api: Api, call: Call) -> tuple[float, int]:
    """(seconds of this thread, bytes of the answer)."""
    started = time.thread_time()
    try:
        answer = await api.transport.call(call)
    except ApiError as error:
        answer = error.to_status()
    return time.thread_time() - started, len(dumps(answer))


@pytest.mark.parametrize("strictness", ["Warn", "Strict"])
@pytest.mark.parametrize("case", WORST)
async def test_a_bad_body_is_answered_soon_and_shortly(api: Api, case: str, strictness: str) -> None:
    path, body = WORST[case]
    text = dumps(body)
    assert len(text) < 2 * BYTES
    seconds, size = await cost(api, Call("POST", path, (("fieldValidation", strictness),), text, JSON))
    assert seconds < CPU_S
    assert size < ANSWER_BYTES


@pytest.mark.parametrize("media", [MERGE_PATCH, STRATEGIC_PATCH])
async def test_a_long_patch_is_answered_soon(api: Api, media: str) -> None:
    many = [{"name": f"v{n}", "value": "x"} for n in range(2500)]
    await api.post(PODS, pod("p", containers=[{"name": "c", "image": "i", "env": many}]))
    gone = [{"name": f"v{n}", "$patch": "delete"} for n in range(2500)]
    patch = {"spec": {"containers": [{"name": "c", "env": gone}]}, "metadata": {"finalizers": [""] * 10_000}}
    seconds, size = await cost(api, Call("PATCH", f"{PODS}/p", (), patch, media))
    assert seconds < CPU_S
    assert size < ANSWER_BYTES


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in BUILT_IN.items()])
def test_every_list_of_every_kind_may_be_long(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> None:
    schema = Catalog.load(tmp_path_factory.getbasetemp()).schema(kind.definition)
    slow = []
    for path, sort, obj in cases(schema.node):
        started = time.thread_time()
        size = _judged(kind, schema.decode, obj)
        seconds = time.thread_time() - started
        if seconds > CPU_S or size > ANSWER_BYTES:
            slow.append((path, sort, round(seconds, 1), size))
    assert not slow


def _judged(kind: Kind, decode: Any, obj: dict[str, Any]) -> int:
    """Take an object through all that a create and an update do to it before the store; the length of the refusal."""
    try:
        value = decode(obj).value
    except DecodeError:
        return 0
    kind.default(value)
    value["metadata"] |= {"uid": "u", "creationTimestamp": "2026-05-04T11:00:00Z"}
    kind.prepare_create(value, Context(NOW))
    causes = kind.validate(value)
    kind.warnings(value)
    old, new = copy(value), copy(value)
    kind.prepare_update(new, old, Context(NOW))
    more = kind.causes_of_update(new, old)
    return max(len(dumps(Invalid.of("K", "n", found).to_status())) for found in (causes, more))
