"""What the status of a pod may say, and how it may change. Source: pkg/apis/core/validation (ValidatePodStatusUpdate)."""

from collections.abc import Sequence

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.addresses import validate_address
from pilothouse.engine.apiserver.kinds.pod_validation.restarts import RESTART_POLICIES
from pilothouse.engine.apiserver.kinds.pod_validation.visit import containers
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
_STATUSES = {"containerStatuses": "containers", "initContainerStatuses": "initContainers", "ephemeralContainerStatuses": ""}
"""By list of statuses the list of containers they are of; ephemeral ones never run twice."""
_ONE_A_FAMILY = "may specify no more than one IP for each IP family"


def validate_status(new: Object, old: Object) -> list[Cause]:
    status, before, spec = new.get("status") or {}, old.get("status") or {}, old.get("spec") or {}
    causes = _conditions(status.get("conditions") or [])
    if ((new.get("spec") or {}).get("nodeName") or "") != (spec.get("nodeName") or ""):
        causes.append(field.forbidden("status.nodeName", "may not be changed directly"))
    causes += _nominated(status.get("nominatedNodeName") or "", before.get("nominatedNodeName") or "", spec)
    if (generation := status.get("observedGeneration") or 0) < 0:
        causes.append(field.invalid("status.observedGeneration", generation, "must be a non-negative integer"))
    causes += field.immutable("status.qosClass", status.get("qosClass") or "", before.get("qosClass") or "")
    for kind in field.until_enough(causes, _STATUSES):
        causes += _transitions(status.get(kind) or [], before.get(kind) or [], spec, kind)
    causes += _claims(status.get("resourceClaimStatuses") or [], spec)
    causes += _addresses(status.get("podIPs") or [], "status.podIPs") + _host_addresses(status)
    return causes + _container_statuses(status, spec)


def _conditions(conditions: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    for i, condition in field.until_enough(causes, enumerate(conditions)):
        here, kind = f"status.conditions[{i}]", condition.get("type") or ""
        if (generation := condition.get("observedGeneration") or 0) < 0:
            causes.append(field.invalid(f"{here}.observedGeneration", generation, "must be a non-negative integer"))
        if kind not in _SYSTEM_CONDITIONS:
            causes += field.each_invalid(f"{here}.Type", kind, names.qualified_name(kind))
    return causes


def _nominated(node: str, before: str, spec: Object) -> list[Cause]:
    if not node or node == before:
        return []
    causes = field.each_invalid("status.nominatedNodeName", node, names.dns1123_subdomain(node))
    if spec.get("nodeName"):
        causes.append(field.forbidden("status.nominatedNodeName", "may not be set on pods that are already bound to a node"))
    return causes


def _transitions(statuses: list[Object], before: list[Object], spec: Object, kind: str) -> list[Cause]:
    """A container that ended for good does not run again. The place is that in the old list, as upstream counts."""
    going_on = {status.get("name") for status in reversed(statuses) if not (status.get("state") or {}).get("terminated")}
    causes: list[Cause] = []
    for i, status in field.until_enough(causes, enumerate(before)):
        ended = (status.get("state") or {}).get("terminated")
        if ended is None or status.get("name") not in going_on:
            continue
        if not _may_restart(status.get("name") or "", ended.get("exitCode") or 0, spec, _STATUSES[kind]):
            causes.append(field.forbidden(f"status.{kind}[{i}].state", "may not be transitioned to non-terminated state"))
    return causes


def _may_restart(name: str, exit_code: int, spec: Object, kind: str) -> bool:
    if not kind:
        return False
    if any(
        rule.get("action") == "RestartAllContainers" for each, _ in containers(spec, "") for rule in each.get("restartPolicyRules") or ()
    ):
        return True
    container = next((each for each in spec.get(kind) or () if each.get("name") == name), None)
    if container is None:
        return False
    own = container.get("restartPolicy")
    if own is not None and any(_applies(rule, exit_code) for rule in container.get("restartPolicyRules") or ()):
        return True
    policy = own if own in RESTART_POLICIES else spec.get("restartPolicy")
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _applies(rule: Object, exit_code: int) -> bool:
    codes = rule.get("exitCodes")
    if codes is None or rule.get("action") != "Restart":
        return False
    is_listed = exit_code in (codes.get("values") or ())
    return is_listed if codes.get("operator") == "In" else not is_listed


def _claims(statuses: list[Object], spec: Object) -> list[Cause]:
    known = {claim.get("name") for claim in spec.get("resourceClaims") or ()}
    causes: list[Cause] = []
    unique = field.Unique()
    for i, status in field.until_enough(causes, enumerate(statuses)):
        here, name = f"status.resourceClaimStatuses[{i}]", status.get("name") or ""
        if name not in known:
            causes.append(field.invalid(f"{here}.name", name, "must match the name of an entry in `spec.resourceClaims`"))
        causes += unique.check(f"{here}.name", name)
        if (claim := status.get("resourceClaimName")) is not None:
            causes += field.each_invalid(f"{here}.resourceClaimName", claim, names.dns1123_subdomain(claim))
    return causes


def _addresses(entries: Sequence[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    addresses = [entry.get("ip") or "" for entry in entries]
    for i, address in field.until_enough(causes, enumerate(addresses)):
        causes += validate_address(address, f"{path}[{i}]")
    families = {":" in address for address in addresses}
    if len(addresses) > 2 or (len(addresses) == 2 and len(families) < 2):
        causes.append(field.invalid(path, entries, _ONE_A_FAMILY))
    return causes


def _host_addresses(status: Object) -> list[Cause]:
    entries = status.get("hostIPs") or []
    if not entries:
        return []
    first = entries[0].get("ip") or ""
    causes = [] if first == (status.get("hostIP") or "") else [field.invalid("status.hostIPs[0].ip", first, "must be equal to `hostIP`")]
    return causes + _addresses(entries, "status.hostIPs")


def _container_statuses(status: Object, spec: Object) -> list[Cause]:
    on_windows = (spec.get("os") or {}).get("name") == "windows"
    causes: list[Cause] = []
    for kind in field.until_enough(causes, _STATUSES):
        for i, container in enumerate(status.get(kind) or ()):
            if (user := (container.get("user") or {}).get("linux")) is not None:
                causes += _user(user, f"status.{kind}[{i}].user.linux", on_windows=on_windows)
    return causes + [
        field.forbidden(f"status.ephemeralContainerStatuses[{i}].allocatedResourcesStatus", "must not be specified in container status")
        for i, container in enumerate(status.get("ephemeralContainerStatuses") or ())
        if container.get("allocatedResourcesStatus")
    ]


def _user(user: Object, path: str, *, on_windows: bool) -> list[Cause]:
    if on_windows:
        return [field.forbidden(path, "cannot be set for a windows pod")]
    causes: list[Cause] = []
    for name in ("uid", "gid"):
        causes += field.each_invalid(f"{path}.{name}", user.get(name) or 0, names.user_id(user.get(name) or 0))
    for i, group in field.until_enough(causes, enumerate(user.get("supplementalGroups") or ())):
        causes += field.each_invalid(f"{path}.supplementalGroups[{i}]", group, names.user_id(group))
    return causes
