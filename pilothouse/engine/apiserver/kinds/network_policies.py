"""NetworkPolicies: what may reach some pods, and what they may reach.

Source: pkg/apis/networking/validation, pkg/apis/networking/v1/defaults.go.
"""

from collections.abc import Sequence

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.addresses import validate_network
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import networking as printer
from pilothouse.engine.apiserver.kinds.selectors import validate_label_selector
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

PROTOCOLS, TYPES = ("TCP", "UDP", "SCTP"), ("Ingress", "Egress")
_TYPES_MAX = len(TYPES)


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            if port.get("protocol") is None:
                port["protocol"] = "TCP"
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _validate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + _spec(obj.get("spec") or {})


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + _spec(obj.get("spec") or {})


def _spec(spec: Object) -> list[Cause]:
    causes = validate_label_selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for i, rule in field.until_enough(causes, enumerate(spec.get(direction) or ())):
            causes += _rule(rule, f"spec.{direction}[{i}]", peers)
    return causes + _types(spec.get("policyTypes") or ())


def _types(given: Sequence[str]) -> list[Cause]:
    if len(given) > _TYPES_MAX:
        return [field.invalid("spec.policyTypes", list(given), "may not specify more than two policyTypes")]
    return [field.not_supported(f"spec.policyTypes[{i}]", each, TYPES) for i, each in enumerate(given) if each not in TYPES]


def _rule(rule: Object, path: str, peers: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, port in field.until_enough(causes, enumerate(rule.get("ports") or ())):
        causes += _port(port, f"{path}.ports[{i}]")
    for i, peer in field.until_enough(causes, enumerate(rule.get(peers) or ())):
        causes += _peer(peer, f"{path}.{peers}[{i}]")
    return causes


def _port(port: Object, path: str) -> list[Cause]:
    causes = field.none_or_one_of(f"{path}.protocol", port.get("protocol"), PROTOCOLS)
    value, end = port.get("port"), port.get("endPort")
    if value is None:
        missing = "may not be specified when `port` is not specified"
        return causes + ([field.invalid(f"{path}.endPort", end, missing)] if end is not None else [])
    if isinstance(value, str):
        if end is not None:
            causes.append(field.invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric"))
        return causes + field.each_invalid(f"{path}.port", value, names.port_name(value))
    causes += field.each_invalid(f"{path}.port", value, names.port_number(value))
    if end is not None:
        if end < value:
            causes.append(field.invalid(f"{path}.endPort", value, "must be greater than or equal to `port`"))
        causes += field.each_invalid(f"{path}.endPort", end, names.port_number(end))
    return causes


def _peer(peer: Object, path: str) -> list[Cause]:
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(name) is not None]
    causes = [cause for name in given if name != "ipBlock" for cause in validate_label_selector(peer[name], f"{path}.{name}")]
    if "ipBlock" in given:
        causes += _block(peer["ipBlock"], f"{path}.ipBlock")
    if not given:
        causes.append(field.required(path, "must specify a peer"))
    elif len(given) > 1 and "ipBlock" in given:
        causes.append(field.forbidden(path, "may not specify both ipBlock and another peer"))
    return causes


def _block(block: Object, path: str) -> list[Cause]:
    network = block.get("cidr") or ""
    if not network:
        return [field.required(f"{path}.cidr")]
    causes = validate_network(network, f"{path}.cidr")
    whole = names.parse_cidr(network)
    for i, each in field.until_enough(causes, enumerate(block.get("except") or ())):
        here = f"{path}.except[{i}]"
        faults = validate_network(each, here)
        causes += faults
        part = names.parse_cidr(each)
        if faults or whole is None or part is None:
            continue
        if part.version != whole.version or part.network.prefixlen <= whole.network.prefixlen or part.ip not in whole.network:
            causes.append(field.invalid(here, each, "must be a strict subset of `cidr`"))
    return causes


NETWORKPOLICY = Kind(
    kinds.NETWORKPOLICIES,
    "io.k8s.api.networking.v1.NetworkPolicy",
    default=default,
    prepare_create=strategy.create(),
    prepare_update=strategy.update(),
    validate=_validate,
    validate_update=_validate_update,
    columns=printer.POLICY_COLUMNS,
    cells=printer.policy_cells,
)
