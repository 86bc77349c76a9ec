"""CSIDrivers: what the cluster has to do for the volumes of a driver, and what it can leave.

Source: pkg/apis/storage/validation, pkg/apis/storage/v1/defaults.go, pkg/registry/storage/csidriver.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.engine.apiserver.kinds.printers import csi as printer
from pilothouse.model import csi, kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

FS_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLE_MODES = ("Persistent", "Ephemeral")
_TOKEN_MIN_S, _TOKEN_MAX_S = 600, 2**32
_UPDATE_PERIOD_MIN_S = 10
_GATED = "preventPodSchedulingIfMissing"
"""Of a feature that 1.36 does not have unless it is told to: it takes this out of what is written."""
_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for name, value in _DEFAULTS.items():
        strategy.fill(spec, name, value)
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


_update = strategy.update()


def _prepare_create(obj: Object, context: Context) -> None:
    (obj.get("spec") or {}).pop(_GATED, None)


def _prepare_update(obj: Object, old: Object, context: Context) -> None:
    _prepare_create(obj, context)
    _update(obj, old, context)


def _validate(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain, namespaced=False)
    return causes + _sidecars(obj) + _spec(obj.get("spec") or {})


def _sidecars(obj: Object) -> list[Cause]:
    """What the platform is asked to do for the driver."""
    stated = ((obj.get("metadata") or {}).get("annotations") or {}).get(csi.SIDECARS)
    known = (csi.EVERY_PART, *csi.PARTS)
    causes: list[Cause] = []
    for word in field.until_enough(causes, [] if stated is None else stated.split(",")):
        causes += field.none_or_one_of(f"metadata.annotations[{csi.SIDECARS}]", word.strip(), known)
    return causes


def _spec(spec: Object) -> list[Cause]:
    causes = field.none_or_one_of("spec.fsGroupPolicy", spec.get("fsGroupPolicy"), FS_GROUP_POLICIES)
    causes += _token_requests(spec.get("tokenRequests") or [])
    for mode in field.until_enough(causes, spec.get("volumeLifecycleModes") or ()):
        causes += field.none_or_one_of("spec.volumeLifecycleModes", mode, LIFECYCLE_MODES)
    period_s = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period_s is not None and period_s < _UPDATE_PERIOD_MIN_S:
        detail = f"must be greater than or equal to {_UPDATE_PERIOD_MIN_S} seconds"
        causes.append(field.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period_s, detail))
    in_secrets = spec.get("serviceAccountTokenInSecrets")
    if in_secrets is not None and not spec.get("tokenRequests"):
        detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        causes.append(field.invalid("spec.serviceAccountTokenInSecrets", in_secrets, detail))
    return causes


def _token_requests(requests: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    audiences = field.Unique()
    for index, request in field.until_enough(causes, enumerate(requests)):
        path = f"spec.tokenRequests[{index}]"
        if repeated := audiences.check(f"{path}.audience", request.get("audience") or ""):
            causes += repeated
            continue
        lifetime_s = request.get("expirationSeconds")
        if lifetime_s is not None and lifetime_s < _TOKEN_MIN_S:
            causes.append(field.invalid(f"{path}.expirationSeconds", lifetime_s, "may not specify a duration less than 10 minutes"))
        if lifetime_s is not None and lifetime_s > _TOKEN_MAX_S:
            causes.append(field.invalid(f"{path}.expirationSeconds", lifetime_s, "may not specify a duration larger than 2^32 seconds"))
    return causes


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    causes = metadata.validate_update(obj, old) + _sidecars(obj) + _spec(spec)
    # Upstream writes the path with this slip.
    causes += field.immutable("spec.attachedRequired", spec.get("attachRequired"), before.get("attachRequired"))
    modes = "volumeLifecycleModes"
    return causes + field.immutable(f"spec.{modes}", spec.get(modes), before.get(modes))


def _warnings(obj: Object) -> list[str]:
    spec = obj.get("spec") or {}
    if not spec.get("tokenRequests") or spec.get("serviceAccountTokenInSecrets") is not None:
        return []
    way_out = "if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes"
    return [f"spec.serviceAccountTokenInSecrets is unset; {way_out}"]


CSIDRIVER = Kind(
    kinds.CSIDRIVERS,
    "io.k8s.api.storage.v1.CSIDriver",
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
    validate_update=_validate_update,
    warnings=_warnings,
    columns=printer.DRIVER_COLUMNS,
    cells=printer.driver_cells,
    unconditional_update=False,
    returns_object_on_delete=True,
)
