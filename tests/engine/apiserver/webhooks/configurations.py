"""Configurations of webhooks, and the answers that webhooks give."""

import base64
from typing import Any

from pilothouse.model.json import Object, dumps
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.webhooks.listener import Listener

MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


def rule(resources: str, operations: str = "CREATE", *, group: str = "", version: str = "v1", scope: str = "*") -> Object:
    """Words separated by blanks."""
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": resources.split(),
        "operations": operations.split(),
        "scope": scope,
    }


def hook(listener: Listener, rules: Object | str = "configmaps", name: str = "a.example.com", **more: Any) -> Object:
    return {
        "name": name,
        "clientConfig": listener.config(),
        "rules": [rule(rules) if isinstance(rules, str) else rules],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        **more,
    }


async def register(api: Api, path: str, *hooks: Object, name: str = "it") -> None:
    await api.post(path, {"metadata": {"name": name, "labels": {"made-by": "test"}}, "webhooks": list(hooks)})


def answer(review: Object, *, allowed: bool = True, **response: Any) -> Object:
    """An AdmissionReview that answers another."""
    told = {"uid": review["request"]["uid"], "allowed": allowed, **response}
    return {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": told}


def denial(review: Object, message: str = "", **status: Any) -> Object:
    return answer(review, allowed=False, status={"message": message, **status})


def patch(review: Object, *operations: Object, **response: Any) -> Object:
    encoded = base64.b64encode(dumps(list(operations))).decode()
    return answer(review, patchType="JSONPatch", patch=encoded, **response)


def add(path: str, value: Any) -> Object:
    return {"op": "add", "path": path, "value": value}
