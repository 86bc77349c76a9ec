"""CertificateSigningRequests: who asks for which certificate from whom, and what has become of it.

The request itself never changes; who asks is written by the server. `approval` writes conditions, `status` writes the certificate and
other conditions than Approved and Denied.
Source: pkg/registry/certificates/certificates/strategy.go, pkg/apis/certificates/validation.
"""

from pilothouse.engine.apiserver.kinds import certificate_conditions as conditions
from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import DEAR, UNSUPPORTED_LABEL, Context, Kind
from pilothouse.engine.apiserver.kinds.printers import certificates as printer
from pilothouse.engine.apiserver.kinds.signer_names import validate_signer
from pilothouse.model import kinds, names
from pilothouse.model.certificates import LEGACY_UNKNOWN, SHORTEST_S, certificate_of, request_of
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.wire import certificate_request
from pilothouse.wire.certificate_request import BadRequestError

USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
_REQUESTER = ("username", "uid", "groups", "extra")


def _create(obj: Object, context: Context) -> None:
    """Whoever asks cannot say that it is somebody else."""
    spec = obj.get("spec") or {}
    asked = {key: value for key, value in spec.items() if key not in _REQUESTER}
    obj["spec"] = asked | context.user.to_info()
    obj["status"] = {}


def _update(obj: Object, old: Object, context: Context) -> None:
    strategy.keep_owned(obj, old)
    obj["spec"] = old["spec"]
    before = old.get("status") or {}
    if context.subresource == "approval":
        obj["status"] = _with(obj, certificate=before.get("certificate"))
    elif context.subresource != "status":
        obj["status"] = before
        return
    else:
        obj["status"] = _with(obj, conditions=conditions.with_approval_of(obj, old))
    conditions.fill_times(obj, old, context.now)


def _with(obj: Object, **fields: object) -> Object:
    """The status with these fields; one that is empty is left out."""
    return {key: value for key, value in ((obj.get("status") or {}) | fields).items() if value}


def _validate(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.path_segment, namespaced=False)
    spec = obj.get("spec") or {}
    return causes + _request(obj) + _usages(spec.get("usages") or []) + _signer(spec) + _expiration(spec.get("expirationSeconds"))


def _request(obj: Object) -> list[Cause]:
    try:
        certificate_request.parse(request_of(obj))
    except BadRequestError as error:
        return [field.invalid("spec.request", (obj.get("spec") or {}).get("request") or "", str(error))]
    return []


def _usages(usages: list[str]) -> list[Cause]:
    causes = [] if usages else [field.required("spec.usages")]
    for index, usage in field.until_enough(causes, enumerate(usages)):
        if usage not in USAGES:
            causes.append(field.not_supported(f"spec.usages[{index}]", usage, USAGES))
    seen: set[str] = set()
    for index, usage in field.until_enough(causes, enumerate(usages)):
        if usage in seen:
            causes.append(field.duplicate(f"spec.usages[{index}]", usage))
        seen.add(usage)
    return causes


def _signer(spec: Object) -> list[Cause]:
    name = spec.get("signerName") or ""
    if name == LEGACY_UNKNOWN:
        return [field.invalid("spec.signerName", name, "the legacy signerName is not allowed via this API version")]
    return validate_signer(name, "spec.signerName")


def _expiration(seconds: int | None) -> list[Cause]:
    if seconds is None or seconds >= SHORTEST_S:
        return []
    return [field.invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 600 seconds (10 minutes)")]


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    """Neither spec nor status has changed: they are the stored ones."""
    return metadata.validate_update(obj, old)


def _validate_approval(obj: Object, old: Object) -> list[Cause]:
    return conditions.validate(obj) + conditions.not_removed(obj, old) + metadata.validate_update(obj, old)


def _validate_status(obj: Object, old: Object) -> list[Cause]:
    causes = conditions.validate(obj) + conditions.validate_certificate(certificate_of(obj))
    causes += conditions.not_removed(obj, old) + conditions.no_approval(obj, old)
    before = certificate_of(old)
    if before and certificate_of(obj) != before:
        causes.append(field.forbidden("status.certificate", "updates may not modify existing certificate content"))
    return causes + metadata.validate_update(obj, old)


def _fields(obj: Object) -> dict[str, str]:
    return {"metadata.name": obj["metadata"].get("name") or "", "spec.signerName": (obj.get("spec") or {}).get("signerName") or ""}


CERTIFICATESIGNINGREQUEST = Kind(
    kinds.CERTIFICATESIGNINGREQUESTS,
    "io.k8s.api.certificates.v1.CertificateSigningRequest",
    prepare_create=_create,
    prepare_update=_update,
    validate=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status,
    validate_subresource={"approval": _validate_approval},
    columns=printer.CSR_COLUMNS,
    cells=printer.csr_cells,
    selectable=_fields,
    selectable_fields=frozenset(_fields({"metadata": {}})),
    selector_refusal=UNSUPPORTED_LABEL,
    breadth=DEAR,
)
