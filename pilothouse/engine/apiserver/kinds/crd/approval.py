"""Groups of the Kubernetes project need a note of their review, or of there being none.

Source: apiextensions-apiserver pkg/apihelpers; pkg/controller/apiapproval.
"""

from urllib.parse import urlsplit

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

ANNOTATION = "api-approved.kubernetes.io"
_PROTECTED = ("k8s.io", "kubernetes.io")
_MORE = "see https://github.com/kubernetes/enhancements/pull/1111"
_MISSING = f'protected groups must have approval annotation "{ANNOTATION}", {_MORE}'
_WRONG = f'protected groups must have approval annotation "{ANNOTATION}" with either a URL or a reason starting with "unapproved", {_MORE}'


def is_protected(crd: Object) -> bool:
    group = (crd.get("spec") or {}).get("group") or ""
    return any(group == domain or group.endswith(f".{domain}") for domain in _PROTECTED)


def condition(crd: Object) -> Object:
    """Of a definition in a protected group."""
    reason = _reason(crd)
    note = _note(crd)
    messages = {
        "ApprovedAnnotation": f"approved in {note}",
        "UnapprovedAnnotation": f'not approved: "{note}"',
        "MissingAnnotation": _MISSING,
        "InvalidAnnotation": _WRONG,
    }
    status = "True" if reason == "ApprovedAnnotation" else "False"
    return {"type": "KubernetesAPIApprovalPolicyConformant", "status": status, "reason": reason, "message": messages[reason]}


def validate_approval(crd: Object, old: Object | None) -> list[Cause]:
    """What was wrong before may stay so."""
    if not is_protected(crd) or (old is not None and _reason(crd) == _reason(old)):
        return []
    path = f"metadata.annotations[{ANNOTATION}]"
    match _reason(crd):
        case "MissingAnnotation":
            return [field.required(path, _MISSING)]
        case "InvalidAnnotation":
            return [field.invalid(path, _note(crd), _WRONG)]
    return []


def _note(crd: Object) -> str:
    return (crd["metadata"].get("annotations") or {}).get(ANNOTATION) or ""


def _reason(crd: Object) -> str:
    note = _note(crd)
    if not note:
        return "MissingAnnotation"
    if note.startswith("unapproved"):
        return "UnapprovedAnnotation"
    try:
        parts = urlsplit(note)
    except ValueError:
        return "InvalidAnnotation"
    return "ApprovedAnnotation" if parts.scheme and parts.netloc else "InvalidAnnotation"
