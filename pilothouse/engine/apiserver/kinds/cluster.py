"""Namespaces and Nodes.

Source: pkg/registry/core/namespace, pkg/registry/core/node, pkg/apis/core/validation.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.addresses import validate_network
from pilothouse.engine.apiserver.kinds.kind import UNSUPPORTED_LABEL, Context, Kind
from pilothouse.engine.apiserver.kinds.pod_validation.resources import quantity, whole
from pilothouse.engine.apiserver.kinds.pod_validation.scheduling import TAINT_EFFECTS
from pilothouse.engine.apiserver.kinds.printers import cluster as printer
from pilothouse.engine.apiserver.kinds.quantities import round_amounts
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZER = "kubernetes"


def _default_namespace(obj: Object) -> None:
    meta = obj["metadata"]
    if name := meta.get("name"):
        meta["labels"] = (meta.get("labels") or {}) | {NAME_LABEL: name}
    if obj.get("spec") is None:
        obj["spec"] = {}


def _create_namespace(obj: Object, context: Context) -> None:
    _default_namespace(obj)
    obj["status"] = {"phase": "Active"}
    finalizers = list(obj["spec"].get("finalizers") or ())
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)
    obj["spec"]["finalizers"] = finalizers


def _update_namespace(obj: Object, old: Object, context: Context) -> None:
    """Finalizers of the spec change through the finalize subresource only, the status through its own."""
    _default_namespace(obj)
    strategy.keep_owned(obj, old)
    if context.subresource == "status":
        obj["spec"] = old.get("spec") or {}
    elif context.subresource == "finalize":
        strategy.set_status(obj, old.get("status"))
    else:
        strategy.set_status(obj, old.get("status"))
        obj["spec"] = (obj.get("spec") or {}) | {"finalizers": (old.get("spec") or {}).get("finalizers") or []}
        if not obj["spec"]["finalizers"]:
            obj["spec"].pop("finalizers")


def _validate_namespace(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_label, namespaced=False)
    for finalizer in field.until_enough(causes, (obj.get("spec") or {}).get("finalizers") or ()):
        said = names.qualified_name(finalizer)
        causes += field.each_invalid("spec.finalizers", finalizer, said)
        causes += metadata.standard_finalizer(finalizer, "spec.finalizers")
    return causes


def _validate_namespace_finalizers(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    for i, finalizer in field.until_enough(causes, enumerate((obj.get("spec") or {}).get("finalizers") or ())):
        here = f"spec.finalizers[{i}]"
        causes += field.each_invalid(here, finalizer, names.qualified_name(finalizer)) + metadata.standard_finalizer(finalizer, here)
    return causes


def _validate_namespace_status(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    phase = (obj.get("status") or {}).get("phase")
    if obj["metadata"].get("deletionTimestamp"):
        if phase != "Terminating":
            detail = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            causes.append(field.invalid("status.Phase", phase, detail))
    elif phase != "Active":
        causes.append(field.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty"))
    return causes


def _namespace_fields(obj: Object) -> dict[str, str]:
    name = obj["metadata"].get("name") or ""
    return {"metadata.name": name, "name": name, "status.phase": (obj.get("status") or {}).get("phase") or ""}


def _waits(obj: Object) -> bool:
    """The namespace's content goes first: whoever has cleared it takes the finalizer out of the spec."""
    return bool((obj.get("spec") or {}).get("finalizers"))


def _on_dying(obj: Object) -> None:
    if _waits(obj):
        obj["status"] = (obj.get("status") or {}) | {"phase": "Terminating"}
        obj["metadata"].pop("deletionGracePeriodSeconds")


NAMESPACE = Kind(
    kinds.NAMESPACES,
    "io.k8s.api.core.v1.Namespace",
    default=_default_namespace,
    prepare_create=_create_namespace,
    prepare_update=_update_namespace,
    validate=_validate_namespace,
    validate_status_update=_validate_namespace_status,
    validate_subresource={"finalize": _validate_namespace_finalizers},
    columns=printer.NAMESPACE_COLUMNS,
    cells=printer.namespace_cells,
    selectable=_namespace_fields,
    selectable_fields=frozenset(_namespace_fields({"metadata": {}})),
    selector_refusal=UNSUPPORTED_LABEL,
    returns_object_on_delete=True,
    waits=_waits,
    on_dying=_on_dying,
)

_INFO = (
    "architecture",
    "bootID",
    "containerRuntimeVersion",
    "kernelVersion",
    "kubeProxyVersion",
    "kubeletVersion",
    "machineID",
    "operatingSystem",
    "osImage",
    "systemUUID",
)


def _default_node(obj: Object) -> None:
    spec = obj.get("spec") or {}
    obj["spec"] = spec
    _agree_on_range(spec)
    status = obj.get("status") or {}
    obj["status"] = status
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])
    for name in ("capacity", "allocatable"):
        if amounts := status.get(name):
            round_amounts(amounts)
    endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {"Port": 0}
    status["daemonEndpoints"] = {"kubeletEndpoint": endpoint}
    status["nodeInfo"] = dict.fromkeys(_INFO, "") | (status.get("nodeInfo") or {})


def _agree_on_range(spec: Object) -> None:
    """podCIDR is the first of podCIDRs, and wins where they differ. Source: kubernetes pkg/apis/core/v1/conversion.go."""
    first, blocks = spec.get("podCIDR"), spec.get("podCIDRs") or []
    if first and first not in blocks[:1]:
        spec["podCIDRs"] = [first]
    elif blocks and not first:
        spec["podCIDR"] = blocks[0]


