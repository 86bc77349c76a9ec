"""Questions to the authorizer: what they have to say, and that all that is wrong with them is told at once."""

import pytest

from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api

ROOT = "/apis/authorization.k8s.io/v1"
LOCAL, SELF = f"{ROOT}/namespaces/default/localsubjectaccessreviews", f"{ROOT}/selfsubjectaccessreviews"
RESOURCE = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
PATH = {"nonResourceAttributes": {"verb": "get", "path": "/"}}
JANE = {"user": "jane"}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (f"{ROOT}/subjectaccessreviews", {"spec": RESOURCE | PATH}, ["spec.nonResourceAttributes", "spec.user"]),
        (f"{ROOT}/subjectaccessreviews", {}, ["spec.resourceAttributes", "spec.user"]),
        (f"{ROOT}/subjectaccessreviews", {"metadata": {"name": "a"}, "spec": JANE | RESOURCE}, ["metadata"]),
        (SELF, {"metadata": {"labels": {"a": "b"}}}, ["spec.resourceAttributes", "metadata"]),
        (LOCAL, {"metadata": {"name": "a"}, "spec": JANE | PATH}, ["metadata", "spec.nonResourceAttributes"]),
        (LOCAL, {"spec": JANE | {"resourceAttributes": {"namespace": "other"}}}, ["spec.resourceAttributes.namespace"]),
    ],
)
async def test_all_that_is_wrong_with_a_question_is_told(api: Api, path: str, body: Object, expected: list[str]) -> None:
    refusal = await api.refused("POST", path, body)
    assert [cause["field"] for cause in (refusal.details or {})["causes"]] == expected


@pytest.mark.parametrize(
    ("path", "spec"),
    [(f"{ROOT}/subjectaccessreviews", JANE | PATH), (SELF, RESOURCE), (LOCAL, {"groups": ["g"]} | RESOURCE)],
)
async def test_a_question_is_answered(api: Api, path: str, spec: Object) -> None:
    assert "allowed" in (await api.post(path, {"metadata": {"creationTimestamp": None}, "spec": spec}))["status"]
