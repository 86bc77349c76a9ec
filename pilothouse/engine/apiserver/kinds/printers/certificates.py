"""CertificateSigningRequests in a Table."""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column
from pilothouse.engine.apiserver.kinds.printers.text import AGE_COLUMN, NONE, age, duration, name
from pilothouse.model.certificates import APPROVED, DENIED, FAILED, has
from pilothouse.model.json import Object

CSR_COLUMNS = (
    NAME_COLUMN,
    AGE_COLUMN,
    Column("SignerName", "Who is asked to sign."),
    Column("Requestor", "Who asks."),
    Column("RequestedDuration", "How long the certificate is to be valid."),
    Column("Condition", "What has become of the request."),
)


def csr_cells(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    return [
        name(obj),
        age(obj, now),
        spec.get("signerName") or NONE,
        spec.get("username") or "",
        NONE if seconds is None else duration(seconds),
        _condition(obj),
    ]


def _condition(obj: Object) -> str:
    said = ["Denied" if has(obj, DENIED) else "Approved" if has(obj, APPROVED) else "Pending"]
    said += ["Failed"] if has(obj, FAILED) else []
    said += ["Issued"] if (obj.get("status") or {}).get("certificate") else []
    return ",".join(said)