def _create_node(obj: Object, context: Context) -> None:
    """A node's first status comes with it: that is how an agent registers."""
    _drop_config(obj, {})


def _update_node(obj: Object, old: Object, context: Context) -> None:
    strategy.update(generation=False)(obj, old, context)
    _drop_config(obj, old)


def _drop_config(obj: Object, old: Object) -> None:
    """Configuration by objects is gone; only who has it from long ago keeps it."""
    for part, name in (("spec", "configSource"), ("status", "config")):
        if name in (obj.get(part) or {}) and (old.get(part) or {}).get(name) is None:
            obj[part] = {key: value for key, value in obj[part].items() if key != name}


def _node_warnings(obj: Object) -> list[str]:
    if not (obj.get("spec") or {}).get("externalID"):
        return []
    return ["spec.externalID: this field is deprecated, and is unused by Kubernetes"]


def _validate_node(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain, namespaced=False)
    spec = obj.get("spec") or {}
    causes += _taints(spec.get("taints") or []) + _node_status(obj.get("status") or {})
    blocks = spec.get("podCIDRs") or []
    for i, block in field.until_enough(causes, enumerate(blocks)):
        causes += validate_network(block, f"spec.podCIDRs[{i}]")
    if len(blocks) > 2 or (len(blocks) == 2 and len({":" in block for block in blocks}) < 2):
        causes.append(field.invalid("spec.podCIDRs", blocks, "may specify no more than one CIDR for each IP family"))
    return causes


def _node_status(status: Object) -> list[Cause]:
    """Amounts and features; the names of the amounts are parts of their paths, as upstream has it."""
    causes: list[Cause] = []
    for part in ("capacity", "allocatable"):
        for name, value in field.until_enough(causes, (status.get(part) or {}).items()):
            causes += quantity(value, f"status.{part}.{name}") + whole(name, value, f"status.{part}.{name}")
    swap = (((status.get("nodeInfo") or {}).get("swap")) or {}).get("capacity")
    if swap is not None and swap <= 0:
        causes.append(field.invalid("metadata.nodeSwapStatus.capacity", swap, "must be greater than zero"))
    return causes + _features(status.get("declaredFeatures") or [])


def _features(features: list[str]) -> list[Cause]:
    causes: list[Cause] = []
    for i, feature in field.until_enough(causes, enumerate(features)):
        here = f"status.declaredFeatures[{i}]"
        if i and feature == features[i - 1]:
            causes.append(field.duplicate(here, feature))
        elif i and feature < features[i - 1]:
            causes.append(field.invalid(here, feature, "list must be sorted alphabetically"))
    return causes


def _taints(taints: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for i, taint in field.until_enough(causes, enumerate(taints)):
        here = f"metadata.taints[{i}]"
        key, value, effect = taint.get("key") or "", taint.get("value") or "", taint.get("effect") or ""
        causes += field.each_invalid(f"{here}.key", key, names.qualified_name(key))
        if said := names.label_value(value):
            causes.append(field.invalid(f"{here}.value", value, ";".join(said)))
        causes += field.one_of(f"{here}.effect", effect, TAINT_EFFECTS)
        causes += unique.check(here, (key, effect), shown=taint, detail="taints must be unique by key and effect pair")
    return causes


def _validate_node_update(obj: Object, old: Object) -> list[Cause]:
    return _validate_node(obj) + _node_changes(obj, old)


def _node_changes(obj: Object, old: Object) -> list[Cause]:
    """What an update of a node or of its status is held to."""
    causes = metadata.validate_update(obj, old)
    spec, before, status = obj.get("spec") or {}, old.get("spec") or {}, obj.get("status") or {}
    causes += _node_status(status)
    unique = field.Unique()
    for i, address in field.until_enough(causes, enumerate(status.get("addresses") or ())):
        causes += unique.check(f"status.addresses[{i}]", (address.get("type"), address.get("address")), shown=address)
    blocks, blocks_before = spec.get("podCIDRs") or [], before.get("podCIDRs") or []
    detail = 'node updates may not change podCIDR except from "" to valid'
    if blocks_before and len(blocks) != len(blocks_before):
        causes.append(field.forbidden("spec.podCIDRs", detail))
    elif blocks_before:
        causes += [field.forbidden("spec.podCIDRs", detail) for one, other in zip(blocks, blocks_before, strict=True) if one != other]
    if before.get("providerID") and before["providerID"] != spec.get("providerID"):
        detail = 'node updates may not change providerID except from "" to valid'
        causes.append(field.forbidden("spec.providerID", detail))
    causes += _taints(spec.get("taints") or [])
    if (spec.get("externalID") or "") != (before.get("externalID") or ""):
        causes.append(field.forbidden("spec.externalID", "may not be updated"))
    return causes


def _node_fields(obj: Object) -> dict[str, str]:
    unschedulable = "true" if (obj.get("spec") or {}).get("unschedulable") else "false"
    return {"metadata.name": obj["metadata"].get("name") or "", "spec.unschedulable": unschedulable}


NODE = Kind(
    kinds.NODES,
    "io.k8s.api.core.v1.Node",
    default=_default_node,
    prepare_create=_create_node,
    prepare_update=_update_node,
    validate=_validate_node,
    warnings=_node_warnings,
    validate_update=_validate_node_update,
    validate_status_update=_node_changes,
    columns=printer.NODE_COLUMNS,
    cells=printer.node_cells,
    selectable=_node_fields,
    selectable_fields=frozenset(_node_fields({"metadata": {}})),
    selector_refusal=UNSUPPORTED_LABEL,
)
