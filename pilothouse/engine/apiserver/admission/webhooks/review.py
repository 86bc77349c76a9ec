"""AdmissionReviews: the question that a webhook is sent, and what may be answered.

Source: k8s.io/api/admission/v1; apiserver/pkg/admission/plugin/webhook/request/admissionreview.go.
"""

import base64
import binascii
import uuid
from dataclasses import dataclass, field
from typing import Any

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.admission.webhooks.hook import Phase
from pilothouse.engine.apiserver.admission.webhooks.selection import Invocation
from pilothouse.engine.apiserver.admission.webhooks.shapes import type_of
from pilothouse.engine.apiserver.webhooks.failures import CallFailed
from pilothouse.model.body import SyntaxProblem, loads_strict
from pilothouse.model.errors import ApiError, echo, shortened
from pilothouse.model.json import Object, dumps
from pilothouse.model.patch import PatchError, check_json_patch
from pilothouse.model.patch.json_patch import MAX_OPERATIONS

GROUP = "admission.k8s.io"
_KIND = "AdmissionReview"
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
_SHOWN_CHARACTERS = 16 * 1024
_DETAILS_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """patch: the operations of a JSON patch, [] for none. status: as the webhook states it."""

    allowed: bool
    status: Object = field(default_factory=dict)
    patch: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)


def request_of(write: Write, invocation: Invocation) -> Object:
    """The request without its objects: what conditions see."""
    is_namespace = write.group_resource == "namespaces"
    found = {
        "uid": str(uuid.uuid4()),
        "kind": type_of(invocation.served, write.subresource).to_dict(),
        "resource": _resource(invocation),
        "subResource": write.subresource,
        "requestKind": type_of(write.served, write.subresource).to_dict(),
        "requestResource": _resource(Invocation(invocation.hook, write.served)),
        "requestSubResource": write.subresource,
        "name": write.name,
        "namespace": write.name if is_namespace else write.namespace,
        "operation": write.operation,
        "userInfo": write.user.to_info(),
        "dryRun": write.dry_run,
        "options": _options(write),
    }
    return {key: value for key, value in found.items() if value != ""}


def _options(write: Write) -> Object | None:
    kind = _OPTIONS.get(write.operation)
    return None if kind is None else {"kind": kind, "apiVersion": "meta.k8s.io/v1", **write.options}


def _resource(invocation: Invocation) -> Object:
    resource = invocation.served.resource
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def review_of(version: str, request: Object, new: Object | None, old: Object | None) -> Object:
    """version: of AdmissionReview."""
    return {"kind": _KIND, "apiVersion": f"{GROUP}/{version}", "request": {**request, "object": new, "oldObject": old}}


def answer_of(review: Any, version: str, uid: str, phase: Phase) -> Answer:
    """Raises CallFailed for what is no answer to the question."""
    if not isinstance(review, dict):
        raise _invalid("it is no object")
    response = review.get("response")
    if response is None:
        raise _invalid("webhook response was absent")
    found = _typed(response, {"allowed": bool, "uid": str, "patch": str, "patchType": str, "status": dict, "warnings": list}, "response")
    if version == "v1":
        _check_identity(review, found.get("uid") or "", uid)
        _check_patch(found, phase)
    annotations = response.get("auditAnnotations") or {}
    if not isinstance(annotations, dict) or not all(isinstance(each, str) for each in annotations.values()):
        raise _invalid("response.auditAnnotations is no map of texts")
    warnings = found.get("warnings") or []
    if not all(isinstance(each, str) for each in warnings):
        raise _invalid("response.warnings is no list of texts")
    status = _typed(found.get("status") or {}, {"code": int, "message": str, "reason": str, "details": dict}, "response.status")
    patch = _operations(found.get("patch") or "") if phase == "admit" else []
    return Answer(found.get("allowed") is True, status, patch, warnings, annotations)


def _typed(value: Any, types: dict[str, type], path: str) -> Object:
    """The known fields that are there. Raises CallFailed for one of another type."""
    if not isinstance(value, dict):
        raise _invalid(f"{path} is no object")
    found: Object = {}
    for name, wanted in types.items():
        stated = value.get(name)
        if stated is None:
            continue
        if not isinstance(stated, wanted) or (wanted is int and isinstance(stated, bool)):
            raise _invalid(f"{path}.{name} is of the wrong type")
        found[name] = stated
    return found


def _check_identity(review: Object, stated: str, uid: str) -> None:
    if stated != uid:
        raise _invalid(f'expected response.uid="{uid}", got "{shortened(stated)}"')
    version, kind = review.get("apiVersion") or "", review.get("kind") or ""
    if (version, kind) != (f"{GROUP}/v1", _KIND):
        shown = version if "/" in str(version) else f"/{version}" if version else "/"
        raise _invalid(f"expected webhook response of {GROUP}/v1, Kind={_KIND}, got {shortened(str(shown))}, Kind={shortened(str(kind))}")


def _check_patch(response: Object, phase: Phase) -> None:
    patch, kind = response.get("patch"), response.get("patchType")
    if phase == "validating":
        for name in ("patch", "patchType"):
            if response.get(name):
                raise _invalid(f"validating webhook may not return response.{name}")
        return
    if patch and kind is None:
        raise _invalid("webhook returned response.patch but not response.patchType")
    if kind is not None and not patch:
        raise _invalid("webhook returned response.patchType but not response.patch")
    if kind == "":
        raise _invalid('webhook returned invalid response.patchType of ""')
    if kind is not None and kind != "JSONPatch":
        raise CallFailed(f'unsupported patch type "{shortened(kind)}"')


def _invalid(why: str) -> CallFailed:
    return CallFailed(f"received invalid webhook response: {why}")


def _operations(encoded: str) -> list[Any]:
    """Raises CallFailed."""
    if not encoded:
        return []
    try:
        found, _ = loads_strict(base64.b64decode(encoded, validate=True))
        check_json_patch(found)
    except (binascii.Error, SyntaxProblem, PatchError) as error:
        raise CallFailed(f"received undecodable patch in webhook response: {error}") from error
    operations: list[Any] = found or []
    if len(operations) > MAX_OPERATIONS:
        raise CallFailed(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}")
    return operations


def denial(name: str, status: Object) -> ApiError:
    """The refusal that a webhook's answer stands for. name: of the webhook."""
    who = f'admission webhook "{name}" denied the request'
    why = (status.get("message") or status.get("reason") or "")[:_SHOWN_CHARACTERS]
    code = status.get("code") or 0
    return ApiError(
        f"{who}: {why}" if why else f"{who} without explanation",
        code=code if 400 <= code < 600 else 400,
        reason=echo(status.get("reason") or ""),
        details=_bounded(status.get("details")),
    )


def _bounded(details: Object | None) -> Object | None:
    """None for details that are too large, or nested too deeply, to be passed on."""
    try:
        return details if details is None or len(dumps(details)) <= _DETAILS_BYTES else None
    except TypeError:
        return None
