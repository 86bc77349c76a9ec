"""The status of CertificateSigningRequests: conditions that nobody takes back, and what may stand as a certificate.

Source: pkg/apis/certificates/validation (validateConditions, validateCertificate), pkg/registry/certificates/certificates/strategy.go.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from datetime import datetime

from cryptography import x509

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pem import CERTIFICATE, blocks
from pilothouse.model import meta
from pilothouse.model.certificates import APPROVED, DENIED, TERMINAL, conditions, conditions_of
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_PATH = "status.conditions"
_STATUSES = ("False", "True", "Unknown")


def with_approval_of(obj: Object, old: Object) -> list[Object]:
    """The new conditions, of which Approved and Denied are the stored ones, unless some were added or are missing."""
    kept = {kind: conditions_of(old, kind) for kind in (APPROVED, DENIED)}
    same_number = {kind: iter(stored) for kind, stored in kept.items() if len(stored) == len(conditions_of(obj, kind))}
    found = []
    for condition in conditions(obj):
        stored = same_number.get(condition.get("type") or "")
        found.append(condition if stored is None else next(stored))
    return found


def fill_times(obj: Object, old: Object, now: datetime) -> None:
    """What a client leaves open: updated now; in transition since a condition of that type and status was there first."""
    stamp = meta.rfc3339(now.timestamp())
    filled = [_filled(condition, conditions(old), stamp) for condition in conditions(obj)]
    if filled:
        obj["status"] = obj["status"] | {"conditions": filled}


def _filled(condition: Object, before: list[Object], stamp: str) -> Object:
    filled = condition | {"lastUpdateTime": condition.get("lastUpdateTime") or stamp}
    if not filled.get("lastTransitionTime"):
        same = (each for each in before if (each.get("type"), each.get("status")) == (condition.get("type"), condition.get("status")))
        filled["lastTransitionTime"] = next((each["lastTransitionTime"] for each in same if each.get("lastTransitionTime")), stamp)
    return filled


def validate(obj: Object) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, condition in field.until_enough(causes, enumerate(conditions(obj))):
        kind, path = condition.get("type") or "", f"{_PATH}[{index}]"
        if not kind:
            causes.append(field.required(f"{path}.type"))
        causes += _status(condition, kind, path)
        other = {APPROVED: DENIED, DENIED: APPROVED}.get(kind)
        if other in seen:
            causes.append(field.invalid(f"{path}.type", kind, "Approved and Denied conditions are mutually exclusive"))
        if kind in seen:
            causes.append(field.duplicate(f"{path}.type", kind))
        seen.add(kind)
    return causes


def _status(condition: Object, kind: str, path: str) -> list[Cause]:
    status = condition.get("status") or ""
    allowed = ("True",) if kind in TERMINAL else _STATUSES
    if not status:
        return [field.required(f"{path}.status")]
    return [] if status in allowed else [field.not_supported(f"{path}.status", status, allowed)]


def not_removed(obj: Object, old: Object) -> list[Cause]:
    gone = [kind for kind in TERMINAL if len(conditions_of(obj, kind)) < len(conditions_of(old, kind))]
    return [field.forbidden(_PATH, f'updates may not remove a condition of type "{kind}"') for kind in gone]


def no_approval(obj: Object, old: Object) -> list[Cause]:
    """Of a write that may not approve: what is there already is the stored one (`with_approval_of`)."""
    added = [kind for kind in (APPROVED, DENIED) if len(conditions_of(obj, kind)) > len(conditions_of(old, kind))]
    return [field.forbidden(_PATH, f'updates may not add a condition of type "{kind}"') for kind in added]


def validate_certificate(text: bytes) -> list[Cause]:
    """Nothing, or CERTIFICATE blocks without headers; text around them is allowed, as PEM allows it."""
    why = _why_not(text) if text else ""
    return [field.invalid("status.certificate", "<certificate data>", why)] if why else []


def _why_not(text: bytes) -> str:
    is_empty = True
    for kind, body in blocks(text.decode("utf-8", "replace")):
        is_empty = False
        if kind != CERTIFICATE:
            return f"only CERTIFICATE PEM blocks are allowed, found {field.shown(kind)}"
        if ":" in body:
            return "no PEM block headers are permitted"
        if why := _why_no_certificate(body):
            return why
    return "must contain at least one CERTIFICATE PEM block" if is_empty else ""


def _why_no_certificate(body: str) -> str:
    try:
        x509.load_der_x509_certificate(b64decode(body))
    except (Base64Error, ValueError) as error:
        return f"the CERTIFICATE PEM block cannot be read: {str(error)[:200]}"
    return ""
